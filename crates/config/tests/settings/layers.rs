//! Which layer wins, and that every value knows where it came from.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use crate::common::{Place, load_text, problems_of};
use hierophant_config::{FILE_MAX_BYTES, Layers, Origin, TEXT_MAX_BYTES, load, settings::hierophant::Settings};

const NONE: [(&str, &str); 0] = [];

fn max_cycles(layers: &Layers) -> (u64, Origin) {
    let loaded = load::<Settings>(layers).expect("the layers are sound");
    (
        loaded.settings.verify.max_cycles,
        loaded.origins.of("verify.max_cycles"),
    )
}

#[test]
fn each_layer_beats_the_one_before_and_is_named() {
    let place = Place::with_file("hierophant.toml", "mock_mode = true\n[verify]\nmax_cycles = 2\n");
    let variables = [("HIEROPHANT_VERIFY_MAX_CYCLES", "3"), ("UNRELATED", "x")];
    assert_eq!(max_cycles(&Place::empty().layers()), (1_000_000_000, Origin::Default));

    let (value, origin) = max_cycles(&place.layers());
    assert_eq!(
        (value, origin.to_string()),
        (2, format!("{}:3", place.path("hierophant.toml").display()))
    );

    let (value, origin) = max_cycles(&place.layers().environment(variables));
    assert_eq!(
        (value, origin.to_string()),
        (3, "environment HIEROPHANT_VERIFY_MAX_CYCLES".to_owned())
    );

    let (value, origin) = max_cycles(&place.layers().environment(variables).set("verify.max_cycles=4"));
    assert_eq!((value, origin.to_string()), (4, "flag --set".to_owned()));

    let flagged = place
        .layers()
        .environment(variables)
        .flag("--max-cycles", "verify.max_cycles", Some(5));
    let (value, origin) = max_cycles(&flagged);
    assert_eq!((value, origin.to_string()), (5, "flag --max-cycles".to_owned()));

    let not_flagged = place
        .layers()
        .environment(variables)
        .flag("--max-cycles", "verify.max_cycles", None::<u64>);
    assert_eq!(max_cycles(&not_flagged).0, 3);
}

#[test]
fn an_explicit_file_must_exist_and_the_default_file_need_not() {
    let place = Place::with_file("other.toml", "http_port = 1");
    assert_eq!(load::<Settings>(&place.layers()).unwrap().file, None);

    let named = place.layers().file(Some(place.path("other.toml")));
    let loaded = load::<Settings>(&named).unwrap();
    assert_eq!(
        (loaded.settings.http_port, loaded.file),
        (1, Some(place.path("other.toml")))
    );

    let by_variable = place
        .layers()
        .environment([("HIEROPHANT_CONFIG", place.path("other.toml"))]);
    assert_eq!(load::<Settings>(&by_variable).unwrap().settings.http_port, 1);

    for missing in [
        place.layers().file(Some(place.path("missing.toml"))),
        place
            .layers()
            .environment([("HIEROPHANT_CONFIG", place.path("missing.toml"))]),
    ] {
        let problems = problems_of::<Settings>(&place, &missing).unwrap_err();
        assert_eq!(
            problems,
            ["no settings file at missing.toml; write one with `hierophant config init`, or correct the path"]
        );
    }
}

#[test]
fn rust_log_wins_over_our_variable_but_not_over_a_flag() {
    let place = Place::empty();
    let variables = [("RUST_LOG", "debug"), ("HIEROPHANT_LOG_FILTER", "warn")];
    let loaded = load::<Settings>(&place.layers().environment(variables)).unwrap();
    assert_eq!(loaded.settings.log.filter, "debug");
    assert_eq!(loaded.origins.of("log.filter"), Origin::Variable("RUST_LOG".into()));
    let loaded = load::<Settings>(&place.layers().environment(variables).set("log.filter=error")).unwrap();
    assert_eq!(loaded.settings.log.filter, "error");
}

