//! No text in any layer makes loading panic.

use crate::common::Place;
use hierophant_config::{load, settings::contemplant, settings::hierophant};
use proptest::prelude::*;

/// Texts that come close to a settings file.
fn files() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "http_port",
        "provers",
        "tls",
        "[tls]",
        "[[provers]]",
        "worker_registry",
        "x.y",
    ]);
    let value = prop::sample::select(vec![
        "1",
        "'x'",
        "[1, {a=1}]",
        "{ key = 'k' }",
        "[",
        "1979-05-27",
        "nan",
        "-1",
    ]);
    let line = prop_oneof![
        (key.clone(), value).prop_map(|(key, value)| format!("{key} = {value}")),
        key.prop_map(ToOwned::to_owned),
        ".{0,20}",
    ];
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_file_is_taken_or_refused(text in files()) {
        let place = Place::with_file("hierophant.toml", &text);
        if let Err(problems) = load::<hierophant::Settings>(&place.layers()) {
            prop_assert!(problems.iter().count() > 0 && !problems.to_string().is_empty());
        }
    }

    #[test]
    fn any_value_is_taken_or_refused(key in prop::sample::select(vec!["PROVERS", "NAME", "MEMORY", "SLOTS"]), value in ".{0,40}") {
        let place = Place::empty();
        let layers = place.layers().environment([(format!("CONTEMPLANT_{key}"), value)]);
        let problems = load::<contemplant::Settings>(&layers).unwrap_err();
        prop_assert!(problems.to_string().contains("coordinator"));
    }
}
