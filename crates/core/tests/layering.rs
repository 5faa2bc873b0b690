//! The architecture, held by a test: dependencies point inward, and only a door and its prover know a proof system's name.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Proof systems, of which nothing in here may speak.
const PROOF_SYSTEMS: [&str; 6] = ["sp1", "miden", "bonsai", "risc0", "scroll", "openvm"];

/// The one file of a neutral crate that wires: its subcommands are named for the contracts that a worker serves by itself.
const WIRES: &str = "worker/src/cli.rs";

/// The crates that know no proof system.
const NEUTRAL: [&str; 10] = [
    "domain",
    "telemetry",
    "scheduler",
    "store",
    "artifacts",
    "core",
    "worker-link",
    "prover-protocol",
    "prover-mock",
    "worker",
];

/// Which of our crates each crate may depend on, apart from its tests. A new one is entered here.
const MAY_DEPEND_ON: [(&str, &[&str]); 16] = [
    ("domain", &[]),
    ("config", &[]),
    ("prover-protocol", &[]),
    ("scheduler", &["domain"]),
    ("telemetry", &["domain"]),
    ("store", &["domain"]),
    ("artifacts", &["domain"]),
    ("core", &["domain", "scheduler", "store", "artifacts", "telemetry"]),
    ("worker-link", &["config", "core", "domain"]),
    ("dashboard", &["core", "domain", "store"]),
    ("remote-provers", &["core", "domain", "miden-api", "store", "telemetry"]),
    ("miden-api", &["domain", "telemetry"]),
    (
        "miden-listener",
        &["config", "domain", "miden-api", "prover-protocol", "telemetry"],
    ),
    ("prover-mock", &["prover-protocol"]),
    (
        "worker",
        &[
            "artifacts",
            "config",
            "domain",
            "miden-listener",
            "prover-protocol",
            "telemetry",
            "worker-link",
        ],
    ),
    (
        "testkit",
        &[
            "config",
            "core",
            "domain",
            "store",
            "artifacts",
            "prover-protocol",
            "worker-link",
        ],
    ),
];

/// The crates that put things together, and may depend on whatever they need: the coordinator, and what measures it whole.
const PUT_TOGETHER: [&str; 2] = ["coordinator", "bench"];

/// What any door may depend on, besides its contract's own crate (`<contract>-api`, where others serve that too): the core's port,
/// and the words that it speaks. Never another door.
const A_DOOR_MAY: [&str; 4] = ["core", "domain", "store", "telemetry"];

/// Crates that stand before the core's ports: they may name the store's records, not a backend.
const BEFORE_THE_PORTS: [&str; 4] = ["dashboard", "worker-link", "remote-provers", "core"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("crates/")
        .to_owned()
}

/// The folders of all crates, by name.
fn all_crates() -> BTreeSet<String> {
    let entries = fs::read_dir(crates())
        .expect("crates/ can be listed")
        .map(|entry| entry.expect("an entry"));
    let with_manifest = entries.filter(|entry| entry.path().join("Cargo.toml").exists());
    with_manifest
        .map(|entry| entry.file_name().into_string().expect("a name in ASCII"))
        .collect()
}

/// Our crates that a crate's own code (not its tests) depends on.
fn dependencies(name: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("well-formed TOML");
    let tables = ["dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|table| manifest.get(table)?.as_table());
    let ours = |dependency: &String| dependency.strip_prefix("hierophant-").map(str::to_owned);
    tables.flat_map(|table| table.keys().filter_map(ours)).collect()
}

/// The source files of a crate: code, wire contracts, statements.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| ["rs", "proto", "sql"].iter().any(|known| extension == *known))
        {
            found.push(path);
        }
    }
}

fn sources_of(name: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["src", "proto"].map(|folder| crates().join(name).join(folder)) {
        if folder.exists() {
            sources(&folder, &mut found);
        }
    }
    assert!(!found.is_empty(), "{name} has no sources: has it moved?");
    found
        .into_iter()
        .map(|path| (fs::read_to_string(&path).expect("text"), path))
        .map(|(text, path)| (path, text))
        .collect()
}

/// Whether a text speaks of `word`: at the beginning of a word or of a hump, so that `ProgramIdentity` is nobody's name.
fn names(text: &str, word: &str) -> bool {
    let begins = |at: usize| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|before| !before.is_ascii_alphabetic())
            || text[at..].starts_with(|c: char| c.is_ascii_uppercase())
    };
    text.to_ascii_lowercase().match_indices(word).any(|(at, _)| begins(at))
}

#[test]
fn dependencies_point_inward() {
    for name in all_crates()
        .iter()
        .filter(|name| !PUT_TOGETHER.contains(&name.as_str()))
    {
        let allowed: &[&str] = if name.starts_with("door-") {
            &A_DOOR_MAY
        } else {
            let known = MAY_DEPEND_ON.iter().find(|(known, _)| known == name);
            known
                .unwrap_or_else(|| panic!("the crate {name} is new: say in this test what it may depend on"))
                .1
        };
        let contract = name.strip_prefix("door-").map(|contract| format!("{contract}-api"));
        for dependency in dependencies(name) {
            assert!(
                allowed.contains(&dependency.as_str()) || contract.as_ref() == Some(&dependency),
                "{name} may not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_coordinator_links_no_worker_and_no_test_tools() {
    for forbidden in ["worker", "prover-mock", "testkit", "bench"] {
        assert!(
            !dependencies("coordinator").contains(forbidden),
            "the coordinator may not depend on {forbidden}"
        );
    }
}

#[test]
fn a_name_is_found_in_every_spelling() {
    for text in ["sp1", "hierophant-sp1", "prover_sp1", "Sp1Client", "MySp1", "SP1"] {
        assert!(names(text, "sp1"), "{text}");
    }
    assert!(!names("ProgramIdentity", "miden") && !names("", "miden"));
}

#[test]
fn only_a_door_and_its_prover_name_a_proof_system() {
    for name in NEUTRAL {
        for (path, text) in sources_of(name) {
            if path.ends_with(WIRES) {
                continue;
            }
            for system in PROOF_SYSTEMS {
                assert!(
                    !names(&text, system),
                    "{} names the proof system {system}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn nobody_before_the_ports_names_a_backend_of_the_store() {
    let doors = all_crates().into_iter().filter(|name| name.starts_with("door-"));
    for name in doors.chain(BEFORE_THE_PORTS.map(str::to_owned)) {
        for (path, text) in sources_of(&name) {
            assert!(
                !text.contains("hierophant_store::sqlite"),
                "{} names a backend of the store",
                path.display()
            );
        }
    }
}
