//! A plot for each workload: how far ours is ahead of everybody, on a logarithmic scale.
//!
//! A row for each contender, grouped by case and metric, with its name on the left and its figures on the right, so that no name has
//! to be turned or looked up in a legend. The bar begins at 1, where both are equal; to the right ours is ahead, to the left behind.
//! The line across its end is the range of the rounds.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use stm_benches::measure::interleave::{Outcome, Side};
use stm_benches::measure::statistics::Spread;

use super::{Row, numbers, reference, rows};

const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const FAINT: RGBColor = RGBColor(0x77, 0x77, 0x77);
const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
/// Ahead of other transactions, and of others; behind anybody. Told apart by lightness, too.
const AHEAD: RGBColor = RGBColor(0x1F, 0x5F, 0xA8);
const AHEAD_OF_OTHERS: RGBColor = RGBColor(0x8F, 0xB8, 0xE0);
const BEHIND: RGBColor = RGBColor(0xD0, 0x6A, 0x1E);

const NAMES: i32 = 210;
const PLOT: i32 = 460;
const FIGURES: i32 = 280;
const GAP: i32 = 8;
const ROW: i32 = 17;
const HEAD: i32 = 30;
const FOOT: i32 = 44;
const FONT: i32 = 12;

/// Some rows with the same case and metric.
struct Group<'a> {
    title: String,
    rows: Vec<Row<'a>>,
}

fn groups<'a>(outcomes: &[&'a Outcome]) -> Vec<Group<'a>> {
    let mut groups = Vec::new();
    for outcome in outcomes {
        let all = rows(outcome);
        for (at, metric) in outcome.metrics.iter().enumerate() {
            let own: Vec<_> = all
                .iter()
                .filter(|row| row.metric == *metric)
                .cloned()
                .collect();
            if own.is_empty() {
                continue;
            }
            let ours = reference(outcome).name.as_str();
            let figure = outcome.spread(ours, at).map_or(f64::NAN, |s| s.median);
            let figure = numbers::figure(figure, metric.unit);
            groups.push(Group {
                title: format!("{}: {}, {ours} has {figure}", outcome.name, metric.name),
                rows: own,
            });
        }
    }
    groups
}

/// Places on the logarithmic axis, between two powers of ten that all ratios lie between.
struct Axis {
    least: i32,
    most: i32,
}