#[test]
fn every_type_can_be_given_by_a_variable() {
    let variables = [
        ("HIEROPHANT_LISTEN", "::1"),
        ("HIEROPHANT_MOCK_MODE", "true"),
        ("HIEROPHANT_VERIFY_MAX_CYCLES", "18446744073709551615"),
        ("HIEROPHANT_ARTIFACTS_MAX_UPLOAD", "14GB"),
        ("HIEROPHANT_MIN_LIFETIME", "1h30m"),
        ("HIEROPHANT_SP1_MODES", "core,groth16"),
        ("HIEROPHANT_LOG_FORMAT", "json"),
        ("HIEROPHANT_WORKER_TOKEN", "0123456789abcdef"),
        (
            "HIEROPHANT_PROVERS",
            "[{ system = 'a', executable = 'b', options = { c = 'd' } }]",
        ),
    ];
    let place = Place::empty();
    let settings = load::<Settings>(&place.layers().environment(variables))
        .unwrap()
        .settings;
    assert!(settings.listen.is_loopback() && settings.listen.is_ipv6() && settings.mock_mode);
    assert_eq!(settings.verify.max_cycles, u64::MAX);
    assert_eq!(settings.artifacts.max_upload.bytes(), 14_000_000_000);
    assert_eq!(settings.min_lifetime.as_secs(), 5400);
    assert_eq!(
        settings.sp1.modes.iter().map(|mode| mode.as_str()).collect::<Vec<_>>(),
        ["core", "groth16"]
    );
    assert_eq!(settings.worker_token.unwrap().expose(), "0123456789abcdef");
    assert_eq!(settings.provers[0].options["c"], "d");
}

#[test]
fn lists_of_tables_are_read_and_replaced_as_a_whole() {
    let text = "[[provers]]\nsystem = 'a'\nexecutable = 'x'\nargs = ['1', '2']\n\
                [[provers]]\nsystem = 'b'\nexecutable = 'y'\noptions.k = 'v'\n";
    let place = Place::with_file("hierophant.toml", text);
    let loaded = load::<Settings>(&place.layers()).unwrap();
    let systems: Vec<_> = loaded
        .settings
        .provers
        .iter()
        .map(|prover| prover.system.as_str())
        .collect();
    assert_eq!(systems, ["a", "b"]);
    assert_eq!(loaded.settings.provers[0].args, ["1", "2"]);
    assert_eq!(loaded.settings.provers[1].options["k"], "v");

    let layers = place.layers().environment(NONE).set("provers=[]");
    assert_eq!(load::<Settings>(&layers).unwrap().settings.provers, []);
}

#[test]
fn files_and_texts_are_bounded() {
    let comment = |bytes: usize| format!("#{}", "x".repeat(bytes - 1));
    assert!(load_text::<Settings>(&comment(FILE_MAX_BYTES)).is_ok());
    let problems = load_text::<Settings>(&comment(FILE_MAX_BYTES + 1)).unwrap_err();
    assert_eq!(problems, ["hierophant.toml is longer than 1048576 bytes; shorten it"]);

    let place = Place::empty();
    let long = |bytes| {
        place
            .layers()
            .environment([("HIEROPHANT_LOG_FILTER", "x".repeat(bytes))])
    };
    assert!(load::<Settings>(&long(TEXT_MAX_BYTES)).is_ok());
    assert!(load::<Settings>(&long(TEXT_MAX_BYTES + 1)).is_err());
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_are_ours() {
    let place = Place::empty();
    let value = || OsString::from_vec(vec![0xff]);
    let ours = place.layers().environment([("HIEROPHANT_DATA_DIRECTORY", value())]);
    let problems = problems_of::<Settings>(&place, &ours).unwrap_err();
    assert_eq!(
        problems,
        ["the value of variable HIEROPHANT_DATA_DIRECTORY is not valid UTF-8; settings are UTF-8 text"]
    );
    assert!(load::<Settings>(&place.layers().environment([("OTHER", value())])).is_ok());
}
