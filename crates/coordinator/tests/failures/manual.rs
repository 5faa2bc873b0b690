//! `docs/failures.md` has one row for each test here, and no other.

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn the_manual_has_a_row_for_each_test() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for entry in fs::read_dir(package.join("tests/failures")).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        let lines = source
            .lines()
            .filter_map(|line| line.strip_prefix("async fn ")?.split_once("() {"));
        tests.extend(lines.map(|(name, _)| name.to_owned()));
    }
    let manual = fs::read_to_string(package.join("../../docs/failures.md")).unwrap();
    let rows: BTreeSet<String> = manual
        .lines()
        .filter_map(|line| {
            Some(
                line.strip_prefix("| ")?
                    .split_once("(`")?
                    .1
                    .split_once("`)")?
                    .0
                    .to_owned(),
            )
        })
        .collect();
    assert_eq!(rows, tests, "left: docs/failures.md, right: the tests");
}
