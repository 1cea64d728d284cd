//! The plots of the HTML report.
//!
//! Three of them have a row for each model, with its name on the left and its figures on the right, so that no
//! name has to be turned, cut off or looked up in a legend. The sweep has a line for each model, with the name at
//! its end. Hollow bars and lines without end belong to models whose books were wrong: speed is no merit then.

use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::chart::{self, Axis, Canvas, FAINT, GRID, INK, Look, Pixel, picture, widest, width};
use super::{models, units};
use crate::results::{Latency, ModelResult, ScenarioResult, Spread, Sweep, Verdict};

/// Between text and what it belongs to.
const GAP: i32 = 10;
/// From one model to the next one.
const ROW: i32 = 28;
/// Half of a bar's thickness.
const BAR: i32 = 8;
/// The width of what lies between names and figures.
const PLOT: i32 = 460;
/// Below the rows: the ticks' labels and what they mean.
const FOOT: i32 = 56;
/// From the plot to its axis's title.
const TITLE: i32 = 38;
/// Room for a family's marker.
const MARKER: i32 = 22;

/// A picture with its title.
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) svg: String,
    /// Where it belongs.
    place: String,
}

impl Plot {
    /// `what` the plot shows stands above it; who does not see it is told where it belongs, too.
    fn new(place: &str, what: String, size: Pixel, draw: impl FnOnce(&Canvas<'_>)) -> Self {
        Self {
            svg: picture(&format!("{place}: {what}"), size, draw),
            title: what,
            place: place.to_owned(),
        }
    }

    /// With its title and a key, on a page of its own: white, whatever the page around it is.
    pub(super) fn alone(&self, families: &[&str]) -> String {
        let title = format!("{}: {}", self.place, self.title);
        chart::on_paper(&title, families, &self.svg)
    }
}

/// Rows with names on their left, figures on their right, and an axis below.
struct Rows<'a> {
    results: Vec<&'a ModelResult>,
    figures: Vec<String>,
    left: i32,
    plot: i32,
    /// Above the rows.
    top: i32,
}

impl<'a> Rows<'a> {
    fn new(
        results: Vec<&'a ModelResult>,
        figures: impl Fn(&ModelResult) -> String,
        top: i32,
    ) -> Self {
        let figures = results.iter().map(|result| figures(result)).collect();
        let names = results.iter().map(|result| result.model.as_str());
        Self {
            left: widest(names) + MARKER + 2 * GAP,
            plot: PLOT,
            top,
            figures,
            results,
        }
    }

    /// From where to where the plot reaches.
    fn ends(&self) -> Pixel {
        (self.left, self.left + self.plot)
    }

    fn bottom(&self) -> i32 {
        self.top + self.results.len() as i32 * ROW
    }

    fn size(&self) -> Pixel {
        let figures = widest(self.figures.iter().map(String::as_str));
        (
            self.left + self.plot + figures + 2 * GAP,
            self.bottom() + FOOT,
        )
    }

    /// Everything but the marks. Says for each row where its middle is.
    fn draw(&self, canvas: &Canvas<'_>) -> Vec<(&'a ModelResult, i32)> {
        let rows = self.draw_figures(canvas);
        for (result, y) in &rows {
            canvas.marker((GAP, *y), &result.family);
            canvas.text(&result.model, (GAP + MARKER / 2, *y), HPos::Left, INK);
        }
        rows
    }

    /// As `draw`, without the names.
    fn draw_figures(&self, canvas: &Canvas<'_>) -> Vec<(&'a ModelResult, i32)> {
        let middles = (0..).map(|at| self.top + at * ROW + ROW / 2);
        let rows: Vec<_> = self.results.iter().copied().zip(middles).collect();
        for ((_, y), figures) in rows.iter().zip(&self.figures) {
            canvas.text(figures, (self.ends().1 + GAP, *y), HPos::Left, INK);
        }
        rows
    }
}

/// Ticks, grid and a title for an axis below the plot.
fn axis_below(
    canvas: &Canvas<'_>,
    axis: &Axis,
    (top, bottom): Pixel,
    title: &str,
    label: impl Fn(f64) -> String,
) {
    let mut free_from = i32::MIN;
    for tick in &axis.ticks {
        let (x, text) = (axis.at(*tick), units::tick(&label(*tick)));
        canvas.line((x, top), (x, bottom), GRID, 1);
        let half = width(&text) / 2;
        // A label that would touch the one before is left out.
        if x - half > free_from {
            canvas.text(&text, (x, bottom + 14), HPos::Center, FAINT);
            free_from = x + half + GAP / 2;
        }
    }
    let ends = [axis.ticks.first(), axis.ticks.last()].map(|t| t.map_or(0, |t| axis.at(*t)));
    let middle = i32::midpoint(ends[0], ends[1]);
    canvas.text(title, (middle, bottom + TITLE), HPos::Center, FAINT);
}

