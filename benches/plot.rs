//! The plots, as SVG.

use crate::Failure;
use crate::figures::{Figures, Series};
use crate::subject::{LAZY, NAIVE, OURS};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// Latency over time, of [`OURS`] and peers; and the times of the outage as [`OUTAGE`].
pub(crate) const LATENCY: &str = "latency";
pub(crate) const OUTAGE: &str = "outage";
/// Source calls a second of the fleet, by rule.
pub(crate) const FLEET: &str = "fleet";
/// Seconds without good keys, by when an outage begins.
pub(crate) const SESSIONS: &str = "outage";
/// Share of runs with new keys, by the time since one failed answer.
pub(crate) const BLIP: &str = "blip";
/// Share of requests that fail, by the time to expiry.
pub(crate) const TERMINAL: &str = "terminal";
/// The share that is served, of a fleet and of tenants that start cold.
pub(crate) const FLEET_COLD: &str = "fleet_cold";
pub(crate) const TENANTS: &str = "tenants";

const SIZE: (u32, u32) = (960, 420);
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
const OURS_COLOUR: RGBColor = RGBColor(0x00, 0x72, 0xb2);
/// Told apart by those who see colours differently too (Okabe and Ito).
const SDK_COLOUR: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const TOLD_COLOUR: RGBColor = RGBColor(0x00, 0x9e, 0x73);
const OTHER_COLOUR: RGBColor = RGBColor(0x99, 0x99, 0x99);
/// Where nothing is drawn in the plot of latencies: between the outages, above what a refresh costs.
const BETWEEN_OUTAGES: SeriesLabelPosition = SeriesLabelPosition::Coordinate(236, 4);

/// Draws what there is data for; the names of the files.
pub(crate) fn draw(directory: &Path, figures: &Figures) -> Result<Vec<&'static str>, Failure> {
    let mut drawn = Vec::new();
    if let Some(series) = figures.series.get(LATENCY) {
        latency(&directory.join("latency.svg"), series)?;
        drawn.push("latency.svg");
    }
    if let Some(series) = figures.series.get(FLEET) {
        fleet(&directory.join("fleet.svg"), series)?;
        drawn.push("fleet.svg");
    }
    for plot in LINES {
        if let Some(series) = figures.series.get(plot.name) {
            lines(&directory.join(plot.file), &plot, series)?;
            drawn.push(plot.file);
        }
    }
    Ok(drawn)
}

/// A plot that is a line each, both axes linear.
struct Lines {
    /// The series have it.
    name: &'static str,
    file: &'static str,
    caption: &'static str,
    x: &'static str,
    y: &'static str,
    legend: SeriesLabelPosition,
}

const LINES: [Lines; 5] = [
    Lines {
        name: SESSIONS,
        file: "outage.svg",
        caption: "A source that refuses for 15 min, sessions of 1 h: seconds in which a request fails or gets expired keys",
        x: "minute of the session in which the outage begins",
        y: "seconds",
        legend: SeriesLabelPosition::UpperLeft,
    },
    Lines {
        name: BLIP,
        file: "blip.svg",
        caption: "One failed answer at the first refresh, sessions of 15 min: runs that have new keys",
        x: "seconds since the failed answer",
        y: "% of runs",
        legend: SeriesLabelPosition::LowerRight,
    },
    Lines {
        name: TERMINAL,
        file: "terminal.svg",
        caption: "A source that refuses for good, sessions of 1 h: requests that fail in each minute",
        x: "minutes to and past expiry",
        y: "% of requests",
        legend: SeriesLabelPosition::UpperLeft,
    },
    Lines {
        name: FLEET_COLD,
        file: "fleet_cold.svg",
        caption: "Hosts start cold in one second, 10,000 where STS admits 600 calls a second: how many have credentials",
        x: "seconds",
        y: "% of hosts",
        legend: SeriesLabelPosition::LowerRight,
    },
    Lines {
        name: TENANTS,
        file: "tenants.svg",
        caption: "Tenants start cold in one second, STS admits 200 calls a second: how many have credentials",
        x: "seconds",
        y: "% of tenants",
        legend: SeriesLabelPosition::LowerRight,
    },
];

fn lines(path: &Path, plot: &Lines, series: &[Series]) -> Result<(), Failure> {
    let points = || series.iter().flat_map(|series| &series.points);
    let begin = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let end = last(series, |point| point.0).max(begin + 1.0);
    let top = last(series, |point| point.1).max(1.0) * 1.1;
    let area = canvas(path)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(plot.caption, ("sans-serif", 17).into_font().color(&INK))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(begin..end, 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(("sans-serif", 14).into_font().color(&INK))
        .x_desc(plot.x)
        .y_desc(plot.y)
        .draw()?;
    draw_lines(&mut chart, series.iter(), |point| point)?;
    legend(&mut chart, plot.legend.clone())?;
    area.present()?;
    Ok(())
}

/// Ours last, so that nothing is drawn over it.
fn draw_lines<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    series: impl Iterator<Item = &'a Series>,
    shown: impl Fn((f64, f64)) -> (f64, f64),
) -> Result<(), Failure>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let (ours, others): (Vec<_>, Vec<_>) = series.partition(|series| series.name == OURS);
    for line in others.into_iter().chain(ours) {
        let (colour, width) = pen(&line.name);
        let points: Vec<_> = line.points.iter().map(|point| shown(*point)).collect();
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(width)))?
            .label(label(&line.name))
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(width))
            });
    }
    Ok(())
}

