//! A report and its seconds in, one HTML page without any outside reference out: a table, and plots
//! as inline SVG.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    report::{Report, Second},
    run::Outcome,
    settings::Settings,
    statistics::Spans,
};

/// Plot area in SVG units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 160.0;

/// One curve of a plot.
struct Curve {
    name: &'static str,
    colour: &'static str,
    values: Vec<f64>,
}

/// The page for a run, with one point per whole second in each plot.
#[must_use]
pub fn page(outcome: &Outcome) -> String {
    let Outcome {
        report,
        seconds,
        whole,
    } = outcome;
    let verdict = if report.failures().is_empty() {
        "<p class=ok>Every player was served.</p>".to_owned()
    } else {
        format!(
            "<p class=bad>Failed: {}.</p>",
            escape(&report.failures().join(", "))
        )
    };
    #[expect(clippy::cast_precision_loss, reason = "a plot shows three digits")]
    let curve = |name, colour, value: &dyn Fn(&Second) -> u64| Curve {
        name,
        colour,
        values: seconds.iter().map(|second| value(second) as f64).collect(),
    };
    let millis = |name, colour, value: &dyn Fn(&Second) -> f64| Curve {
        name,
        colour,
        values: seconds.iter().map(value).collect(),
    };
    let plots = [
        plot(
            "Players",
            "bots",
            &[curve("playing", BLUE, &|second| second.players)],
        ),
        plot(
            "Snapshots received",
            "a second",
            &[curve("snapshots", BLUE, &|second| second.snapshots)],
        ),
        plot(
            "Missed ticks",
            "a second",
            &[curve("missed", RED, &|second| second.missed_ticks)],
        ),
        plot(
            "Snapshot interval",
            "ms",
            &[
                millis("p50", BLUE, &|second| second.interval_ms.p50),
                millis("p99", AMBER, &|second| second.interval_ms.p99),
                millis("p99.9", RED, &|second| second.interval_ms.p999),
            ],
        ),
        plot(
            "Input to effect",
            "ms",
            &[
                millis("p50", BLUE, &|second| second.input_to_effect_ms.p50),
                millis("p99", AMBER, &|second| second.input_to_effect_ms.p99),
                millis("p99.9", RED, &|second| second.input_to_effect_ms.p999),
            ],
        ),
        plot(
            "Bytes received",
            "a second",
            &[curve("bytes", BLUE, &|second| second.bytes)],
        ),
        plot(
            "Errors",
            "a second",
            &[curve("errors", RED, &|second| second.errors)],
        ),
        nines("All snapshot intervals, by nines", &whole.interval),
    ];
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>Tickwire load test</title>\
         <style>{STYLE}</style><h1>Load test of {target}</h1><p>{crew}</p>{verdict}<pre>{table}</pre>{plots}{settings}\
         </html>\n",
        target = escape(&report.settings.url),
        crew = crew(report),
        table = escape(&report.to_string()),
        plots = plots.concat(),
        settings = settings(&report.settings),
    )
}

