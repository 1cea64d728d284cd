//! The table for a terminal.
//!
//! A hundred columns are what a terminal beside an editor has. All that is known of a model is more than that, so
//! columns that a scenario has no figures for are left out, and long cells go on in a second line.

use std::io;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle,
};

use super::{INTERRUPTED, models, units};
use crate::results::{ModelResult, Report, ScenarioResult, Standing, Sweep};

/// In characters.
const WIDTH: u16 = 100;

/// As many points of a sweep as fit beside each other.
const POINTS: usize = 8;

const LEGEND: &str = "\
commits/s: the median of all rounds, and how far the farthest round was from it. relative: to the \
model that has 1.00, in the same round, median (min..max); above 1 is faster. tries: how often a commit was begun. \
(expected): the model does not claim to get that right.";

/// What a column shows.
struct Column {
    name: &'static str,
    alignment: CellAlignment,
    /// Between this column and the next one, beside the one that every column has.
    gap: u16,
    show: fn(&ModelResult) -> String,
    /// What it shows where there is no room for it in one line.
    narrow: fn(String) -> String,
}

/// The least room for the name of a model: a word is rarely longer.
const NAME: usize = 12;

/// The room for verdicts where they do not fit on one line: all words of the usual ones.
const VERDICT: usize = 11;

impl Column {
    const fn left(
        name: &'static str,
        gap: u16,
        show: fn(&ModelResult) -> String,
        narrow: fn(String) -> String,
    ) -> Self {
        Self {
            name,
            alignment: CellAlignment::Left,
            gap,
            show,
            narrow,
        }
    }

    const fn right(name: &'static str, gap: u16, show: fn(&ModelResult) -> String) -> Self {
        Self {
            name,
            alignment: CellAlignment::Right,
            gap,
            show,
            narrow: |cell| cell.replacen(" \u{b1}", "\n\u{b1}", 1),
        }
    }
}

const COLUMNS: [Column; 10] = [
    // Narrowed to what the others leave.
    Column::left("model", 1, |r| units::one_line(&r.model), |cell| cell),
    Column::right("commits/s", 1, |r| {
        units::rate_with_deviation(r.commits_per_s)
    }),
    Column::left(
        "relative",
        1,
        |r| units::ratio(r.relative),
        |cell| cell.replacen(" (", "\n(", 1),
    ),
    Column::right("p50", 0, |r| {
        let [p50, ..] = units::percentiles(r.latency);
        p50
    }),
    Column::right("p99", 0, |r| {
        let [_, p99, ..] = units::percentiles(r.latency);
        p99
    }),
    Column::right("p99.9", 0, |r| {
        let [_, _, p999, _] = units::percentiles(r.latency);
        p999
    }),
    Column::right("max", 1, |r| {
        let [.., max] = units::percentiles(r.latency);
        max
    }),
    Column::right("tries", 1, |r| units::number(r.tries_per_commit)),
    Column::right("audits/s", 1, |r| {
        units::rate(r.audits_per_s.map_or(f64::NAN, |spread| spread.median))
    }),
    Column::left(
        "verdict",
        0,
        |r| units::one_line(&units::verdict(r)),
        |cell| wrapped(&cell, VERDICT).join("\n"),
    ),
];

pub(super) fn write(report: &Report, color: bool, to: &mut impl io::Write) -> io::Result<()> {
    for scenario in &report.scenarios {
        let name = units::one_line(&scenario.name);
        let description = units::one_line(&scenario.description);
        paragraph(&format!("{name}: {description}"), to)?;
        writeln!(to, "{}\n", units::setting(scenario))?;
        print(of_scenario(scenario), color, to)?;
        for result in &scenario.models {
            for note in &result.notes {
                let (model, note) = (units::one_line(&result.model), units::one_line(note));
                paragraph(&format!("  {model}: {note}"), to)?;
            }
        }
        writeln!(to)?;
    }
    if let Some(sweep) = &report.sweep {
        let param = units::one_line(&sweep.param);
        for at in (0..sweep.points.len()).step_by(POINTS) {
            writeln!(to, "commits/s by {param}\n")?;
            print(of_sweep(sweep, at), color, to)?;
            writeln!(to)?;
        }
    }
    if !report.scenarios.is_empty() {
        paragraph(LEGEND, to)?;
    }
    for warning in &report.warnings {
        paragraph(&format!("warning: {}", units::one_line(warning)), to)?;
    }
    if report.interrupted {
        writeln!(to, "{INTERRUPTED}")?;
    }
    Ok(())
}

/// The columns that have something to show.
fn columns(scenario: &ScenarioResult) -> Vec<&'static Column> {
    let known = |column: &&Column| {
        let mut shown = scenario.models.iter().map(column.show);
        column.name == "model" || shown.any(|cell| cell != units::UNKNOWN)
    };
    COLUMNS.iter().filter(known).collect()
}

