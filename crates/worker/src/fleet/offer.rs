//! From what a prover says of itself to what the worker offers.

use std::collections::BTreeMap;

use hierophant_domain::{Capability, Name, Resources};
use hierophant_prover_protocol::proto::{HelloReply, System};

/// What workers do.
const ROLE: &str = "prove";
/// The label that holds the toolchain version.
const TOOLCHAIN_LABEL: &str = "toolchain";
/// The label that tells proofs from mock proofs.
const PROOF_LABEL: &str = "proof";
/// What a proof that proves something is called under [`PROOF_LABEL`].
const REAL: &str = "real";
/// What a proof that proves nothing is called under [`PROOF_LABEL`].
pub(crate) const MOCK: &str = "mock";
/// What a mock proof takes: hardly more than the execution of its program.
const MOCK_NEEDS: Resources = Resources {
    memory: 1 << 30,
    shared_memory: 0,
    devices: 0,
};

/// What a prover can be given, of the kinds that the operator allows (`None`: all), and a sentence for each kind that it
/// cannot.
pub(super) fn read(hello: &HelloReply, allowed: Option<&[String]>) -> (Vec<Capability>, Vec<String>) {
    let (mut capabilities, mut sentences) = (Vec::new(), Vec::new());
    if !hello.calls.iter().any(|call| call == ROLE) {
        sentences.push("it does not answer the call \"prove\"".to_owned());
        return (capabilities, sentences);
    }
    for system in &hello.systems {
        for kind in &system.kinds {
            if allowed.is_some_and(|allowed| !allowed.contains(&kind.name)) {
                continue;
            }
            let title = format!("{}/{}", system.name, kind.name);
            if !kind.unavailable.is_empty() {
                sentences.push(format!("{title} is not available: {}", kind.unavailable));
                continue;
            }
            match (
                Name::new(&system.name),
                Name::new(&kind.name),
                Name::new(&system.toolchain),
            ) {
                (Ok(system), Ok(kind_name), Ok(toolchain)) => {
                    let needs = Resources {
                        memory: kind.memory_bytes,
                        shared_memory: kind.shared_memory_bytes,
                        devices: 0,
                    };
                    capabilities.push(capability(system, kind_name, toolchain, REAL, needs));
                }
                (system, kind, toolchain) => {
                    let bad = [system.err(), kind.err(), toolchain.err()].into_iter().flatten().next();
                    sentences.push(format!(
                        "{title} is not offered: {}",
                        bad.map_or_else(String::new, |b| b.to_string())
                    ));
                }
            }
        }
    }
    let mocks = hello.systems.iter().flat_map(mocks);
    capabilities.extend(
        mocks.filter(|mock| allowed.is_none_or(|allowed| allowed.iter().any(|kind| kind == mock.kind.as_str()))),
    );
    if let Some(allowed) = allowed {
        let offered = |name: &String| {
            hello
                .systems
                .iter()
                .flat_map(|system| &system.kinds)
                .any(|kind| kind.name == *name)
        };
        sentences.extend(
            allowed
                .iter()
                .filter(|name| !offered(name))
                .map(|name| format!("it has no kind {name:?}: correct `kinds`")),
        );
    }
    (capabilities, sentences)
}

fn capability(system: Name, kind: Name, toolchain: Name, proof: &'static str, needs: Resources) -> Capability {
    let labels = [
        (Name::literal(TOOLCHAIN_LABEL), toolchain),
        (Name::literal(PROOF_LABEL), Name::literal(proof)),
    ];
    Capability {
        role: Name::literal(ROLE),
        system,
        kind,
        labels: BTreeMap::from(labels),
        needs,
    }
}

/// The mock proofs that a prover can make of a system. Ill-formed names are passed over: those of its kinds were told of.
fn mocks(system: &System) -> Vec<Capability> {
    let (Ok(name), Ok(toolchain)) = (Name::new(&system.name), Name::new(&system.toolchain)) else {
        return Vec::new();
    };
    let kinds = system.mock_kinds.iter().filter_map(|kind| Name::new(kind).ok());
    kinds
        .map(|kind| capability(name.clone(), kind, toolchain.clone(), MOCK, MOCK_NEEDS))
        .collect()
}

/// Whether a lease asks for a mock proof.
pub(crate) fn wants_mock(labels: &BTreeMap<Name, Name>) -> bool {
    labels
        .get(&Name::literal(PROOF_LABEL))
        .is_some_and(|proof| proof.as_str() == MOCK)
}

#[cfg(test)]
mod tests {
    use hierophant_prover_protocol::proto::Kind;

    use super::*;

    fn kind(name: &str, unavailable: &str) -> Kind {
        Kind {
            name: name.into(),
            memory_bytes: 7,
            shared_memory_bytes: 1,
            unavailable: unavailable.into(),
        }
    }

    fn hello(kinds: Vec<Kind>) -> HelloReply {
        HelloReply {
            calls: vec!["prove".into()],
            systems: vec![System {
                name: "vm".into(),
                toolchain: "v1.0".into(),
                kinds,
                mock_kinds: vec!["core".into()],
            }],
            ..Default::default()
        }
    }

    #[test]
    fn kinds_become_capabilities_with_the_toolchain_as_label() {
        let (offered, sentences) = read(
            &hello(vec![kind("core", ""), kind("wrapped", "no keys in /keys")]),
            None,
        );
        assert_eq!(sentences, ["vm/wrapped is not available: no keys in /keys"]);
        assert_eq!(offered.len(), 2);
        assert_eq!(offered[0].labels[&Name::literal("toolchain")].as_str(), "v1.0");
        assert!(!wants_mock(&offered[0].labels) && wants_mock(&offered[1].labels));
        assert_eq!((offered[0].needs.memory, offered[0].needs.shared_memory), (7, 1));
    }

    #[test]
    fn the_operator_may_allow_fewer_and_typos_are_told() {
        let allowed = ["core".to_owned(), "cor".to_owned()];
        let (offered, sentences) = read(&hello(vec![kind("core", ""), kind("wrapped", "")]), Some(&allowed));
        assert_eq!(offered.iter().filter(|offer| !wants_mock(&offer.labels)).count(), 1);
        assert!(sentences[0].contains("\"cor\""), "{sentences:?}");
    }

    #[test]
    fn what_cannot_prove_or_be_named_is_not_offered() {
        let light = HelloReply {
            calls: vec!["verify".into()],
            ..hello(vec![kind("core", "")])
        };
        assert!(read(&light, None).0.is_empty());
        let mut odd = hello(vec![kind("core", "")]);
        odd.systems[0].toolchain = "Version 1".into();
        let (offered, sentences) = read(&odd, None);
        assert!(
            offered.is_empty() && sentences[0].contains("Version 1"),
            "{sentences:?}"
        );
    }
}