/// What was run, as a table: every setting that says something.
fn settings(settings: &Settings) -> String {
    let fields = serde_json::to_value(settings).unwrap_or_default();
    let fields = fields.as_object().into_iter().flatten();
    let rows = fields.filter_map(|(name, value)| {
        let text = match value {
            Value::Null => return None,
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let name = name.replace('_', " ");
        Some(format!("<tr><th>{name}<td>{}", escape(&text)))
    });
    format!(
        "<h2>What was run</h2><table>{}</table>",
        rows.collect::<String>()
    )
}

/// Who was sent, in words.
fn crew(report: &Report) -> String {
    let crew = report.crew;
    let parts: Vec<String> = [
        (crew.full, "play and decode everything"),
        (crew.light, "play and check frames and ticks"),
        (crew.stalling, "stop reading now and then"),
        (crew.flapping, "drop their connection every second"),
        (crew.garbage, "send garbage"),
        (crew.flooding, "send far too much"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let (bots, seconds) = (report.bots, report.seconds);
    format!("{bots} bots for {seconds:.0} s: {}.", parts.join(", "))
}

const BLUE: &str = "#2878d0";
const AMBER: &str = "#d08a00";
const RED: &str = "#d03838";

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;\
    color:CanvasText;background:Canvas;color-scheme:light dark}pre{overflow-x:auto}svg{width:100%;height:auto}\
    th{text-align:left;font-weight:normal;padding-right:2rem}figure{margin:1.5rem 0}text{font:11px system-ui,sans-serif;fill:currentColor}.ok{color:#2a8f3c}.bad{color:#d03838}";

/// A figure with one point per second and curve.
fn plot(title: &str, unit: &str, curves: &[Curve]) -> String {
    let longest = curves
        .iter()
        .map(|curve| curve.values.len())
        .max()
        .unwrap_or(0);
    figure(title, unit, curves, &second_marks(longest))
}

/// Marks of an axis of so many seconds: five at most, on whole multiples of 1, 2 or 5, and the last one.
fn second_marks(seconds: usize) -> Vec<(f64, String)> {
    // The points of a curve: the first second stands at 0.
    let last = seconds.saturating_sub(1).max(1);
    #[expect(clippy::cast_precision_loss, reason = "an axis needs no 52 bits")]
    let step = round_up(last as f64 / 5.0).max(1.0);
    #[expect(clippy::cast_precision_loss, reason = "an axis needs no 52 bits")]
    let share = |second: f64| second / last as f64;
    let inner = (0u32..)
        .map(|number| f64::from(number) * step)
        .take_while(|&second| share(second) < 0.95);
    let mut marks: Vec<_> = inner
        .map(|second| (share(second), format!("{second}")))
        .collect();
    marks.push((1.0, format!("{last} s")));
    marks
}

/// The distribution with an axis of nines: 0, 90 %, 99 %, … as far as the count supports one.
fn nines(title: &str, spans: &Spans) -> String {
    #[expect(clippy::cast_precision_loss, reason = "only its magnitude counts")]
    let decades = (spans.count().max(10) as f64).log10().min(6.0);
    const POINTS: u32 = 200;
    let values = (0..=POINTS)
        .map(|point| {
            let nines = decades * f64::from(point) / f64::from(POINTS);
            spans.millis_at(1.0 - 10f64.powf(-nines))
        })
        .collect();
    let names = [
        "0",
        "90 %",
        "99 %",
        "99.9 %",
        "99.99 %",
        "99.999 %",
        "99.9999 %",
    ];
    let marks: Vec<(f64, String)> = names
        .iter()
        .zip(0u32..)
        .map(|(name, nines)| (f64::from(nines) / decades, (*name).to_owned()))
        .filter(|(at, _)| *at <= 1.0)
        .collect();
    figure(
        title,
        "ms",
        &[Curve {
            name: "interval",
            colour: BLUE,
            values,
        }],
        &marks,
    )
}

fn figure(title: &str, unit: &str, curves: &[Curve], marks: &[(f64, String)]) -> String {
    let top = curves
        .iter()
        .flat_map(|curve| &curve.values)
        .fold(0.0f64, |top, &value| top.max(value));
    let top = round_up(top);
    let mut svg = String::new();
    for step in 0..=2 {
        let share = f64::from(step) / 2.0;
        let y = HEIGHT * (1.0 - share);
        let _ = write!(
            svg,
            "<line x1=50 x2={x2} y1={y} y2={y} stroke=currentColor stroke-opacity=.2 />\
             <text x=44 y={text_y} text-anchor=end>{value}</text>",
            x2 = 50.0 + WIDTH,
            text_y = y + 4.0,
            value = short(top * share),
        );
    }
    for (at, mark) in marks {
        let _ = write!(
            svg,
            "<text x={x:.1} y={y} text-anchor=middle>{mark}</text>",
            x = 50.0 + WIDTH * at,
            y = HEIGHT + 16.0
        );
    }
    for (curve, number) in curves.iter().zip(0u32..) {
        let last = curve.values.len().saturating_sub(1).max(1);
        let points =
            curve
                .values
                .iter()
                .enumerate()
                .fold(String::new(), |mut points, (index, value)| {
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "a run has far fewer than 2^52 seconds"
                    )]
                    let x = 50.0 + WIDTH * index as f64 / last as f64;
                    let _ = write!(points, "{x:.1},{y:.1} ", y = HEIGHT * (1.0 - value / top));
                    points
                });
        let _ = write!(
            svg,
            "<polyline points=\"{points}\" fill=none stroke=\"{colour}\" stroke-width=1.5 />",
            colour = curve.colour,
        );
        // One curve alone is what the title says.
        if curves.len() > 1 {
            let _ = write!(
                svg,
                "<text x={x} y=-2 style=\"fill:{colour}\" text-anchor=end>{name}</text>",
                colour = curve.colour,
                name = curve.name,
                x = 50.0 + WIDTH - 45.0 * f64::from(curves_after(curves, number)),
            );
        }
    }
    format!(
        "<figure><figcaption><b>{title}</b> ({unit})</figcaption>\
         <svg viewBox=\"0 -14 {width} {height}\" role=img aria-label=\"{title}\">{svg}</svg></figure>",
        width = WIDTH + 80.0,
        height = HEIGHT + 36.0,
    )
}

/// How many curves come after this one.
fn curves_after(curves: &[Curve], number: u32) -> u32 {
    u32::try_from(curves.len()).unwrap_or(u32::MAX) - 1 - number
}

/// The next 1, 2 or 5 times a power of ten: an axis that ends on a number people read.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let magnitude = 10f64.powf(value.log10().floor());
    let lead = value / magnitude;
    magnitude
        * [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .find(|step| lead <= *step)
            .unwrap_or(10.0)
}

/// A number in few characters: `1.5`, `20`, `300k`, `2M`.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e4 => format!("{}k", v / 1e3),
        v => format!("{v}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{page, round_up, second_marks};
    use crate::{
        options::Options,
        report::{Crew, Report, Second},
        run::Outcome,
        settings::Settings,
        statistics::Slice,
    };
    use std::time::UNIX_EPOCH;
    use tickwire_protocol::time::Micros;

    #[test]
    fn an_axis_ends_on_one_two_or_five() {
        let ends = [0.0, 0.7, 1.0, 3.0, 51.0, 999.0].map(round_up);
        assert_eq!(ends, [1.0, 1.0, 1.0, 5.0, 100.0, 1000.0]);
    }

    #[test]
    fn an_axis_of_seconds_has_few_marks_on_whole_numbers_and_its_end() {
        let names = |seconds| {
            let marks = second_marks(seconds);
            marks.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(26), ["0", "5", "10", "15", "20", "25 s"]);
        assert_eq!(names(61), ["0", "20", "40", "60 s"]);
        assert_eq!(names(1), ["0", "1 s"]);
        assert_eq!(names(0), ["0", "1 s"]);
    }

    #[test]
    fn the_page_holds_every_second_and_escapes_what_it_shows() {
        let mut whole = Slice::default();
        whole.interval.record(Micros::from_millis(50));
        whole.complain("<script>");
        let crew = Crew {
            full: 1,
            ..Crew::default()
        };
        let options = Options {
            seed: 4711,
            ..Options::for_target("ws://h/<p>")
        };
        let settings = Settings::new(&options, UNIX_EPOCH);
        let outcome = Outcome {
            report: Report::new(settings, crew, &whole, 3.0),
            seconds: vec![Second::from(&whole); 3],
            whole,
        };
        let page = page(&outcome);
        assert!(!page.contains("<script>") && !page.contains("<p>ws"));
        assert!(page.contains("&lt;script&gt;"));
        assert!(page.contains("<th>seed<td>4711"));
        assert!(page.contains("<th>started<td>1970-01-01T00:00:00Z"));
        let interval = page
            .split("Snapshot interval</b>")
            .nth(1)
            .expect("the plot is there");
        let points = interval
            .split("points=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap();
        assert_eq!(points.split_whitespace().count(), 3);
    }
}
