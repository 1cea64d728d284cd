//! The HTML report: one file that stands alone.
//!
//! It is sent by mail, kept beside a measurement and opened years later, so it needs nothing but itself: no script,
//! no font, no picture from elsewhere, and a policy in its head that would not let them in. It follows the
//! reader's choice of light or dark. Widths are the browser's business: what is too wide scrolls by itself.

use std::fmt::Write as _;

use super::plots::{self, Plot};
use super::{INTERRUPTED, chart, models, units};
use crate::results::{ModelResult, Report, ScenarioResult, Standing, Sweep};

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#fff;--ink:#1a1a1a;--faint:#595959;--line:#d9d9d9;--head:#f4f4f4;
--good:#0b6b2e;--odd:#7a5200;--bad:#b3001b;--note:#fff6d6}
body{margin:0 auto;padding:1.5rem;max-width:76rem;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.7rem;margin:0 0 .5rem}h2{font-size:1.3rem;margin:2.5rem 0 .25rem}h3{font-size:1.05rem;margin:1.5rem 0 .25rem}
p{margin:.25rem 0 .75rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.5rem 0}
dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}code{font-family:ui-monospace,monospace;font-size:.92em}
.note{background:var(--note);border-left:4px solid var(--odd);padding:.4rem .8rem;margin:.4rem 0}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
th,td{padding:.3rem .7rem;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
thead th{background:var(--head)}tbody th{font-weight:600}
td{vertical-align:top}tbody th{vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums}.range{display:block;color:var(--faint);font-size:.85em}
td.right,td.expected,td.broken{white-space:normal;min-width:7rem}
.right{color:var(--good)}.expected{color:var(--odd)}.broken{color:var(--bad);font-weight:700}
svg{display:block}svg rect[fill=none]{stroke-width:2}svg text{font-family:system-ui,sans-serif}th svg,li svg{display:inline-block;vertical-align:-2px;margin-right:.35rem}
ul.key{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1.4rem}
@media (prefers-color-scheme:dark){:root{--page:#161616;--ink:#ececec;--faint:#b0b0b0;--line:#404040;--head:#232323;
--good:#6fd08c;--odd:#f0c75e;--bad:#ff8a8a;--note:#332b10}
";

/// The report as a page.
pub(super) fn page(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    _ = write(report, &mut page);
    page
}

fn write(report: &Report, page: &mut String) -> std::fmt::Result {
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>The bank, {started}</title>\n<style>\n{STYLE}{dark}}}\n</style>\n</head>\n<body>\n",
        started = escape(&report.started),
        dark = chart::dark_style(),
    )?;
    head(report, page)?;
    for scenario in &report.scenarios {
        section(scenario, page)?;
    }
    if let Some(sweep) = &report.sweep {
        swept(sweep, page)?;
    }
    page.push_str("</body>\n</html>\n");
    Ok(())
}

fn head(report: &Report, page: &mut String) -> std::fmt::Result {
    page.push_str("<h1>The bank: every way to share state, side by side</h1>\n");
    let machine = &report.machine;
    let (os, arch) = (escape(&machine.os), escape(&machine.arch));
    write!(
        page,
        "<dl>\n<dt>command</dt><dd><code>{}</code></dd>\n<dt>started</dt><dd>{}</dd>\n\
         <dt>machine</dt><dd>{} cores, {os}, {arch}</dd>\n<dt>seed</dt><dd>{}</dd>\n</dl>\n",
        escape(&report.command),
        escape(&report.started),
        machine.cores,
        report.seed,
    )?;
    for warning in &report.warnings {
        let warning = escape(warning);
        writeln!(page, "<p class=\"note\"><b>Warning:</b> {warning}</p>")?;
    }
    if report.interrupted {
        writeln!(page, "<p class=\"note\"><b>{INTERRUPTED}</b></p>")?;
    }
    page.push_str(
        "<p>Rates are medians of all rounds, with their range. <i>Relative</i> is the rate divided by that of \
         the model with 1.00 in the same round; above 1 is faster. <i>Tries</i> is how often a commit was \
         begun. <i>Expected</i>: the model does not claim to get that right. In the plots the bar is the median, \
         the whisker the range, and a hollow bar belongs to a model whose verdict is not OK.</p>\n",
    );
    page.push_str("<ul class=\"key\">\n");
    for family in super::families(super::lines(report)) {
        let marker = chart::marker_alone(family);
        writeln!(page, "<li>{marker}{}</li>", escape(family))?;
    }
    page.push_str("</ul>\n");
    Ok(())
}