fn finite(spread: Option<Spread>) -> Option<Spread> {
    spread.and_then(Spread::finite)
}

/// A bar's style: hollow where the books were wrong.
fn bar_style(result: &ModelResult) -> ShapeStyle {
    let color = Look::of(&result.family).color;
    match result.verdict {
        Verdict::Ok => color.filled(),
        _ => color.stroke_width(2),
    }
}

/// What stands behind a row's bar.
fn with_verdict(figure: String, result: &ModelResult) -> String {
    match result.verdict {
        Verdict::Ok if result.claims_hold => figure,
        _ if figure == units::UNKNOWN => units::verdict(result),
        _ => format!("{figure}, {}", units::verdict(result)),
    }
}

/// How much faster or slower than the reference; nothing if nobody was compared with it.
pub(super) fn relative(scenario: &ScenarioResult) -> Option<Plot> {
    let results: Vec<_> = scenario.models.iter().collect();
    let mut spreads = results.iter().filter_map(|r| finite(r.relative)).peekable();
    spreads.peek()?;
    // Both sides are shown even if all are slower, or all are faster.
    let values = spreads.flat_map(|s| [s.min, s.median, s.max]);
    let values: Vec<_> = values.chain([0.5, 2.0]).collect();
    let rows = Rows::new(results, |r| with_verdict(units::ratio(r.relative), r), GAP);
    let axis = Axis::log(values.into_iter(), rows.ends());
    let reference = scenario.reference().unwrap_or("the reference");
    let title = format!("Throughput relative to {reference}");
    Some(Plot::new(&scenario.name, title, rows.size(), |canvas| {
        let below = "relative rate, logarithmic";
        axis_below(canvas, &axis, (rows.top, rows.bottom()), below, |tick| {
            tick.to_string()
        });
        let (y, (start, end)) = (rows.bottom() + TITLE, rows.ends());
        canvas.text("\u{2190} slower", (start, y), HPos::Left, FAINT);
        canvas.text("faster \u{2192}", (end, y), HPos::Right, FAINT);
        let one = axis.at(1.0);
        for (result, y) in rows.draw(canvas) {
            let Some(spread) = finite(result.relative).filter(|s| s.median > 0.0) else {
                continue;
            };
            let end = axis.at(spread.median);
            canvas.bar((one, y - BAR), (end, y + BAR), bar_style(result));
            let (from, to) = (axis.at(spread.min), axis.at(spread.max));
            canvas.whisker((from, y), (to, y), INK);
        }
        canvas.line((one, rows.top), (one, rows.bottom()), INK, 2);
    }))
}

/// From the median to the worst; nothing if nobody's latency was measured.
pub(super) fn latency(scenario: &ScenarioResult) -> Option<Plot> {
    let results: Vec<_> = scenario.models.iter().collect();
    let mut known = results.iter().filter_map(|r| r.latency).peekable();
    known.peek()?;
    // A time of zero is shorter than the clock can tell.
    let ns = |time: u64| time.max(1) as f64;
    let values = known.flat_map(|l| [l.p50_ns, l.p99_ns, l.p999_ns, l.max_ns].map(ns));
    let values: Vec<_> = values.collect();
    let figures = |result: &ModelResult| match result.latency {
        None => with_verdict(units::UNKNOWN.to_owned(), result),
        Some(l) => format!(
            "p50 {}, p99 {}",
            units::duration(l.p50_ns),
            units::duration(l.p99_ns)
        ),
    };
    let rows = Rows::new(results, figures, GAP + ROW);
    let axis = Axis::log(values.into_iter(), rows.ends());
    let title = "Latency percentiles".to_owned();
    Some(Plot::new(&scenario.name, title, rows.size(), |canvas| {
        latency_key(canvas, rows.left);
        axis_below(
            canvas,
            &axis,
            (rows.top, rows.bottom()),
            "time for a commit, logarithmic",
            |tick| units::duration(tick.round() as u64),
        );
        for (result, y) in rows.draw(canvas) {
            let Some(Latency {
                p50_ns,
                p99_ns,
                p999_ns,
                max_ns,
            }) = result.latency
            else {
                continue;
            };
            let times = [p50_ns, p99_ns, p999_ns, max_ns].map(|time| axis.at(ns(time)));
            percentiles(canvas, times, y, bar_style(result));
        }
    }))
}

