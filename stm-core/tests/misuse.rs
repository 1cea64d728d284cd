//! What must not compile does not, and beside each case stands the nearest thing that does.

mod common;

#[test]
fn misuse() {
    common::watched("misuse", || {
        let cases = trybuild::TestCases::new();
        cases.compile_fail("tests/misuse/fail/*.rs");
        cases.pass("tests/misuse/pass/*.rs");
    });
}

/// A case without its twin could fail for any reason.
#[test]
fn each_misuse_has_a_twin() {
    fn names(folder: &str) -> Vec<String> {
        let folder = format!("{}/tests/misuse/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .expect("it exists")
            .map(|entry| entry.expect("readable").file_name().into_string())
            .map(|name| name.expect("plain text"))
            .filter(|name| name.ends_with(".rs"))
            .collect();
        names.sort();
        names
    }
    common::watched("each_misuse_has_a_twin", || {
        assert_eq!(names("fail"), names("pass"));
    });
}
