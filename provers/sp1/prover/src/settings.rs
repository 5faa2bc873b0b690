//! The operator's options for this prover (`Hello.options`): their names, defaults and limits.
//!
//! What must stay true: an unknown name or a value out of range is an error that says what is allowed, and
//! docs/sp1-prover.md lists exactly [`NAMES`] (a test compares them).

use std::collections::{BTreeMap, BTreeSet};

use hierophant_prover_protocol::proto::Failure;
use sp1_engine::{MAX_ELEMENT_THRESHOLD, Tuning};

use crate::kinds::Kind;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Every option there is, in the order of the manual.
pub(crate) const NAMES: [&str; 20] = [
    "kinds",
    "mock_only",
    "max_decoded_bytes",
    "executor_memory_bytes",
    "cycles_per_second_min",
    "execution_grace_seconds",
    "core_memory_bytes",
    "compressed_memory_bytes",
    "element_threshold",
    "shard_size",
    "trace_chunk_entries",
    "trace_chunk_slots",
    "core_workers",
    "setup_workers",
    "splicing_workers",
    "recursion_executor_workers",
    "recursion_prover_workers",
    "prover_permits",
    "verify_intermediates",
    "gas_trace_chunk_slots",
];

/// The options with their defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Kinds to prove.
    pub(crate) kinds: BTreeSet<Kind>,
    /// Whether the role prove starts no engine and makes mock proofs only.
    pub(crate) mock_only: bool,
    /// Most bytes that one input may have, unpacked.
    pub(crate) max_decoded_bytes: u64,
    /// Slowest execution that counts as one: a program that burns more processor time than its cycle limit needs at
    /// this rate is over its limit.
    pub(crate) cycles_per_second_min: u64,
    /// Processor time that every execution gets on top, in seconds.
    pub(crate) execution_grace_seconds: u64,
    /// What a core proof needs at its peak, as reported to the host.
    pub(crate) core_memory_bytes: u64,
    /// What a compressed proof needs at its peak, as reported to the host.
    pub(crate) compressed_memory_bytes: u64,
    /// Most gas-metering trace chunks in shared memory; fewer are used where it is short.
    pub(crate) gas_trace_chunk_slots: usize,
    /// What decides memory and time of proving.
    pub(crate) tuning: Tuning,
}

impl Default for Settings {
    /// Measured on 2 cores and 24 GiB (docs/sp1-prover.md says how).
    fn default() -> Self {
        Self {
            kinds: BTreeSet::from([Kind::Core, Kind::Compressed]),
            mock_only: false,
            max_decoded_bytes: 4 * GIB,
            cycles_per_second_min: 1_000_000,
            execution_grace_seconds: 30,
            core_memory_bytes: 9 * GIB,
            compressed_memory_bytes: 14 * GIB,
            gas_trace_chunk_slots: 2,
            tuning: Tuning {
                element_threshold: 1 << 26,
                shard_size: 1 << 24,
                trace_chunk_entries: 1 << 24,
                trace_chunk_slots: 5,
                core_workers: 1,
                setup_workers: 1,
                splicing_workers: 1,
                recursion_executor_workers: 1,
                recursion_prover_workers: 1,
                prover_permits: 1,
                verify_intermediates: true,
                executor_memory_bytes: 12 * GIB,
            },
        }
    }
}

impl Settings {
    /// Reads the options; all that is wrong with them is named at once.
    pub(crate) fn parse(options: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut reader = Reader {
            options,
            problems: Vec::new(),
        };
        let settings = Self::read(&mut reader);
        let mut unknown: Vec<_> = options.keys().filter(|name| !NAMES.contains(&name.as_str())).collect();
        unknown.sort();
        for name in unknown {
            reader.problems.push(format!(
                "the option {name:?} is not known; known are {}",
                NAMES.join(", ")
            ));
        }
        if reader.problems.is_empty() {
            return Ok(settings);
        }
        Err(Failure::input(reader.problems.join("; ")))
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let tuning = default.tuning;
        Self {
            kinds: reader.kinds(default.kinds),
            mock_only: reader.flag("mock_only", default.mock_only),
            max_decoded_bytes: reader.number("max_decoded_bytes", default.max_decoded_bytes, (4096, 64 * GIB)),
            cycles_per_second_min: reader.number(
                "cycles_per_second_min",
                default.cycles_per_second_min,
                (1000, 1_000_000_000),
            ),
            execution_grace_seconds: reader.number(
                "execution_grace_seconds",
                default.execution_grace_seconds,
                (1, 86_400),
            ),
            core_memory_bytes: reader.number("core_memory_bytes", default.core_memory_bytes, (GIB, 4096 * GIB)),
            compressed_memory_bytes: reader.number(
                "compressed_memory_bytes",
                default.compressed_memory_bytes,
                (GIB, 4096 * GIB),
            ),
            gas_trace_chunk_slots: reader.count("gas_trace_chunk_slots", default.gas_trace_chunk_slots, 8),
            tuning: Tuning {
                element_threshold: reader.number(
                    "element_threshold",
                    tuning.element_threshold,
                    // Below 2^24 the fixed tables alone fill a shard.
                    (1 << 24, MAX_ELEMENT_THRESHOLD),
                ),
                shard_size: reader.count_in("shard_size", tuning.shard_size, (1 << 16, 1 << 24)),
                trace_chunk_entries: reader.number(
                    "trace_chunk_entries",
                    tuning.trace_chunk_entries,
                    (1 << 16, 1 << 27),
                ),
                trace_chunk_slots: reader.count("trace_chunk_slots", tuning.trace_chunk_slots, 16),
                core_workers: reader.count("core_workers", tuning.core_workers, 64),
                setup_workers: reader.count("setup_workers", tuning.setup_workers, 64),
                splicing_workers: reader.count("splicing_workers", tuning.splicing_workers, 64),
                recursion_executor_workers: reader.count(
                    "recursion_executor_workers",
                    tuning.recursion_executor_workers,
                    64,
                ),
                recursion_prover_workers: reader.count("recursion_prover_workers", tuning.recursion_prover_workers, 64),
                prover_permits: reader.count("prover_permits", tuning.prover_permits, 64),
                verify_intermediates: reader.flag("verify_intermediates", tuning.verify_intermediates),
                executor_memory_bytes: reader.number(
                    "executor_memory_bytes",
                    tuning.executor_memory_bytes,
                    (256 * MIB, 4096 * GIB),
                ),
            },
        }
    }
}

