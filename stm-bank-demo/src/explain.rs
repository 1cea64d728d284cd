//! A model's transfer, as it stands in the source: the part of its file between two marks.

use crate::models::Model;

const BEGIN: &str = "// explain: begin";
const END: &str = "// explain: end";

/// What the model is, and how it moves money.
pub(crate) fn explain(model: &Model) -> String {
    let mut out = format!("{}: {}\n\n", model.name, model.about);
    // The first paragraphs of the file, as text.
    for line in model
        .source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
    {
        out.push_str(line.strip_prefix(' ').unwrap_or(line));
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&marked(model.source));
    out
}

/// The marked lines, moved to the left together.
fn marked(source: &str) -> String {
    let lines = source
        .lines()
        .skip_while(|line| line.trim() != BEGIN)
        .skip(1);
    let lines: Vec<_> = lines.take_while(|line| line.trim() != END).collect();
    let indents = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = indents
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let moved = lines
        .iter()
        .map(|line| line.get(indent..).unwrap_or("").to_owned() + "\n");
    moved.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::MODELS;

    #[test]
    fn what_is_marked_is_shown_from_the_left() {
        let source =
            "a\n    // explain: begin\n    b {\n\n        c\n    }\n    // explain: end\nd\n";
        assert_eq!(marked(source), "b {\n\n    c\n}\n");
    }

    #[test]
    fn every_model_has_something_to_show() {
        for model in MODELS {
            let shown = marked(model.source);
            assert!(shown.contains('{'), "{} shows {shown:?}", model.name);
            assert!(
                !shown.contains("explain:"),
                "{} shows {shown:?}",
                model.name
            );
        }
    }
}