impl Axis {
    fn of(groups: &[Group<'_>]) -> Self {
        let spreads = groups
            .iter()
            .flat_map(|g| g.rows.iter().map(|row| row.advantage));
        let ends = spreads.flat_map(|s| [s.min, s.max]);
        let (mut least, mut most) = (-1, 1);
        for end in ends.filter(|end| end.is_finite() && *end > 0.0) {
            least = least.min(end.log10().floor() as i32);
            most = most.max(end.log10().ceil() as i32);
        }
        // Who got through once or twice in a turn has a ratio of any size; it need not rule the scale.
        Self {
            least: least.max(-4),
            most: most.min(4),
        }
    }

    /// What lies outside is at the edge.
    fn at(&self, ratio: f64) -> i32 {
        let (least, most) = (f64::from(self.least), f64::from(self.most));
        let part = ((ratio.log10() - least) / (most - least)).clamp(0.0, 1.0);
        NAMES + (part * f64::from(PLOT)) as i32
    }
}

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The plot of a workload's outcomes; `None` if there is nothing to compare.
pub fn workload(outcomes: &[&Outcome]) -> Option<String> {
    let groups = groups(outcomes);
    if groups.is_empty() {
        return None;
    }
    let axis = Axis::of(&groups);
    let height: i32 = groups
        .iter()
        .map(|group| HEAD + ROW * group.rows.len() as i32)
        .sum();
    let size = (NAMES + PLOT + FIGURES, height + FOOT);
    let mut svg = String::new();
    {
        let backend = SVGBackend::with_string(&mut svg, (size.0 as u32, size.1 as u32));
        let canvas = backend.into_drawing_area();
        draw(&canvas, &groups, &axis, height).expect("text can be written to");
        canvas.present().expect("text can be written to");
    }
    Some(svg)
}

type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw<'a>(canvas: &Canvas<'a>, groups: &[Group<'_>], axis: &Axis, height: i32) -> Drawn<'a> {
    canvas.fill(&WHITE)?;
    for power in axis.least..=axis.most {
        let x = axis.at(10f64.powi(power));
        let color = if power == 0 { INK } else { GRID };
        line(canvas, (x, HEAD - GAP), (x, height), color)?;
        let label = format!("{}", 10f64.powi(power));
        text(canvas, &label, (x, height + 2 * GAP), HPos::Center, FAINT)?;
    }
    let below = (NAMES + PLOT / 2, height + 4 * GAP);
    let title = "behind  <  1 (equal)  <  ahead; ratio of the same round, median and range";
    text(canvas, title, below, HPos::Center, FAINT)?;
    let mut y = 0;
    for group in groups {
        text(canvas, &group.title, (GAP, y + HEAD - GAP), HPos::Left, INK)?;
        y += HEAD;
        for row in &group.rows {
            draw_row(canvas, row, axis, y)?;
            y += ROW;
        }
    }
    Ok(())
}

fn draw_row<'a>(canvas: &Canvas<'a>, row: &Row<'_>, axis: &Axis, y: i32) -> Drawn<'a> {
    let Spread { median, min, max } = row.advantage;
    let (top, bottom) = (y + 3, y + ROW - 3);
    let middle = y + ROW / 2;
    let color = match row.other.side {
        _ if median < 1.0 => BEHIND,
        Side::Transactions => AHEAD,
        Side::Ours | Side::Other => AHEAD_OF_OTHERS,
    };
    let (one, end) = (axis.at(1.0), axis.at(median));
    let corners = [(one.min(end), top), (one.max(end), bottom)];
    canvas.draw(&Rectangle::new(corners, color.filled()))?;
    line(canvas, (axis.at(min), middle), (axis.at(max), middle), INK)?;
    text(
        canvas,
        &row.other.name,
        (NAMES - GAP, middle),
        HPos::Right,
        INK,
    )?;
    let figure = numbers::figure(row.theirs.median, row.metric.unit);
    let figures = format!("{}; {figure}", numbers::ratio(&row.advantage));
    text(
        canvas,
        &figures,
        (NAMES + PLOT + GAP, middle),
        HPos::Left,
        FAINT,
    )
}

fn line<'a>(canvas: &Canvas<'a>, from: (i32, i32), to: (i32, i32), color: RGBColor) -> Drawn<'a> {
    canvas.draw(&PathElement::new([from, to], color))
}

fn text<'a>(
    canvas: &Canvas<'a>,
    text: &str,
    at: (i32, i32),
    side: HPos,
    color: RGBColor,
) -> Drawn<'a> {
    let font = ("sans-serif", FONT).into_font().color(&color);
    let style = font.pos(Pos::new(side, VPos::Center));
    canvas.draw(&Text::new(text.to_owned(), at, style))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::report::fixture;

    #[test]
    fn everybody_with_figures_is_in_the_plot_and_nobody_else() {
        watched(
            "everybody_with_figures_is_in_the_plot_and_nobody_else",
            || {
                let report = fixture::report();
                let svg = workload(&[&report.outcomes[0]]).expect("there are figures");
                for name in ["fast-stm", "std Mutex in order"] {
                    assert!(svg.contains(&format!(">\n{name}\n</text>")), "{name}");
                }
                for name in ["racy", "channels"] {
                    assert!(!svg.contains(name), "{name}");
                }
            },
        );
    }

    #[test]
    fn who_never_got_through_stays_in_the_picture() {
        watched("who_never_got_through_stays_in_the_picture", || {
            let report = fixture::report();
            let groups = groups(&[&report.outcomes[1]]);
            let axis = Axis::of(&groups);
            assert_eq!(axis.at(f64::INFINITY), NAMES + PLOT);
            assert_eq!(axis.at(0.0), NAMES);
            assert!(workload(&[&report.outcomes[1]]).is_some());
        });
    }

    #[test]
    fn ahead_is_right_and_behind_is_left() {
        watched("ahead_is_right_and_behind_is_left", || {
            let axis = Axis { least: -1, most: 1 };
            assert_eq!(axis.at(1.0), NAMES + PLOT / 2);
            assert!(axis.at(2.0) > axis.at(1.0) && axis.at(0.5) < axis.at(1.0));
        });
    }
}