fn section(scenario: &ScenarioResult, page: &mut String) -> std::fmt::Result {
    write!(
        page,
        "<h2>{}</h2>\n<p>{}; {}.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>model</th>\
         <th>verdict</th><th class=\"n\">commits/s</th><th class=\"n\">relative</th><th class=\"n\">p50</th><th class=\"n\">p99</th>\
         <th class=\"n\">p99.9</th><th class=\"n\">max</th><th class=\"n\">tries</th><th class=\"n\">audits/s</th></tr></thead>\n<tbody>\n",
        escape(&scenario.name),
        escape(&scenario.description),
        units::setting(scenario),
    )?;
    for result in &scenario.models {
        row(result, page)?;
    }
    page.push_str("</tbody></table></div>\n");
    notes(scenario, page)?;
    for plot in [plots::relative, plots::latency, plots::audits] {
        if let Some(plot) = plot(scenario) {
            figure(&plot, page)?;
        }
    }
    Ok(())
}

fn figure(Plot { title, svg, .. }: &Plot, page: &mut String) -> std::fmt::Result {
    let title = escape(title);
    writeln!(page, "<h3>{title}</h3>\n<div class=\"scroll\">{svg}</div>")
}

fn row(result: &ModelResult, page: &mut String) -> std::fmt::Result {
    let [p50, p99, p999, max] = units::percentiles(result.latency);
    let verdict = escape(&units::verdict(result));
    write!(
        page,
        "<tr>{}<td class=\"{}\">{verdict}</td>",
        name(&result.model, &result.family),
        class(result)
    )?;
    for number in [
        units::rate_with_range(result.commits_per_s),
        units::ratio(result.relative),
        p50,
        p99,
        p999,
        max,
        units::number(result.tries_per_commit),
        units::rate_with_range(result.audits_per_s),
    ] {
        // The range in a lighter shade: the median is what is read first.
        match number.split_once(" (") {
            Some((median, range)) => write!(
                page,
                "<td class=\"n\">{median} <span class=\"range\">({range}</span></td>"
            )?,
            None => write!(page, "<td class=\"n\">{number}</td>")?,
        }
    }
    page.push_str("</tr>\n");
    Ok(())
}

fn name(model: &str, family: &str) -> String {
    let marker = chart::marker_alone(family);
    format!("<th scope=\"row\">{marker}{}</th>", escape(model))
}

fn class(result: &ModelResult) -> &'static str {
    match result.standing() {
        Standing::Right => "right",
        Standing::WrongAsExpected => "expected",
        Standing::ClaimBroken => "broken",
    }
}

fn notes(scenario: &ScenarioResult, page: &mut String) -> std::fmt::Result {
    let mut notes = (scenario.models.iter())
        .flat_map(|result| result.notes.iter().map(move |note| (&result.model, note)))
        .peekable();
    if notes.peek().is_none() {
        return Ok(());
    }
    page.push_str("<ul>\n");
    for (model, note) in notes {
        writeln!(page, "<li>{}: {}</li>", escape(model), escape(note))?;
    }
    page.push_str("</ul>\n");
    Ok(())
}

