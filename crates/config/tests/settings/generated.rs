//! The generated texts: the example file is valid and says what the defaults say; the pages are kept as snapshots.

use std::collections::{BTreeMap, HashSet};

use crate::common::{Place, load_text};
use hierophant_config::{
    Entry, Presence, Settings, example_file, load, reference_page,
    settings::{contemplant, hierophant},
    show, shown_settings,
};

fn entries<S: Settings>(settings: &S) -> BTreeMap<String, Option<String>> {
    let mut entries: Vec<Entry> = Vec::new();
    settings.write("", &mut entries);
    entries
        .into_iter()
        .map(|(key, raw)| (key, raw.map(|raw| raw.to_toml())))
        .collect()
}

/// Sets every key of the example: takes the `#` away where no space follows it.
fn uncommented(example: &str) -> String {
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The secrets of the examples name files that are not there; the test names one that is.
fn with_secrets(place: &Place, example: &str) -> String {
    let token = place.path("token");
    std::fs::write(&token, "0123456789abcdef\n").expect("a temporary file can be written");
    let lines = example.lines().map(|line| match line.split_once(" = \"file:") {
        Some((key, _)) => format!("{key} = \"file:{}\"", token.display()),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_of_the_coordinator_is_as_good_as_no_file() {
    let loaded = load_text::<hierophant::Settings>(&example_file::<hierophant::Settings>()).unwrap();
    assert_eq!(loaded.settings, hierophant::Settings::default());
}

#[test]
fn the_example_of_the_worker_lacks_only_a_prover() {
    let example = example_file::<contemplant::Settings>();
    let problems = load_text::<contemplant::Settings>(&example).unwrap_err();
    assert!(
        problems.len() == 1 && problems[0].contains("[[provers]]"),
        "{problems:?}"
    );
    let example = format!("{example}\n[[provers]]\nexecutable = 'prover-mock'\n");
    let settings = load_text::<contemplant::Settings>(&example).unwrap().settings;
    let provers = vec![contemplant::Prover::default()];
    assert_eq!(
        settings,
        contemplant::Settings {
            provers,
            ..contemplant::Settings::default()
        }
    );
}

/// Every line of the example can be set, every key is in it, and each that has a default is written with that default.
fn every_key_can_be_set<S: Settings>(exceptions: &[&str]) {
    let place = Place::empty();
    let example = with_secrets(&place, &uncommented(&example_file::<S>()));
    let loaded = load_text::<S>(&example).unwrap_or_else(|problems| panic!("{problems:#?}\n{example}"));
    let (set, initial) = (entries(&loaded.settings), entries(&S::initial()));
    for key in S::schema().keys {
        assert_ne!(
            loaded.origins.of(&key.path),
            hierophant_config::Origin::Default,
            "{}",
            key.path
        );
        let has_default = matches!(key.presence, Presence::Default(_) | Presence::Required { .. });
        if has_default && !exceptions.contains(&&*key.path) {
            assert_eq!(set[&key.path], initial[&key.path], "{}", key.path);
        }
    }
}

#[test]
fn every_key_of_the_examples_can_be_set() {
    every_key_can_be_set::<hierophant::Settings>(&[]);
    every_key_can_be_set::<contemplant::Settings>(&[]);
}

/// Each key is described, and has a variable that no other key has.
fn keys_are_sound<S: Settings>() {
    let schema = S::schema();
    let mut variables = HashSet::new();
    for key in &schema.keys {
        assert!(
            variables.insert(S::PROGRAM.variable(&key.path)),
            "{} shares its variable",
            key.path
        );
        assert!(!key.doc.is_empty(), "{} is not described", key.path);
        if let Presence::Tables { entry } = &key.presence {
            assert!(entry.keys.iter().all(|key| !key.doc.is_empty()));
        }
    }
    assert!(schema.groups.iter().all(|group| !group.doc.is_empty()));
    let others = S::PROGRAM.other_variables.iter().map(|other| other.name.to_owned());
    for other in others.chain([S::PROGRAM.file_variable()]) {
        assert!(!variables.contains(&other), "{other} is also a setting");
    }
}

#[test]
fn keys_are_described_and_unambiguous() {
    keys_are_sound::<hierophant::Settings>();
    keys_are_sound::<contemplant::Settings>();
}

#[test]
fn reference_pages() {
    insta::assert_snapshot!("reference_hierophant", reference_page::<hierophant::Settings>());
    insta::assert_snapshot!("reference_contemplant", reference_page::<contemplant::Settings>());
}

#[test]
fn example_files() {
    insta::assert_snapshot!("example_hierophant", example_file::<hierophant::Settings>());
    insta::assert_snapshot!("example_contemplant", example_file::<contemplant::Settings>());
}

#[test]
fn show_names_origins_and_hides_secrets() {
    let place = Place::with_file(
        "contemplant.toml",
        "coordinator = 'http://h:1'\ntoken = 'hunter2-hunter2-hunter2'\n\
         [[provers]]\nexecutable = 'x'\nenv = { KEY = 'hunter2' }\n",
    );
    let layers = place
        .layers()
        .environment([("CONTEMPLANT_NAME", "ezra")])
        .set("slots=2");
    let loaded = load::<contemplant::Settings>(&layers).unwrap();
    let shown = show(&loaded).replace(&format!("{}/", place.folder.path().display()), "");
    insta::assert_snapshot!(shown);
    let json: Vec<_> = shown_settings(&loaded)
        .iter()
        .filter_map(|shown| Some(shown.value.as_ref()?.to_json()))
        .collect();
    let everything = format!("{shown} {loaded:?} {json:?}");
    assert!(!everything.contains("hunter2"), "{everything}");
    assert_eq!(loaded.settings.provers[0].env["KEY"].expose(), "hunter2");
}