/// Takes options one by one and collects what is wrong.
struct Reader<'a> {
    options: &'a BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn number(&mut self, name: &str, default: u64, (min, max): (u64, u64)) -> u64 {
        let Some(text) = self.options.get(name) else {
            return default;
        };
        match text.parse::<u64>() {
            Ok(value) if (min..=max).contains(&value) => value,
            _ => {
                self.problems.push(format!(
                    "the option {name} is {text:?}; give a whole number from {min} to {max}"
                ));
                default
            }
        }
    }

    fn count(&mut self, name: &str, default: usize, max: usize) -> usize {
        self.count_in(name, default, (1, max))
    }

    fn count_in(&mut self, name: &str, default: usize, (min, max): (usize, usize)) -> usize {
        let value = self.number(name, default as u64, (min as u64, max as u64));
        usize::try_from(value).expect("at most `max`, which is a usize")
    }

    fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.options.get(name).map(String::as_str) {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(text) => {
                self.problems
                    .push(format!("the option {name} is {text:?}; give true or false"));
                default
            }
        }
    }

    fn kinds(&mut self, default: BTreeSet<Kind>) -> BTreeSet<Kind> {
        let Some(text) = self.options.get("kinds") else {
            return default;
        };
        let mut kinds = BTreeSet::new();
        for name in text.split(',').map(str::trim) {
            if let Some(kind) = Kind::from_name(name) {
                kinds.insert(kind);
            } else {
                self.problems.push(format!(
                    "the option kinds names {name:?}; known are core, compressed, plonk, groth16"
                ));
            }
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(Settings::parse(&options(&[])).expect("valid"), Settings::default());
    }

    #[test]
    fn takes_values_at_the_edges_and_refuses_one_past() {
        let max = MAX_ELEMENT_THRESHOLD.to_string();
        let settings = Settings::parse(&options(&[
            ("element_threshold", &max),
            ("core_workers", "64"),
            ("kinds", "core, groth16"),
            ("verify_intermediates", "false"),
        ]))
        .expect("valid");
        assert_eq!(settings.tuning.element_threshold, MAX_ELEMENT_THRESHOLD);
        assert_eq!(settings.tuning.core_workers, 64);
        assert_eq!(settings.kinds, BTreeSet::from([Kind::Core, Kind::Groth16]));
        assert!(!settings.tuning.verify_intermediates);
        let past = (MAX_ELEMENT_THRESHOLD + 1).to_string();
        for (name, value) in [
            ("element_threshold", past.as_str()),
            ("core_workers", "0"),
            ("core_workers", "65"),
            ("core_workers", "-1"),
            ("kinds", "core,snark"),
            ("verify_intermediates", "yes"),
        ] {
            let failure = Settings::parse(&options(&[(name, value)])).expect_err(value);
            assert!(failure.message.contains(name), "{}", failure.message);
        }
    }

    #[test]
    fn names_every_unknown_option_and_the_known_ones() {
        let failure = Settings::parse(&options(&[("a", "1"), ("kind", "2")])).expect_err("unknown");
        for word in ["\"a\"", "\"kind\"", "element_threshold"] {
            assert!(failure.message.contains(word), "{}", failure.message);
        }
    }

    #[test]
    fn every_name_is_read_and_documented() {
        let manual = include_str!("../../../../docs/sp1-prover.md");
        for name in NAMES {
            let failure = Settings::parse(&options(&[(name, "?")])).expect_err(name);
            assert!(!failure.message.contains("not known"), "{name} is not read");
            assert!(manual.contains(&format!("| `{name}` |")), "{name} is not in the manual");
        }
    }
}