fn latency(path: &Path, series: &[Series]) -> Result<(), Failure> {
    /// Below it a call is as good as instant; a logarithm has no zero.
    const FLOOR_MS: f64 = 0.001;
    let end = last(series, |point| point.0).max(1.0);
    let top = last(series, |point| point.1).max(100.0) * 3.0;
    let area = canvas(path)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "How long a request waits for credentials: the worst of 64 callers in each 50 ms",
            ("sans-serif", 17).into_font().color(&INK),
        )
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..end, (FLOOR_MS..top).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(("sans-serif", 14).into_font().color(&INK))
        .x_desc("seconds")
        .y_desc("latency (logarithmic)")
        .y_label_formatter(&|ms| duration(*ms))
        .draw()?;
    for outage in series.iter().filter(|series| series.name == OUTAGE) {
        let [(begin, _), (finish, _)] = outage.points[..] else {
            continue;
        };
        let shade = RGBColor(0xf6, 0xe3, 0xd4).filled();
        chart.draw_series([Rectangle::new([(begin, FLOOR_MS), (finish, top)], shade)])?;
        let style = TextStyle::from(("sans-serif", 14).into_font())
            .color(&INK)
            .pos(Pos::new(HPos::Left, VPos::Top));
        chart.draw_series([Text::new("source down", (begin + 0.05, top * 0.8), style)])?;
    }
    let lines = series.iter().filter(|series| series.name != OUTAGE);
    draw_lines(&mut chart, lines, |(at, ms)| (at, ms.max(FLOOR_MS)))?;
    legend(&mut chart, BETWEEN_OUTAGES)?;
    area.present()?;
    Ok(())
}

fn fleet(path: &Path, series: &[Series]) -> Result<(), Failure> {
    const FLOOR: f64 = 0.5;
    let end = last(series, |point| point.0).max(1.0);
    // Room for the legend above the peaks.
    let top = last(series, |point| point.1).max(10.0) * 30.0;
    let area = canvas(path)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "Calls to the source by 10,000 hosts that started together, sessions of 1 h: the peak of each minute",
            ("sans-serif", 17).into_font().color(&INK),
        )
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..end, (FLOOR..top).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(("sans-serif", 14).into_font().color(&INK))
        .x_desc("hours")
        .y_desc("calls a second (logarithmic)")
        .y_label_formatter(&|calls| format!("{calls:.0}"))
        .draw()?;
    draw_lines(&mut chart, series.iter(), |(at, calls)| {
        (at, calls.max(FLOOR))
    })?;
    legend(&mut chart, SeriesLabelPosition::UpperRight)?;
    area.present()?;
    Ok(())
}

fn canvas(path: &Path) -> Result<DrawingArea<SVGBackend<'_>, Shift>, Failure> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    Ok(area)
}

fn legend<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Result<(), Failure>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.9))
        .border_style(GRID)
        .label_font(("sans-serif", 14).into_font().color(&INK))
        .draw()?;
    Ok(())
}

fn pen(name: &str) -> (RGBColor, u32) {
    match name {
        OURS => (OURS_COLOUR, 3),
        "ours_told" => (TOLD_COLOUR, 3),
        LAZY | "sdk" | "sdk_provider_each" => (SDK_COLOUR, 2),
        _ => (OTHER_COLOUR, 2),
    }
}

fn label(name: &str) -> &str {
    match name {
        OURS => "aws-credential-strategies",
        LAZY => "AWS SDK, IdentityCache::lazy",
        NAIVE => "RwLock by hand",
        "sdk" => "AWS SDK today: 5 to 10 s before expiry",
        "sdk_provider_each" => "AWS SDK, an AssumeRoleProvider and a lazy cache each",
        "ours_told" => "the same, with throttled_spread",
        "aws_2026" => "AWS SDKs of 2026: at the window, by call",
        other => other,
    }
}

fn duration(ms: f64) -> String {
    match ms {
        ms if ms >= 1000.0 => format!("{:.0} s", ms / 1000.0),
        ms if ms >= 1.0 => format!("{ms:.0} ms"),
        ms => format!("{:.0} µs", ms * 1000.0),
    }
}

fn last(series: &[Series], of: fn(&(f64, f64)) -> f64) -> f64 {
    series
        .iter()
        .flat_map(|series| &series.points)
        .map(of)
        .fold(0.0, f64::max)
}
