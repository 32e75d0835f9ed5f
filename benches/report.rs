//! Figures and plots on disk: `figures.json`, `report.html`.

use crate::figures::{Figure, Figures, Verdict, number};
use crate::{Failure, Plan, plot, versions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

pub(crate) fn write(directory: &Path, figures: &Figures, plan: &Plan) -> Result<(), Failure> {
    let by_name: BTreeMap<_, _> = figures
        .all()
        .iter()
        .map(|figure| Ok((figure.name.clone(), described(figure)?)))
        .collect::<Result<_, Failure>>()?;
    let document = json!({
        "quick": plan.quick,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "versions": versions::compared().into_iter().collect::<BTreeMap<_, _>>(),
        "figures": by_name,
    });
    fs::write(
        directory.join("figures.json"),
        serde_json::to_string_pretty(&document)?,
    )?;
    let plots = plot::draw(directory, figures)?;
    fs::write(
        directory.join("report.html"),
        page(directory, figures, plan, &plots)?,
    )?;
    Ok(())
}

/// JSON has no infinity: what never came is the word for it.
fn described(figure: &Figure) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(figure)?;
    if !figure.ours.is_finite() {
        value["ours"] = json!("never");
    }
    for (peer, figure) in &figure.peers {
        if !figure.is_finite() {
            value["peers"][peer] = json!("never");
        }
    }
    Ok(value)
}

fn page(
    directory: &Path,
    figures: &Figures,
    plan: &Plan,
    plots: &[&str],
) -> Result<String, Failure> {
    let mut page = String::from(HEAD);
    let versions: Vec<_> = versions::compared()
        .iter()
        .map(|(name, version)| format!("{name}&nbsp;{version}"))
        .collect();
    writeln!(page, "<p>{}.", versions.join(", "))?;
    let length = if plan.quick {
        "A quick run"
    } else {
        "A full run"
    };
    writeln!(
        page,
        "{length}, {} cores. Verdicts rest on counts and ratios. How each figure is measured and what \
         it does not show: <code>benches/README.md</code>.</p>",
        std::thread::available_parallelism().map_or(0, usize::from)
    )?;
    for plot in plots {
        let drawn = fs::read_to_string(directory.join(plot))?;
        writeln!(page, "<figure>{drawn}</figure>")?;
    }
    page.push_str("<h2>Held to a target</h2>\n");
    table(&mut page, figures, |figure| figure.target.is_some())?;
    page.push_str("<h2>Shown for comparison</h2>\n");
    table(&mut page, figures, |figure| figure.target.is_none())?;
    page.push_str("<h2>Where a peer does better</h2>\n<ul>\n");
    for figure in figures
        .all()
        .iter()
        .filter(|figure| !figure.beaten_by.is_empty())
    {
        writeln!(
            page,
            "<li><code>{}</code>: {}</li>",
            figure.name,
            figure.beaten_by.join(", ")
        )?;
    }
    page.push_str("</ul>\n</html>\n");
    Ok(page)
}

fn table(page: &mut String, figures: &Figures, shown: fn(&Figure) -> bool) -> Result<(), Failure> {
    page.push_str("<table><tr><th>figure<th>ours<th>unit<th>peers<th>target<th>verdict</tr>\n");
    for figure in figures.all().iter().filter(|figure| shown(figure)) {
        let peers: Vec<_> = figure
            .peers
            .iter()
            .map(|(peer, value)| format!("{peer}&nbsp;{}", number(*value)))
            .collect();
        let (class, verdict) = match figure.verdict {
            Verdict::Met => ("met", "met".to_owned()),
            Verdict::MissedBy(distance) => ("missed", format!("missed by {}", number(distance))),
            Verdict::Shown => ("", String::new()),
        };
        writeln!(
            page,
            "<tr><td><code>{}</code><br>{}<td>{}<td>{}<td>{}<td>{}<td class=\"{class}\">{verdict}</tr>",
            figure.name,
            figure.what,
            number(figure.ours),
            figure.unit,
            peers.join("<br>"),
            figure
                .target
                .map(|target| target.text())
                .unwrap_or_default(),
        )?;
    }
    page.push_str("</table>\n");
    Ok(())
}

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>aws-credential-strategies: benchmarks</title>
<style>
body { font: 15px/1.45 sans-serif; color: #333; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
figure { margin: 1.5rem 0 }
figure svg { width: 100%; height: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #e4e4e4 }
td:nth-child(2), td:nth-child(5) { white-space: nowrap }
.met { color: #17692e }
.missed { color: #b3261e; font-weight: bold }
</style>
<h1>Credential refresh, side by side</h1>
";