/// A figure that gets thinner the rarer it is: to p99, to p99.9, and to the worst.
fn percentiles(
    canvas: &Canvas<'_>,
    [p50, p99, p999, max]: [i32; 4],
    y: i32,
    style: impl Into<ShapeStyle>,
) {
    let style = style.into();
    let thin = style.color.stroke_width(2);
    canvas.bar((p50, y - BAR), (p99, y + BAR), style);
    canvas.bar((p99, y - 3), (p999, y + 3), style);
    canvas.draw(PathElement::new([(p999, y), (max, y)], thin));
    canvas.draw(PathElement::new([(max, y - BAR), (max, y + BAR)], thin));
}

/// The same figure, part by part.
fn latency_key(canvas: &Canvas<'_>, left: i32) {
    const SAMPLE: i32 = 30;
    let y = GAP + ROW / 2 - 4;
    let mut x = left;
    for (part, text) in ["p50 to p99", "to p99.9", "to the longest"]
        .iter()
        .enumerate()
    {
        let end = x + SAMPLE;
        match part {
            0 => canvas.bar((x, y - BAR), (end, y + BAR), FAINT.filled()),
            1 => canvas.bar((x, y - 3), (end, y + 3), FAINT.filled()),
            _ => percentiles(canvas, [x, x, x, end], y, FAINT.filled()),
        }
        canvas.text(text, (end + GAP / 2, y), HPos::Left, FAINT);
        x = end + width(text) + 2 * GAP;
    }
}

/// Commits a second and audits a second, side by side; nothing if nobody audited.
pub(super) fn audits(scenario: &ScenarioResult) -> Option<Plot> {
    let results: Vec<_> = scenario.models.iter().collect();
    let medians = |of: fn(&ModelResult) -> Option<Spread>| -> Vec<f64> {
        let spreads = results.iter().filter_map(|result| finite(of(result)));
        spreads
            .flat_map(|spread| [spread.median, spread.max])
            .collect()
    };
    let (commits, audits) = (medians(|r| r.commits_per_s), medians(|r| r.audits_per_s));
    if audits.is_empty() {
        return None;
    }
    let left = Rows::new(
        results.clone(),
        |r| units::rate(r.commits_per_s.map_or(f64::NAN, |s| s.median)),
        GAP,
    );
    let left = Rows {
        plot: PLOT / 2,
        ..left
    };
    let figures = |r: &ModelResult| {
        let audits = units::rate(r.audits_per_s.map_or(f64::NAN, |s| s.median));
        with_verdict(audits, r)
    };
    let right = Rows {
        left: left.size().0 + GAP,
        plot: PLOT / 2,
        ..Rows::new(results, figures, GAP)
    };
    let title = "Audits beside transfers".to_owned();
    let panels = [(&left, commits, "commits/s"), (&right, audits, "audits/s")];
    Some(Plot::new(&scenario.name, title, right.size(), |canvas| {
        for (at, (rows, rates, title)) in panels.into_iter().enumerate() {
            let axis = Axis::for_rates(&rates, rows.ends());
            let title = format!("{title}{}", axis.scale());
            axis_below(
                canvas,
                &axis,
                (rows.top, rows.bottom()),
                &title,
                units::rate,
            );
            let placed = if at == 0 {
                rows.draw(canvas)
            } else {
                rows.draw_figures(canvas)
            };
            for (result, y) in placed {
                let rate = if at == 0 {
                    result.commits_per_s
                } else {
                    result.audits_per_s
                };
                let Some(spread) = finite(rate) else { continue };
                let (from, to) = (axis.at(spread.min), axis.at(spread.max));
                let end = (axis.at(spread.median), y);
                // A bar's length means something only where it begins at zero.
                if axis.has_zero() {
                    canvas.bar((rows.left, y - BAR), (end.0, y + BAR), bar_style(result));
                    canvas.whisker((from, y), (to, y), INK);
                } else {
                    canvas.line((rows.left, y), (rows.ends().1, y), GRID, 1);
                    canvas.whisker((from, y), (to, y), INK);
                    canvas.marker(end, &result.family);
                }
            }
            canvas.line((rows.left, rows.top), (rows.left, rows.bottom()), INK, 1);
        }
    }))
}

