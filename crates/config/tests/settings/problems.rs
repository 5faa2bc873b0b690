//! What is refused, in which words, and that nothing hides behind the first problem.

use crate::common::{Place, load_text, problems_of};
use hierophant_config::settings::{contemplant, hierophant};

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one_and_its_place() {
    let problems =
        load_text::<hierophant::Settings>("htp_port = 1\n[worker]\nmax_strikes = 2\n[workers]\nlink_grce = '1s'")
            .unwrap_err();
    assert_eq!(
        problems,
        [
            "hierophant.toml:1: unknown key `htp_port`; did you mean `http_port`?",
            "hierophant.toml:2: unknown key `worker`; did you mean `workers`?",
            "hierophant.toml:5: unknown key `workers.link_grce`; did you mean `workers.link_grace` (in table [workers])?",
        ]
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let place = Place::with_file(
        "hierophant.toml",
        "http_port = 'x'\nmin_lifetime = 5\nthis_hierophant_ip = 'a'\nnonsense = 1\n\
         [tls]\nkey = 'k'\n[workers]\nmax_strikes = 0\n[[provers]]\nargs = 'x'\nvm = 1\n",
    );
    let layers = place
        .layers()
        .environment([
            ("HIEROPHANT_HTTP_PORTS", "1"),
            ("HIEROPHANT_LIMITS_GUEST_LOG", "17MiB"),
            ("GRPC_PORT", "9000"),
            ("HIEROPHANT_SERVICE_HOST", "10.0.0.1"),
        ])
        .set("verify.memory")
        .set("verify.procesess=2")
        .set("retry.max_attempts=1")
        .set("retry.max_attempts=2");
    let problems = problems_of::<hierophant::Settings>(&place, &layers).unwrap_err();
    insta::assert_snapshot!(problems.join("\n"));
}

#[test]
fn required_keys_are_asked_for() {
    let problems = load_text::<contemplant::Settings>("[[provers]]\nargs = []\n").unwrap_err();
    assert_eq!(
        problems,
        [
            "`coordinator` is required; set it in the file or as CONTEMPLANT_COORDINATOR, for example \
             coordinator = \"http://127.0.0.1:9000\"",
            "`provers[0].executable` is required; set it in the file, for example executable = \"prover-mock\"",
        ]
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_without_quoting_it() {
    let problems = load_text::<hierophant::Settings>("worker_token = 'hunter2\nhttp_port = = 1\n").unwrap_err();
    assert!(problems.len() >= 2, "{problems:?}");
    assert!(
        problems[0].starts_with("hierophant.toml:1: not valid TOML"),
        "{problems:?}"
    );
    assert!(
        problems.iter().all(|problem| !problem.contains("hunter2")),
        "{problems:?}"
    );
}

#[test]
fn rules_between_keys_name_both_places() {
    for (text, problem) in [
        ("listen = '192.0.2.1'", "set `worker_token`"),
        (
            "listen = '0.0.0.0'\nworker_token = '0123456789abcdef'",
            "set `public_http_url`",
        ),
        (
            "grpc_port = 1\nhttp_port = 1",
            "(`grpc_port`: hierophant.toml:1, `http_port`: hierophant.toml:2)",
        ),
        (
            "tls.key = 'k'",
            "(`tls.certificate`: default, `tls.key`: hierophant.toml:1)",
        ),
        ("workers.heartbeat_timeout = '19s'", "at least twice"),
        (
            "limits.max_deadline = '1h'",
            "`limits.max_deadline` at least `min_lifetime`",
        ),
    ] {
        let problems = load_text::<hierophant::Settings>(text).unwrap_err();
        assert!(
            problems.len() == 1 && problems[0].contains(problem),
            "{text}: {problems:?}"
        );
    }
    for text in [
        "grpc_port = 0\nhttp_port = 0",
        "workers.heartbeat_timeout = '20s'",
        "tls = { certificate = 'c', key = 'k' }",
    ] {
        assert!(load_text::<hierophant::Settings>(text).is_ok(), "{text}");
    }
    let base = "coordinator = 'http://h:1'\n[[provers]]\nexecutable = 'x'\n";
    assert!(load_text::<contemplant::Settings>(base).is_ok());
    assert!(load_text::<contemplant::Settings>(&format!("reconnect.min = '31s'\n{base}")).is_err());
    let problems = load_text::<contemplant::Settings>("coordinator = 'http://h:1'").unwrap_err();
    assert!(problems[0].contains("add a [[provers]] table"), "{problems:?}");
}

#[test]
fn a_rule_is_silent_about_keys_that_are_broken_themselves() {
    let problems = load_text::<hierophant::Settings>("tls = { certificate = 'c', key = 1 }").unwrap_err();
    assert_eq!(
        problems,
        ["hierophant.toml:1: `tls.key` is 1, but must be a path, not empty"]
    );
}

#[test]
fn a_secret_stays_out_of_every_problem() {
    for text in [
        "worker_token = 'hunter2'",
        "worker_token = ['hunter2']",
        "worker_token = 'file:/nonexistent/hunter'",
        "worker_tokn = 'hunter2'",
        "worker_token = 'hunter2 hunter2 hunter2'",
    ] {
        let problems = load_text::<hierophant::Settings>(text).unwrap_err();
        assert!(
            problems.iter().all(|problem| !problem.contains("hunter2")),
            "{problems:?}"
        );
    }
    let place = Place::empty();
    for layers in [
        place
            .layers()
            .environment([("CONTEMPLANT_PROVERS", "[{ executable = 'x', env = { A = 'hunter2' ")]),
        place.layers().environment([("CONTEMPLANT_PROVERS", "hunter2")]),
        place
            .layers()
            .set("provers=[{ executable = 'x', env = { A = ['hunter2'] } }]"),
        place.layers().set("provers=[{ executable = 'x', env = 'hunter2' }]"),
        place.layers().set("token=hunter2"),
        place.layers().set("tokn=hunter2"),
        place.layers().set("=hunter2"),
    ] {
        let problems = problems_of::<contemplant::Settings>(&place, &layers).unwrap_err();
        assert!(
            problems.iter().all(|problem| !problem.contains("hunter2")),
            "{problems:?}"
        );
    }
}