fn of_scenario(scenario: &ScenarioResult) -> Table {
    let columns = columns(scenario);
    let mut table = table();
    table.set_header(columns.iter().map(|column| header(column.name)));
    for (result, cells) in scenario.models.iter().zip(cells(scenario, &columns)) {
        table.add_row(columns.iter().zip(cells).map(|(column, cell)| {
            let cell = Cell::new(cell);
            match column.name {
                "verdict" => cell.fg(color_of(result)),
                _ => cell,
            }
        }));
    }
    for (column, shown) in columns.iter().zip(table.column_iter_mut()) {
        shown.set_cell_alignment(column.alignment);
        shown.set_padding((0, column.gap));
    }
    table
}

/// What the columns show: each cell on one line if all of that fits, else on as many as it takes.
fn cells(scenario: &ScenarioResult, columns: &[&Column]) -> Vec<Vec<String>> {
    let row = |result| columns.iter().map(|column| (column.show)(result)).collect();
    let wide: Vec<Vec<String>> = scenario.models.iter().map(row).collect();
    if width(&wide, columns) <= usize::from(WIDTH) {
        return wide;
    }
    let narrow = |cells: Vec<String>| -> Vec<String> {
        let cells = columns.iter().zip(cells);
        cells.map(|(column, cell)| (column.narrow)(cell)).collect()
    };
    let mut rows: Vec<_> = wide.into_iter().map(narrow).collect();
    let names = rows.iter().map(|row| row[0].chars().count()).max();
    let others = width(&rows, columns) - names.unwrap_or(0);
    let room = usize::from(WIDTH).saturating_sub(others).max(NAME);
    for row in &mut rows {
        // Set in, so that the rest of a name does not look like another one.
        row[0] = wrapped(&row[0], room - 1).join("\n ");
    }
    rows
}

/// How wide the table becomes.
fn width(rows: &[Vec<String>], columns: &[&Column]) -> usize {
    let widths = columns.iter().enumerate().map(|(at, column)| {
        let lines = rows.iter().flat_map(|row| row[at].lines());
        let longest = lines.chain([column.name]).map(|line| line.chars().count());
        // A space stands between any two columns.
        longest.max().unwrap_or(0) + usize::from(column.gap) + 1
    });
    // No space comes after the last one.
    widths.sum::<usize>() - 1
}

