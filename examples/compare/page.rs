//! The timeline as one page that needs nothing else: a plot for each option, the table, the conditions.

use super::outcome::{Conditions, HEADS, Lane, PHASES, cells};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const SIZE: (u32, u32) = (900, 300);
/// Reads that begin within this time are one bar.
const BIN: Duration = Duration::from_millis(250);
/// Becomes the colour of the page's text, dark on light or light on dark.
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
/// Told apart on both, and by those who see colours differently (after Okabe and Ito).
const KEYS: RGBColor = RGBColor(0x2f, 0x86, 0xc9);
const AWAY: RGBColor = RGBColor(0xd5, 0x5e, 0x00);

/// The page, well-formed as XML too.
pub(crate) fn render(
    lanes: &[Lane; 2],
    conditions: &Conditions,
    verdict: &[String],
) -> Result<String> {
    let bars = lanes.each_ref().map(|lane| bars(lane, conditions));
    let top = bars
        .iter()
        .flatten()
        .map(|bar| bar.took)
        .fold(1.0, f64::max)
        * 1.15;
    let mut page = format!("{HEAD}<h1>Credentials by Option A and by Option B</h1>\n");
    for paragraph in verdict {
        writeln!(page, "<p>{paragraph}</p>")?;
    }
    for (lane, bars) in lanes.iter().zip(&bars) {
        let plot = plot(lane, bars, conditions, top)?;
        writeln!(
            page,
            "<figure>\n<figcaption>{}</figcaption>\n{plot}</figure>",
            lane.name
        )?;
    }
    page.push_str(LEGEND);
    writeln!(page, "<h2>Counts</h2>\n<div class=\"wide\"><table>")?;
    let heads = HEADS.map(|(above, head)| format!("<th>{above} {head}</th>"));
    writeln!(page, "<tr><th></th>{}</tr>", heads.concat())?;
    for lane in lanes {
        writeln!(page, "<tr><th colspan=\"8\">{}</th></tr>", lane.name)?;
        for (name, phase) in PHASES.iter().zip(&lane.phases) {
            let cells = cells(phase).map(|cell| format!("<td>{cell}</td>"));
            writeln!(page, "<tr><td>{name}</td>{}</tr>", cells.concat())?;
        }
    }
    writeln!(
        page,
        "</table></div>\n<h2>Conditions</h2>\n<p>{conditions}.</p>\n</body>\n</html>"
    )?;
    Ok(page)
}

/// The slowest of the reads that began within one [`BIN`], in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Bar {
    took: f64,
    waited: f64,
}

fn bars(lane: &Lane, conditions: &Conditions) -> Vec<Bar> {
    let reads = &lane.timeline.reads;
    let end = reads
        .iter()
        .map(|(began, ..)| *began)
        .fold(conditions.run, Duration::max);
    let mut bars = vec![Bar::default(); 1 + bin_of(end)];
    for (began, waited, took) in reads {
        if let Some(bar) = bars.get_mut(bin_of(*began)) {
            bar.took = bar.took.max(1e3 * took.as_secs_f64());
            bar.waited = bar.waited.max(1e3 * waited.as_secs_f64());
        }
    }
    bars
}

fn bin_of(at: Duration) -> usize {
    (at.as_secs_f64() / BIN.as_secs_f64()) as usize
}

fn plot(lane: &Lane, bars: &[Bar], conditions: &Conditions, top: f64) -> Result<String> {
    let timeline = &lane.timeline;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let width = BIN.as_secs_f64();
        let end = (bars.len() as f64 * width).max(conditions.run.as_secs_f64());
        let text = |size: u32| ("sans-serif", size).into_font().color(&INK);
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.15))
            .axis_style(INK)
            .label_style(text(14))
            .x_desc("seconds since the start")
            .y_desc("milliseconds")
            .y_label_formatter(&|ms| format!("{ms:.0}"))
            .x_label_formatter(&|seconds| format!("{seconds:.0}"))
            .draw()?;

        let (from, to) = timeline.away;
        let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
        let band = Rectangle::new([(from, 0.0), (to, top)], AWAY.mix(0.25).filled());
        chart.draw_series([band])?;
        let keys = timeline.new_keys.iter().map(Duration::as_secs_f64);
        chart
            .draw_series(keys.map(|at| PathElement::new([(at, 0.0), (at, top)], KEYS.mix(0.6))))?;

        let columns = |height: fn(&Bar) -> f64, style: ShapeStyle| {
            let bars = bars
                .iter()
                .enumerate()
                .filter(move |(_, bar)| height(bar) > 0.0);
            bars.map(move |(n, bar)| {
                let from = n as f64 * width;
                Rectangle::new([(from, 0.0), (from + 0.8 * width, height(bar))], style)
            })
        };
        chart.draw_series(columns(|bar| bar.took, INK.mix(0.45).filled()))?;
        chart.draw_series(columns(|bar| bar.waited, KEYS.filled()))?;

        let refused = timeline.refused.iter().map(Duration::as_secs_f64);
        chart
            .draw_series(refused.map(|at| Cross::new((at, 0.8 * top), 4, AWAY.stroke_width(2))))?;
        let away = text(14).pos(Pos::new(HPos::Right, VPos::Top));
        if !timeline.away.1.is_zero() {
            chart.draw_series([Text::new("source away", (from - 0.2, 0.97 * top), away)])?;
        }
        area.present()?;
    }
    let alternative = format!(
        "<svg role=\"img\" aria-label=\"{}: reads and waits for keys over {} s\" ",
        lane.name,
        conditions.run.as_secs()
    );
    Ok(svg
        .replacen("<svg ", &alternative, 1)
        .replace("\"#333333\"", "\"currentColor\""))
}

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\"/>
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>
<title>Credentials by Option A and by Option B</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 sans-serif; max-width: 58rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } }
figure { margin: 1.5rem 0 }
figcaption, th { font-weight: bold; text-align: left }
svg { width: 100%; height: auto }
.wide { overflow-x: auto }
table { border-collapse: collapse }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #8886; vertical-align: bottom }
td + td, th + th { text-align: right }
ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.5rem }
i { display: inline-block; width: .8em; height: .8em; margin-right: .4em }
</style>
</head>
<body>
";

const LEGEND: &str = "<ul>
<li><i style=\"background: currentColor; opacity: .45\"></i>slowest read of each quarter of a second</li>
<li><i style=\"background: #2f86c9\"></i>longest wait for keys</li>
<li><i style=\"border-left: 2px solid #2f86c9; width: 0\"></i>new keys</li>
<li><i style=\"background: #d55e00; opacity: .25\"></i>metadata service and STS away</li>
<li><span style=\"color: #d55e00; font-weight: bold\">\u{d7}</span> requests that they refused</li>
</ul>
";
