//! Counters to Prometheus' text format, version 0.0.4.

use core::fmt::{self, Write};

use tickwire_protocol::{error::CloseCode, time::Micros, websocket::CLOSE_ABNORMAL};

use super::{Counter, Histogram, Metrics, REFUSALS, STREAM_NAMES, Select, StreamCounters};
use crate::limits::Limit;

/// Labels and the value under them.
type Row = (String, u64);

impl Metrics {
    /// All of it.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        self.write_gauges(out)?;
        self.write_busy(out)?;
        self.write_counters(out)?;
        self.write_histograms(out)?;
        self.write_streams(out)?;
        self.write_ends(out)
    }

    fn write_gauges(&self, out: &mut String) -> fmt::Result {
        let gauges = [
            (
                "tickwire_connections",
                "WebSocket connections.",
                self.level(|w| &w.connections),
            ),
            (
                "tickwire_handshakes",
                "Connections that were upgraded and have no seat yet.",
                self.handshakes.read(),
            ),
            (
                "tickwire_http_connections",
                "Connections that speak HTTP.",
                self.http_connections.read(),
            ),
            (
                "tickwire_players",
                "Players with a seat, connected or within their grace.",
                self.level(|w| &w.players),
            ),
            (
                "tickwire_rooms",
                "Rooms, empty ones included.",
                self.level(|w| &w.rooms),
            ),
            (
                "tickwire_workers",
                "Threads that run rooms.",
                i64::try_from(self.workers.len()).unwrap_or(i64::MAX),
            ),
        ];
        for (name, help, value) in gauges {
            writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
            )?;
        }
        let (name, version) = ("tickwire_build_info", env!("CARGO_PKG_VERSION"));
        writeln!(
            out,
            "# HELP {name} The version of tickwire-server, as a label.\n# TYPE {name} gauge\n{name}{{version=\"{version}\"}} 1"
        )
    }

    /// How full the server is, which a sum would not tell: a room has one worker.
    fn write_busy(&self, out: &mut String) -> fmt::Result {
        let busy = self.workers.iter().enumerate().map(|(worker, metrics)| {
            let seconds = Micros(metrics.busy_micros.read()).as_seconds();
            (format!("worker=\"{worker}\""), seconds)
        });
        family(
            out,
            "tickwire_worker_busy_seconds_total",
            "Time that a worker was at work; counted once a second.",
            &busy.collect::<Vec<_>>(),
        )
    }

    fn write_counters(&self, out: &mut String) -> fmt::Result {
        let counters: [(&str, &str, Select<Counter>); 10] = [
            ("tickwire_ticks_total", "Ticks of all rooms.", |w| &w.ticks),
            (
                "tickwire_ticks_late_total",
                "Ticks that began a period or more late.",
                |w| &w.ticks_late,
            ),
            (
                "tickwire_ticks_slipped_total",
                "Ticks given up: rooms slowed their clock.",
                |w| &w.ticks_slipped,
            ),
            (
                "tickwire_ticks_helped_total",
                "Ticks of heavy rooms that other workers lent a thread.",
                |w| &w.ticks_helped,
            ),
            (
                "tickwire_snapshots_written_total",
                "Snapshots given to a socket.",
                |w| &w.snapshots_written,
            ),
            (
                "tickwire_would_block_total",
                "Writes that a socket did not take whole.",
                |w| &w.would_block,
            ),
            (
                "tickwire_encode_hits_total",
                "Groups sent with bytes encoded for another player.",
                |w| &w.encode_hits,
            ),
            ("tickwire_encode_misses_total", "Groups encoded.", |w| {
                &w.encode_misses
            }),
            (
                "tickwire_rooms_panicked_total",
                "Rooms ended by a panic in game code.",
                |w| &w.rooms_panicked,
            ),
            (
                "tickwire_rooms_moved_total",
                "Rooms given to a worker with less to do.",
                |w| &w.rooms_moved,
            ),
        ];
        for (name, help, counter) in counters {
            writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}",
                self.sum(counter)
            )?;
        }
        Ok(())
    }

    fn write_histograms(&self, out: &mut String) -> fmt::Result {
        let histograms: [(&str, &str, Select<Histogram>); 3] = [
            (
                "tickwire_tick_seconds",
                "Time that a room's tick took, writing included.",
                |w| &w.tick_duration,
            ),
            (
                "tickwire_tick_lateness_seconds",
                "How late a tick began.",
                |w| &w.tick_lateness,
            ),
            (
                "tickwire_snapshot_age_seconds",
                "Age of a snapshot's state as it was written.",
                |w| &w.snapshot_age,
            ),
        ];
        for (name, help, histogram) in histograms {
            Histogram::write_sum(out, name, help, self.workers.iter().map(|w| histogram(w)))?;
        }
        Ok(())
    }

    fn write_streams(&self, out: &mut String) -> fmt::Result {
        let by_stream = |parts: [fn(&StreamCounters) -> &Counter; 2]| -> Vec<Row> {
            let mut rows = Vec::new();
            for (i, name) in STREAM_NAMES.iter().enumerate() {
                for (direction, part) in ["in", "out"].into_iter().zip(parts) {
                    let labels = format!("stream=\"{name}\",direction=\"{direction}\"");
                    rows.push((labels, self.sum(|worker| part(&worker.streams[i]))));
                }
            }
            rows
        };
        family(
            out,
            "tickwire_stream_bytes_total",
            "Bytes by stream, frame headers included.",
            &by_stream([|s| &s.bytes_in, |s| &s.bytes_out]),
        )?;
        family(
            out,
            "tickwire_stream_messages_total",
            "Messages by stream; a WebSocket message may hold several.",
            &by_stream([|s| &s.messages_in, |s| &s.messages_out]),
        )?;
        family(
            out,
            "tickwire_messages_total",
            "WebSocket messages.",
            &[
                ("direction=\"in\"".into(), self.sum(|w| &w.messages_in)),
                ("direction=\"out\"".into(), self.sum(|w| &w.messages_out)),
            ],
        )?;
        family(
            out,
            "tickwire_snapshots_skipped_total",
            "Snapshots not built: the socket was full, or the room was catching up.",
            &[
                (
                    "reason=\"socket\"".into(),
                    self.sum(|w| &w.snapshots_skipped_socket),
                ),
                (
                    "reason=\"overrun\"".into(),
                    self.sum(|w| &w.snapshots_skipped_overrun),
                ),
            ],
        )?;
        family(
            out,
            "tickwire_inputs_dropped_total",
            "Inputs dropped: for a tick gone by, too far ahead, or replaced by a newer for its tick.",
            &[
                ("reason=\"late\"".into(), self.sum(|w| &w.inputs_late)),
                ("reason=\"early\"".into(), self.sum(|w| &w.inputs_early)),
                (
                    "reason=\"duplicate\"".into(),
                    self.sum(|w| &w.inputs_duplicate),
                ),
            ],
        )
    }

    /// How connections ended, and what stopped them.
    fn write_ends(&self, out: &mut String) -> fmt::Result {
        let codes = CloseCode::ALL.iter().map(|code| code.number());
        let closes: Vec<Row> = codes
            .chain([CLOSE_ABNORMAL])
            .enumerate()
            .map(|(i, code)| (format!("code=\"{code}\""), self.sum(|w| &w.closes[i])))
            .collect();
        family(
            out,
            "tickwire_closes_total",
            "Connections ended, by WebSocket close code.",
            &closes,
        )?;
        let limits = Limit::ALL.map(|limit| {
            let reached = self.sum(|w| &w.limits[limit as usize]);
            (format!("limit=\"{}\"", limit.name()), reached)
        });
        family(
            out,
            "tickwire_limits_reached_total",
            "Limits that a peer has reached.",
            &limits,
        )?;
        let refused: Vec<Row> = REFUSALS
            .iter()
            .zip(&self.refused)
            .map(|((_, reason), counter)| (format!("reason=\"{reason}\""), counter.read()))
            .collect();
        family(
            out,
            "tickwire_refused_total",
            "Connections refused before they reached a worker.",
            &refused,
        )
    }
}

fn family<N: fmt::Display>(
    out: &mut String,
    name: &str,
    help: &str,
    rows: &[(String, N)],
) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter")?;
    rows.iter()
        .try_for_each(|(labels, value)| writeln!(out, "{name}{{{labels}}} {value}"))
}
