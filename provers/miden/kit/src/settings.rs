//! The operator's options for a Miden prover (`Hello.options`): names, defaults and limits.
//!
//! What must stay true: an unknown name or a value out of range is an error that says what is allowed; everything that is
//! wrong is named at once.

use std::collections::{BTreeMap, BTreeSet};

use hierophant_prover_protocol::proto::Failure;

use crate::{Kind, Line};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Most cycles of one execution in the virtual machine of every line so far: 2^29.
pub const MAX_CYCLES: u64 = 1 << 29;

/// Most cycles of one execution unless the operator says otherwise: 2^22. They execute in a fraction of a second, which a
/// hostile witness may cost the light role; proving them takes tens of gigabytes.
const DEFAULT_MAX_CYCLES: u64 = 1 << 22;

/// Fewest cycles that the virtual machine takes as a limit: its shortest trace, 64 rows.
const MIN_MAX_CYCLES: u64 = 64;

/// Most threads that may be asked for.
const MAX_THREADS: u64 = 1024;

/// The options of all lines, with their defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `kinds`: the kinds that this process proves.
    pub kinds: BTreeSet<Kind>,
    /// `max_cycles`: most cycles of an execution, whatever the host allows.
    pub max_cycles: u64,
    /// `max_input_bytes`: largest witness or proof that is read.
    pub max_input_bytes: u64,
    /// `threads`: threads that prove; absent: one for each core.
    pub threads: Option<usize>,
    memory: BTreeMap<Kind, u64>,
}

impl Settings {
    /// Reads the options of a line, its own and the common ones.
    ///
    /// # Errors
    ///
    /// `Failure.INPUT` that names all that is wrong.
    pub fn parse<L: Line>(options: &BTreeMap<String, String>) -> Result<(Self, L::Options), Failure> {
        let mut reader = Reader::new(options);
        let settings = (Self::common::<L>(&mut reader), L::options(&mut reader));
        reader.finish()?;
        Ok(settings)
    }

    /// The names of all options of a line.
    pub fn names<L: Line>() -> Vec<&'static str> {
        let none = BTreeMap::new();
        let mut reader = Reader::new(&none);
        Self::common::<L>(&mut reader);
        L::options(&mut reader);
        reader.known
    }

    fn common<L: Line>(reader: &mut Reader<'_>) -> Self {
        let mut memory = |kind, name| (kind, reader.number(name, L::default_memory(kind), (MIB, 4096 * GIB)));
        Self {
            memory: BTreeMap::from([
                memory(Kind::Transaction, "transaction_memory"),
                memory(Kind::Batch, "batch_memory"),
                memory(Kind::Block, "block_memory"),
            ]),
            kinds: reader.kinds("kinds"),
            max_cycles: reader.number("max_cycles", DEFAULT_MAX_CYCLES, (MIN_MAX_CYCLES, MAX_CYCLES)),
            max_input_bytes: reader.number("max_input_bytes", 64 * MIB, (KIB, 64 * GIB)),
            threads: reader.threads("threads"),
        }
    }

    /// What one job of a kind needs at its peak, in bytes.
    pub fn memory(&self, kind: Kind) -> u64 {
        self.memory.get(&kind).copied().unwrap_or_default()
    }
}

/// Takes options one by one, and collects what is wrong and which names there are.
#[derive(Debug)]
pub struct Reader<'a> {
    options: &'a BTreeMap<String, String>,
    known: Vec<&'static str>,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(options: &'a BTreeMap<String, String>) -> Self {
        Self {
            options,
            known: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.push(name);
        self.options.get(name).map(String::as_str)
    }

    /// Takes a whole number from `min` to `max`.
    pub fn number(&mut self, name: &'static str, default: u64, (min, max): (u64, u64)) -> u64 {
        self.optional_number(name, (min, max)).unwrap_or(default)
    }

    /// Takes "true" or "false".
    pub fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.take(name) {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(text) => {
                self.problem(name, text, "give true or false");
                default
            }
        }
    }

    fn optional_number(&mut self, name: &'static str, (min, max): (u64, u64)) -> Option<u64> {
        let text = self.take(name)?;
        let value = text.parse().ok().filter(|value| (min..=max).contains(value));
        if value.is_none() {
            self.problem(name, text, &format!("give a whole number from {min} to {max}"));
        }
        value
    }

    fn threads(&mut self, name: &'static str) -> Option<usize> {
        let threads = self.optional_number(name, (1, MAX_THREADS))?;
        usize::try_from(threads).ok()
    }

    fn kinds(&mut self, name: &'static str) -> BTreeSet<Kind> {
        let Some(text) = self.take(name) else {
            return Kind::ALL.into();
        };
        let named: Option<BTreeSet<_>> = text.split(',').map(|name| Kind::from_name(name.trim())).collect();
        named.unwrap_or_else(|| {
            self.problem(
                name,
                text,
                "name some of transaction, batch, block, with commas between",
            );
            BTreeSet::new()
        })
    }

    fn problem(&mut self, name: &str, text: &str, remedy: &str) {
        self.problems.push(format!("the option {name} is {text:?}; {remedy}"));
    }

    fn finish(mut self) -> Result<(), Failure> {
        let unknown = self.options.keys().filter(|name| !self.known.contains(&name.as_str()));
        let known = self.known.join(", ");
        self.problems
            .extend(unknown.map(|name| format!("the option {name:?} is not known; known are {known}")));
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Failure::input(self.problems.join("; ")))
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