/// The height of the lines' plot, at least.
const LINES: i32 = 360;
/// From one name at the end of a line to the next one.
const NAME: i32 = 19;

/// Commits a second along the sweep, a line for each model; nothing if nobody committed.
pub(super) fn swept(sweep: &Sweep) -> Option<Plot> {
    let names = models(sweep.points.iter().map(|(_, scenario)| scenario));
    let lines: Vec<_> = names.iter().map(|name| Line::of(sweep, name)).collect();
    let points = || lines.iter().flat_map(|line| &line.points);
    let rates: Vec<f64> = points().map(|(_, spread)| spread.median).collect();
    if rates.is_empty() {
        return None;
    }
    let mut values: Vec<f64> = points().map(|(value, _)| *value).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();

    let left = width("999 M") + 2 * GAP;
    let bottom = GAP + LINES.max(names.len() as i32 * NAME);
    let across = Axis::of(&values, (left + 2 * GAP, left + 620));
    let up = Axis::for_rates(&rates, (bottom, GAP));
    let size = (
        left + 620 + 4 * GAP + MARKER + widest(names.iter().copied()) + GAP,
        bottom + FOOT,
    );
    let title = format!("Commits per second by {}", sweep.param);
    let place = (sweep.points.first()).map_or("sweep", |(_, scenario)| &scenario.name);
    Some(Plot::new(place, title, size, |canvas| {
        for tick in &up.ticks {
            let y = up.at(*tick);
            canvas.line((left, y), (left + 620, y), GRID, 1);
            canvas.text(
                &units::tick(&units::rate(*tick)),
                (left - GAP, y),
                HPos::Right,
                FAINT,
            );
        }
        let below = format!(
            "{}{}; upwards: commits/s{}",
            sweep.param,
            across.scale(),
            up.scale()
        );
        axis_below(canvas, &across, (GAP, bottom), &below, units::parameter);
        for line in &lines {
            line.draw(canvas, &across, &up);
        }
        name_ends(canvas, &lines, &across, &up, (left + 620 + 4 * GAP, bottom));
    }))
}

/// A model along a sweep.
struct Line<'a> {
    name: &'a str,
    family: &'a str,
    /// How many lines of its family there are before it: they share a colour, so each has other dashes.
    sibling: usize,
    points: Vec<(f64, Spread)>,
}

impl<'a> Line<'a> {
    fn of(sweep: &'a Sweep, name: &'a str) -> Self {
        let family_of = |name: &str| {
            let mut found = units::along(sweep, name).flatten();
            found.next().map_or("", |result| result.family.as_str())
        };
        let family = family_of(name);
        let names = models(sweep.points.iter().map(|(_, scenario)| scenario));
        let before = names.iter().take_while(|other| **other != name);
        let points = sweep.points.iter().zip(units::along(sweep, name));
        Self {
            name,
            family,
            sibling: before.filter(|other| family_of(other) == family).count(),
            points: points
                .filter(|((value, _), _)| value.is_finite())
                .filter_map(|((value, _), result)| Some((*value, finite(result?.commits_per_s)?)))
                .collect(),
        }
    }

    fn draw(&self, canvas: &Canvas<'_>, across: &Axis, up: &Axis) {
        let color = Look::of(self.family).color;
        let style = color.stroke_width(2);
        let place = |(value, spread): &(f64, Spread)| (across.at(*value), up.at(spread.median));
        let places: Vec<Pixel> = self.points.iter().map(place).collect();
        match [(0, 0), (9, 4), (3, 4), (16, 5)][self.sibling % 4] {
            (0, _) => canvas.draw(PathElement::new(places.clone(), style)),
            (dash, gap) => {
                canvas.draw(DashedPathElement::new(places.clone(), dash, gap, style));
            }
        }
        for ((value, spread), place) in self.points.iter().zip(places) {
            let x = across.at(*value);
            let range = ((x, up.at(spread.min)), (x, up.at(spread.max)));
            canvas.line(range.0, range.1, color, 2);
            canvas.marker(place, self.family);
        }
    }
}