fn of_sweep(sweep: &Sweep, first: usize) -> Table {
    let shown = |points: &mut dyn Iterator<Item = Cell>| -> Vec<Cell> {
        points.skip(first).take(POINTS).collect()
    };
    let mut table = table();
    let mut values = sweep
        .points
        .iter()
        .map(|(value, _)| header(&units::parameter(*value)));
    let mut names = vec![header("model")];
    names.extend(shown(&mut values));
    table.set_header(names);
    for model in models(sweep.points.iter().map(|(_, scenario)| scenario)) {
        let mut row = vec![Cell::new(units::one_line(model))];
        let mut cells = units::along(sweep, model).map(|result| {
            let cell = Cell::new(units::one_line(&units::swept(result)));
            match result {
                Some(result) if result.standing() != Standing::Right => cell.fg(color_of(result)),
                _ => cell,
            }
        });
        row.extend(shown(&mut cells));
        table.add_row(row);
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if at > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn table() -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table
}

fn header(name: &str) -> Cell {
    Cell::new(name).add_attribute(Attribute::Bold)
}

fn color_of(result: &ModelResult) -> Color {
    match result.standing() {
        Standing::Right => Color::DarkGreen,
        Standing::WrongAsExpected => Color::DarkYellow,
        Standing::ClaimBroken => Color::DarkRed,
    }
}

fn print(mut table: Table, color: bool, to: &mut impl io::Write) -> io::Result<()> {
    if color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    for line in table.lines() {
        writeln!(to, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Text over as many lines as it takes.
fn paragraph(text: &str, to: &mut impl io::Write) -> io::Result<()> {
    let indent = " ".repeat(text.len() - text.trim_start().len());
    for line in wrapped(text.trim(), usize::from(WIDTH) - indent.len()) {
        writeln!(to, "{indent}{line}")?;
    }
    Ok(())
}

/// Text in lines of at most `width`, broken at spaces; in words that are longer at hyphens, or where the line ends.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let long = word.chars().count() > width;
        let ends = |c| long && c == '-';
        let mut between = " ";
        for part in word.split_inclusive(ends) {
            let letters: Vec<char> = part.chars().collect();
            for piece in letters.chunks(width) {
                match lines.last_mut() {
                    Some(line) if line.chars().count() + between.len() + piece.len() <= width => {
                        line.push_str(between);
                        line.extend(piece);
                    }
                    _ => lines.push(piece.iter().collect()),
                }
                between = "";
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::{self, watched};

    fn text(report: &Report, color: bool) -> String {
        let mut out = Vec::new();
        write(report, color, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn no_line_is_longer_than_a_hundred_characters() {
        watched("no_line_is_longer_than_a_hundred_characters", || {
            let mut report = fixture::full();
            report.warnings.push("many words ".repeat(40));
            let sweep = report.sweep.as_mut().expect("the full report has one");
            let last = sweep.points[3].clone();
            sweep.points.extend(vec![last; 30]);
            for report in fixture::all().into_iter().chain([report]) {
                for line in text(&report, false).lines() {
                    assert!(line.chars().count() <= WIDTH.into(), "{line}");
                    assert_eq!(line, line.trim_end(), "nothing at the end");
                }
            }
        });
    }

    #[test]
    fn everything_known_of_a_model_is_in_its_row() {
        watched("everything_known_of_a_model_is_in_its_row", || {
            let text = text(&fixture::full(), false);
            let row = |name: &str| {
                let mut rows = text.lines().filter(|line| line.starts_with(name));
                rows.next().expect("a row of that name").to_owned()
            };
            let stm = row("STM, retry");
            for part in ["57.0 k ±3%", "9.3e-4", "35.1us", "4.21ms", "1.04", "OK"] {
                assert!(stm.contains(part), "{part} in {stm}");
            }
            assert!(text.contains("(0.030..0.032)"), "in one piece: {text}");
            assert!(row("racy ").ends_with("LOST 81243"), "{text}");
            assert!(row("  racy atomics:").contains("claims nothing"), "{text}");
        });
    }

    /// Else the table's own arrangement would break them anywhere.
    #[test]
    fn cells_fit_for_names_of_any_length() {
        watched("cells_fit_for_names_of_any_length", || {
            for length in 1..80 {
                let mut scenario = fixture::full().scenarios.swap_remove(0);
                scenario.models[0].model = "m".repeat(length);
                let mut table = of_scenario(&scenario);
                table.set_content_arrangement(ContentArrangement::Disabled);
                for line in table.force_no_tty().lines() {
                    assert!(line.chars().count() <= WIDTH.into(), "{line}");
                }
            }
        });
    }

    #[test]
    fn text_is_broken_at_spaces_if_it_can_be() {
        watched("text_is_broken_at_spaces_if_it_can_be", || {
            assert_eq!(
                wrapped("TORN AUDITS 17432 (expected)", VERDICT),
                ["TORN AUDITS", "17432", "(expected)"]
            );
            assert_eq!(wrapped("unbreakable", 4), ["unbr", "eaka", "ble"]);
            assert_eq!(wrapped("stm-atomic-audit", 12), ["stm-atomic-", "audit"]);
            assert_eq!(wrapped(" ", 4), [""; 0]);
        });
    }

    #[test]
    fn columns_without_figures_are_left_out() {
        watched("columns_without_figures_are_left_out", || {
            let text = text(&fixture::full(), false);
            let mut headers = text.lines().filter(|line| line.starts_with("model"));
            assert!(headers.next().expect("transfer").contains("audits/s"));
            assert!(!headers.next().expect("wait").contains("audits/s"));
        });
    }

    #[test]
    fn warnings_and_the_interrupt_come_last() {
        watched("warnings_and_the_interrupt_come_last", || {
            let text = text(&fixture::full(), false);
            let warning = "warning: this is a debug build: its figures mean nothing";
            assert!(
                text.ends_with(&format!("\n{warning}\n{INTERRUPTED}\n")),
                "{text}"
            );
        });
    }

    #[test]
    fn color_is_only_where_it_was_asked_for() {
        watched("color_is_only_where_it_was_asked_for", || {
            let full = fixture::full();
            assert!(!text(&full, false).contains('\u{1b}'));
            let colored = text(&full, true);
            let has = |code: &str, words: &str| {
                let mut lines = colored.lines();
                lines.any(|line| line.contains(code) && line.contains(words))
            };
            let [green, yellow, red] = ["\u{1b}[38;5;2m", "\u{1b}[38;5;3m", "\u{1b}[38;5;1m"];
            assert!(has(green, "OK"), "{colored}");
            assert!(has(yellow, "LOST 81243"), "{colored}");
            assert!(has(red, "OVERDRAWN 2"), "{colored}");
        });
    }

    #[test]
    fn text_cannot_command_the_terminal() {
        watched("text_cannot_command_the_terminal", || {
            let mut report = fixture::hostile();
            report.warnings.push("\u{1b}[2J".to_owned());
            let text = text(&report, false);
            let strange: Vec<_> = text
                .chars()
                .filter(|c| c.is_control() && *c != '\n')
                .collect();
            assert!(strange.is_empty(), "{strange:?}");
        });
    }
}