fn swept(sweep: &Sweep, page: &mut String) -> std::fmt::Result {
    let param = escape(&sweep.param);
    writeln!(page, "<h2>Throughput by {param}</h2>")?;
    if let Some((_, scenario)) = sweep.points.first() {
        // Its name is of the first value alone.
        let description = escape(&scenario.description);
        writeln!(page, "<p>{description}; commits/s.</p>")?;
    }
    page.push_str("<div class=\"scroll\"><table>\n<thead><tr><th>model</th>");
    for (value, _) in &sweep.points {
        write!(page, "<th class=\"n\">{}</th>", units::parameter(*value))?;
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for model in models(sweep.points.iter().map(|(_, scenario)| scenario)) {
        let results: Vec<_> = units::along(sweep, model).collect();
        let family = results.iter().flatten().next().map_or("", |r| &r.family);
        write!(page, "<tr>{}", name(model, family))?;
        for result in results {
            let shown = escape(&units::swept(result));
            let class = result
                .filter(|result| result.standing() != Standing::Right)
                .map_or("", class);
            write!(page, "<td class=\"n {class}\">{shown}</td>")?;
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
    if let Some(plot) = plots::swept(sweep) {
        figure(&plot, page)?;
    }
    Ok(())
}

/// Text in which nothing is markup, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in units::one_line(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::{self, watched};
    use crate::output::html;

    /// Elements without an end.
    const VOID: [&str; 2] = ["meta", "!DOCTYPE"];

    /// Walks through all tags; fails on one that is not closed in its turn. Returns their names.
    fn tags(page: &str) -> Vec<String> {
        let (mut open, mut seen) = (Vec::new(), Vec::new());
        for tag in page.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag has an end");
            assert_eq!(tag.matches('"').count() % 2, 0, "quotes in <{tag}>");
            let name = tag.split([' ', '/']).next().unwrap_or("");
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(closed), "</{closed}>");
            } else if !VOID.contains(&name) && !tag.ends_with('/') {
                open.push(name.to_owned());
            }
            seen.push(name.to_owned());
        }
        assert_eq!(open, Vec::<String>::new(), "all are closed");
        seen
    }

    #[test]
    fn any_text_leaves_the_page_well_formed() {
        watched("any_text_leaves_the_page_well_formed", || {
            for report in fixture::all() {
                let tags = tags(&html(&report));
                let allowed = "!DOCTYPE html head meta title style body h1 h2 h3 p b i dl dt dd code ul li div \
                               table thead tbody tr th td span svg text rect circle line polyline polygon";
                for tag in tags.iter().filter(|tag| !tag.is_empty()) {
                    // Neither scripts nor text of the report that became an element: `b` is both.
                    assert!(
                        allowed.split_whitespace().any(|name| name == tag),
                        "<{tag}>"
                    );
                }
            }
            let page = html(&fixture::hostile());
            assert!(!page.contains("<b a="), "text became an element");
            let control = |c: char| c.is_control() && c != '\n';
            assert!(!page.contains(control), "a page has no control characters");
            assert!(page.contains("&lt;b a=&quot;1&quot;&gt;&amp;amp; &#39;x&#39;"));
        });
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        watched("the_page_needs_nothing_from_elsewhere", || {
            let page = html(&fixture::full()).replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            for outside in [
                "http:", "https:", "//", "src=", "href=", "url(", "@import", "<script",
            ] {
                assert!(!page.contains(outside), "{outside}");
            }
        });
    }

    #[test]
    fn the_page_tells_all_that_the_report_says() {
        watched("the_page_tells_all_that_the_report_says", || {
            let full = fixture::full();
            let page = html(&full);
            for part in [
                "<code>stm-bank-demo compare -d 2s</code>",
                "2 cores, linux, x86_64",
                "18446744073709551615",
                "<b>Warning:</b> this is a debug build",
                INTERRUPTED,
                "<td class=\"expected\">LOST 81243 (expected)</td>",
                "<td class=\"broken\">OVERDRAWN 2 (claim broken)</td>",
                "<td class=\"n\">41.4 M <span class=\"range\">(40.2..42.2)</span></td>",
                "<li>racy atomics: claims nothing: it checks, then acts</li>",
                "<h2>Throughput by threads</h2>",
            ] {
                assert!(page.contains(part), "{part}");
            }
            assert_eq!(
                page.matches("role=\"img\" aria-label=\"transfer: ").count(),
                3 + 1,
                "and the sweep's"
            );
        });
    }

    /// The style sheet gives a dark page its colours by the light ones: each that is drawn must be there.
    #[test]
    fn every_color_of_a_plot_has_a_dark_one() {
        watched("every_color_of_a_plot_has_a_dark_one", || {
            let (page, dark) = (html(&fixture::full()), chart::dark_style());
            let (_, body) = page.split_once("<body>").expect("a body");
            for attribute in ["fill=\"#", "stroke=\"#"] {
                for drawn in body.split(attribute).skip(1) {
                    let rule = format!("[{attribute}{}\"]", &drawn[..6]);
                    assert!(dark.contains(&rule), "{rule}");
                }
            }
        });
    }
}