/// The lines' names on the right, each as near to its line's end as the others let it.
fn name_ends(canvas: &Canvas<'_>, lines: &[Line<'_>], across: &Axis, up: &Axis, corner: Pixel) {
    let ends = lines.iter().filter_map(|line| {
        let (value, spread) = line.points.last()?;
        Some((up.at(spread.median), across.at(*value), line))
    });
    let mut ends: Vec<_> = ends.collect();
    ends.sort_by_key(|(y, ..)| *y);
    let wanted: Vec<i32> = ends.iter().map(|(y, ..)| *y).collect();
    let (x, bottom) = corner;
    for ((y, end, line), place) in ends.iter().zip(spread_out(&wanted, NAME, bottom)) {
        canvas.line((end + GAP, *y), (x - GAP / 2, place), FAINT, 1);
        canvas.marker((x + MARKER / 2 - GAP / 2, place), line.family);
        canvas.text(line.name, (x + MARKER, place), HPos::Left, INK);
    }
}

/// Places at least `apart` from each other and not below `bottom`, near to those wanted, which are sorted.
fn spread_out(wanted: &[i32], apart: i32, bottom: i32) -> Vec<i32> {
    let mut places = wanted.to_vec();
    for at in 1..places.len() {
        places[at] = places[at].max(places[at - 1] + apart);
    }
    let mut limit = bottom;
    for place in places.iter_mut().rev() {
        *place = (*place).min(limit);
        limit = *place - apart;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::{self, watched};
    use crate::results::Report;

    fn all(report: &Report) -> Vec<String> {
        let plots = report
            .scenarios
            .iter()
            .flat_map(|scenario| [relative(scenario), latency(scenario), audits(scenario)]);
        let swept = report.sweep.iter().map(swept);
        plots.chain(swept).flatten().map(|plot| plot.svg).collect()
    }

    #[test]
    fn there_is_a_plot_where_there_are_figures() {
        watched("there_is_a_plot_where_there_are_figures", || {
            let full = fixture::full();
            assert_eq!(all(&full).len(), 3 + 2 + 1, "no audits in the second");
            assert!(all(&fixture::empty()).is_empty());
            let unknown = fixture::without_numbers();
            assert!(relative(&unknown.scenarios[0]).is_none());
            assert!(audits(&unknown.scenarios[0]).is_none());
        });
    }

    #[test]
    fn all_that_is_drawn_lies_in_the_picture() {
        watched("all_that_is_drawn_lies_in_the_picture", || {
            for report in fixture::all() {
                for svg in all(&report) {
                    assert_eq!(fixture::out_of_picture(&svg), Vec::<String>::new());
                }
            }
        });
    }

    #[test]
    fn every_name_is_there_in_full_wherever_a_model_is_drawn() {
        watched(
            "every_name_is_there_in_full_wherever_a_model_is_drawn",
            || {
                let full = fixture::full();
                for scenario in &full.scenarios {
                    for plot in [relative(scenario), latency(scenario)] {
                        let plot = plot.expect("it has figures").svg;
                        for result in &scenario.models {
                            let name = format!(">\n{}\n</text>", result.model);
                            assert!(plot.contains(&name), "{name}");
                        }
                    }
                }
            },
        );
    }

    #[test]
    fn names_end_before_their_bars_begin() {
        watched("names_end_before_their_bars_begin", || {
            let full = fixture::full();
            let results: Vec<_> = full.scenarios[0].models.iter().collect();
            let rows = Rows::new(results.clone(), |_| String::new(), GAP);
            for result in results {
                let end = GAP + MARKER / 2 + width(&result.model);
                assert!(end < rows.ends().0, "{}", result.model);
            }
        });
    }

    #[test]
    fn names_at_the_ends_of_lines_do_not_touch() {
        watched("names_at_the_ends_of_lines_do_not_touch", || {
            assert_eq!(spread_out(&[10, 12, 300], 19, 360), [10, 29, 300]);
            assert_eq!(spread_out(&[350, 355, 360], 19, 360), [322, 341, 360]);
            assert_eq!(spread_out(&[], 19, 360), [0; 0]);
        });
    }

    #[test]
    fn bars_of_wrong_books_are_hollow() {
        watched("bars_of_wrong_books_are_hollow", || {
            let mut scenario = fixture::full().scenarios[1].clone();
            let solid = |scenario: &ScenarioResult| {
                let plot = relative(scenario).expect("figures").svg;
                let bars = plot.lines().filter(|line| line.starts_with("<rect"));
                bars.filter(|bar| !bar.contains("fill=\"none\"")).count()
            };
            let before = solid(&scenario);
            scenario.models[1].verdict = Verdict::Lost(1);
            assert_eq!(solid(&scenario), before - 1);
        });
    }
}
