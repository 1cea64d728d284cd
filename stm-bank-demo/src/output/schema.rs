//! Is that JSON what the schema says? The part of JSON Schema that our schema uses.
//!
//! Whole validators bring half a hundred crates; this is a page. Its one danger would be to overlook a rule, so a
//! keyword that it does not know is an error and not a rule less. As in JSON Schema, rules about the inside of
//! objects and arrays say nothing about other values; that is what "type" is for.

use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("../../schema/report.schema.json");

/// Whether that is a report.
pub(super) fn check(report: &Value) -> Result<(), String> {
    Schema::load().conforms(report, "#")
}

/// Whether that is a line about a model.
pub(super) fn check_line(line: &Value) -> Result<(), String> {
    Schema::load().conforms(line, "#/$defs/line")
}

struct Schema(Value);

impl Schema {
    fn load() -> Self {
        Self(serde_json::from_str(SCHEMA).expect("the schema is JSON"))
    }

    fn at(&self, reference: &str) -> &Map<String, Value> {
        let pointer = reference.strip_prefix('#').expect("a place in this schema");
        let found = self.0.pointer(pointer).and_then(Value::as_object);
        found.unwrap_or_else(|| panic!("the schema has no {reference}"))
    }

    fn conforms(&self, value: &Value, reference: &str) -> Result<(), String> {
        self.obeys(value, self.at(reference), "$")
    }

    fn obeys(&self, value: &Value, rules: &Map<String, Value>, at: &str) -> Result<(), String> {
        for (keyword, rule) in rules {
            self.obeys_one(value, rules, keyword, rule, at)?;
        }
        Ok(())
    }

    fn obeys_one(
        &self,
        value: &Value,
        rules: &Map<String, Value>,
        keyword: &str,
        rule: &Value,
        at: &str,
    ) -> Result<(), String> {
        let wrong = |why: String| Err(format!("{at}: {why}: {value}"));
        match keyword {
            "$schema" | "$id" | "$defs" | "title" | "description" => Ok(()),
            "$ref" => self.obeys(value, self.at(text(rule)), at),
            "const" if value == rule => Ok(()),
            "enum" if list(rule).contains(value) => Ok(()),
            "const" | "enum" => wrong(format!("not {rule}")),
            "type" if is_of(value, rule) => Ok(()),
            "type" => wrong(format!("not of type {rule}")),
            "minimum" if value.as_f64() < rule.as_f64() => wrong(format!("below {rule}")),
            "minimum" => Ok(()),
            "oneOf" => {
                let tried = list(rule)
                    .iter()
                    .map(|rules| self.obeys(value, object(rules), at));
                let (fit, unfit): (Vec<_>, Vec<_>) = tried.partition(Result::is_ok);
                if fit.len() == 1 {
                    Ok(())
                } else {
                    wrong(format!("fits {} of oneOf, {unfit:?}", fit.len()))
                }
            }
            "required" => {
                let missing = |name: &&Value| value.is_object() && value.get(text(name)).is_none();
                match list(rule).iter().find(missing) {
                    Some(name) => wrong(format!("without {name}")),
                    None => Ok(()),
                }
            }
            "additionalProperties" => {
                assert_eq!(rule, false, "all that this checker knows");
                let known = object(&rules["properties"]);
                let mut names = value.as_object().into_iter().flat_map(Map::keys);
                match names.find(|name| !known.contains_key(*name)) {
                    Some(name) => wrong(format!("has a strange {name}")),
                    None => Ok(()),
                }
            }
            "properties" => object(rule)
                .iter()
                .filter_map(|(name, rules)| Some((name, value.get(name)?, rules)))
                .try_for_each(|(name, value, rules)| {
                    self.obeys(value, object(rules), &format!("{at}.{name}"))
                }),
            "items" => (value.as_array().into_iter().flatten().enumerate()).try_for_each(
                |(index, item)| self.obeys(item, object(rule), &format!("{at}[{index}]")),
            ),
            unknown => panic!("this checker does not know {unknown}"),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

fn is_of(value: &Value, types: &Value) -> bool {
    let is = |name: &Value| match text(name) {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("this checker does not know the type {unknown}"),
    };
    types
        .as_array()
        .map_or_else(|| is(types), |types| types.iter().any(is))
}

mod tests {
    use super::*;
    use crate::output::fixture::{self, watched};
    use crate::results::SCHEMA_VERSION;
    use serde_json::json;

    #[test]
    fn the_schema_is_of_the_version_that_reports_have() {
        watched("the_schema_is_of_the_version_that_reports_have", || {
            let Schema(schema) = Schema::load();
            let version = &schema["properties"]["schema_version"]["const"];
            assert_eq!(version, SCHEMA_VERSION);
            let id = format!("urn:stm-bank-demo:report:{SCHEMA_VERSION}");
            assert_eq!(schema["$id"], id);
        });
    }

    /// One thing wrong at a time: whatever passes would pass in a real report.
    #[test]
    fn a_report_with_one_thing_wrong_is_noticed() {
        watched("a_report_with_one_thing_wrong_is_noticed", || {
            let right = serde_json::to_value(fixture::full()).expect("JSON");
            assert_eq!(check(&right), Ok(()));
            for (place, wrong) in [
                ("/schema_version", json!(2)),
                ("/seed", json!(-1)),
                ("/seed", json!(1.5)),
                ("/machine/os", json!(null)),
                ("/machine", json!({"cores": 1, "os": "linux"})),
                ("/warnings/0", json!(7)),
                ("/interrupted", json!("no")),
                ("/scenarios", json!({})),
                ("/scenarios/0/models/0/relative", json!(0.5)),
                ("/scenarios/0/models/0/relative/median", json!(null)),
                ("/scenarios/0/models/0/latency/max_ns", json!(0.5)),
                ("/scenarios/0/models/0/verdict", json!("OK")),
                ("/scenarios/0/models/0/verdict", json!({"kind": "lost"})),
                ("/scenarios/0/models/0/verdict/kind", json!("fine")),
                ("/scenarios/0/models/0/claims_hold", json!(null)),
                ("/scenarios/0/models/0/notes", json!("")),
                ("/sweep/points/0/value", json!("1")),
                ("/sweep/points/0", json!([1.0, {}])),
            ] {
                let mut report = right.clone();
                *report.pointer_mut(place).expect("it is there") = wrong.clone();
                assert!(check(&report).is_err(), "{place} = {wrong}");
            }
            let mut report = right.clone();
            report["scenarios"][0]["models"][0]["more"] = json!(1);
            assert!(check(&report).is_err(), "a name too much");
        });
    }
}
