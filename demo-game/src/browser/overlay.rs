//! The overlay for the curious: what the connection does right now. F3 or the key left of 1 shows it.

use tickwire_client::Stats;

use super::brush::{Align, Brush};
use crate::rules::vector::Vec2;

const LINE: f32 = 16.0;
const WIDTH: f32 = 250.0;

/// Draws it with its upper left corner at a place.
pub(super) fn draw(brush: &Brush<'_>, corner: Vec2, stats: &Stats, frames_per_second: f32) {
    let lines = lines(stats, frames_per_second);
    let height = LINE * lines.len() as f32 + 16.0;
    brush.plate(
        corner,
        Vec2::new(WIDTH, height),
        8.0,
        "rgba(4, 8, 20, 0.82)",
    );
    for (row, (name, value)) in lines.iter().enumerate() {
        let y = corner.y + 8.0 + LINE * (row as f32 + 0.5);
        brush.text(
            name,
            Vec2::new(corner.x + 12.0, y),
            11.0,
            Align::Left,
            "#8fa6cf",
        );
        brush.text(
            value,
            Vec2::new(corner.x + WIDTH - 12.0, y),
            11.0,
            Align::Right,
            "#e8f1ff",
        );
    }
}

fn lines(stats: &Stats, frames_per_second: f32) -> Vec<(String, String)> {
    let mut lines = vec![
        line(
            "ping",
            format!(
                "{} ms (link {})",
                millis(stats.ping.0),
                millis(stats.ping_shortest.0)
            ),
        ),
        line("jitter", format!("{} ms", millis(stats.jitter.0))),
        line("tick", stats.tick.to_string()),
        line("snapshots", format!("{} /s", stats.snapshots_per_second)),
        line(
            "snapshot bytes",
            format!("{} B/s", stats.snapshot_bytes_per_second),
        ),
        line("last snapshot", format!("{} B", stats.snapshot_bytes)),
        line(
            "interpolation delay",
            format!("{} ms", millis(stats.interpolation_delay.0)),
        ),
        line("input lead", format!("{} ticks", stats.input_lead_ticks)),
        line("entities in view", stats.entities.to_string()),
        line("frames", format!("{frames_per_second:.0} /s")),
    ];
    lines.extend(streams(stats));
    lines
}

fn line(name: &str, value: String) -> (String, String) {
    (name.into(), value)
}

fn millis(micros: u64) -> String {
    format!("{:.1}", micros as f64 / 1000.0)
}

/// Bytes as a person reads them.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..=9_999 => format!("{count} B"),
        10_000..=9_999_999 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

/// What each stream has carried since the connection began, in and out.
fn streams(stats: &Stats) -> impl Iterator<Item = (String, String)> {
    let traffic = stats.traffic;
    let rows = [
        ("control", traffic.control),
        ("input", traffic.input),
        ("snapshot", traffic.snapshot),
        ("event", traffic.event),
        ("asset and bytes", traffic.opened),
        ("all streams", traffic.total()),
    ];
    rows.into_iter().map(|(name, stream)| {
        (
            name.into(),
            format!(
                "↓ {}  ↑ {}",
                bytes(stream.in_bytes),
                bytes(stream.out_bytes)
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_with_a_fitting_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(23_400), "23.4 kB");
        assert_eq!(bytes(12_300_000), "12.3 MB");
    }
}
