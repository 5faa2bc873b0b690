use super::*;
use crate::{Digest, Executed, Fault};

/// A line that has an option of its own and does nothing.
struct Idle;

impl Line for Idle {
    const SYSTEM: &'static str = "idle";
    const TOOLCHAIN: &'static str = "0";
    type Options = bool;
    type Witness = ();

    fn default_memory(_kind: Kind) -> u64 {
        GIB
    }

    fn options(reader: &mut Reader<'_>) -> bool {
        reader.flag("own", true)
    }

    fn start(_options: bool) -> Self {
        Self
    }

    fn decode(&self, _kind: Kind, _bytes: &[u8]) -> Result<(), String> {
        Err("idle".into())
    }

    fn execute(&self, (): &(), max_cycles: u64) -> Result<Executed, Fault> {
        Err(Fault::CycleLimit(max_cycles))
    }

    fn prove(&self, (): ()) -> Result<Vec<u8>, String> {
        Err("idle".into())
    }

    fn verify(&self, (): &(), _proof: &[u8]) -> Result<Digest, String> {
        Err("idle".into())
    }
}

fn parse(pairs: &[(&str, &str)]) -> Result<(Settings, bool), String> {
    let options = pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    Settings::parse::<Idle>(&options).map_err(|failure| failure.message)
}

#[test]
fn nothing_given_is_the_default() {
    let (settings, own) = parse(&[]).expect("valid");
    assert_eq!(settings.kinds, Kind::ALL.into());
    assert_eq!((settings.max_cycles, settings.threads), (DEFAULT_MAX_CYCLES, None));
    assert_eq!(settings.memory(Kind::Batch), GIB);
    assert!(own);
}

#[test]
fn takes_values_at_the_edges_and_refuses_one_past() {
    let (settings, own) = parse(&[
        ("kinds", "batch, block"),
        ("max_cycles", "64"),
        ("max_input_bytes", "1024"),
        ("threads", "1024"),
        ("transaction_memory", "1048576"),
        ("own", "false"),
    ])
    .expect("valid");
    assert_eq!(settings.kinds, [Kind::Batch, Kind::Block].into());
    assert_eq!((settings.max_cycles, settings.max_input_bytes), (64, 1024));
    assert_eq!(settings.threads, Some(1024));
    assert_eq!(settings.memory(Kind::Transaction), MIB);
    assert!(!own);
    for (name, value) in [
        ("kinds", "batch,blocks"),
        ("kinds", ""),
        ("max_cycles", "63"),
        ("max_cycles", "536870913"),
        ("max_input_bytes", "1023"),
        ("threads", "0"),
        ("threads", "1025"),
        ("transaction_memory", "2 GiB"),
        ("own", "yes"),
    ] {
        let problem = parse(&[(name, value)]).expect_err(value);
        assert!(problem.contains(name), "{problem}");
    }
}

#[test]
fn names_every_unknown_option_and_the_known_ones() {
    let problem = parse(&[("a", "1"), ("kind", "2")]).expect_err("unknown");
    for word in ["\"a\"", "\"kind\"", "batch_memory", "own"] {
        assert!(problem.contains(word), "{problem}");
    }
    assert_eq!(Settings::names::<Idle>().len(), 8);
}
