//! How far a proof is, counted from the spans that SP1's own code opens and closes.
//!
//! Pure: spans go in by name, a report comes out. What must stay true: nothing here is driven by a clock, and a name
//! that SP1 no longer uses costs detail, never a job.

use crate::kinds::Kind;

/// Spans of SP1 6.10 whose end is one step of one proof, of whatever layer; five to a proof, in this order.
const STEPS: [&str; 5] = [
    "commit traces",
    "generate GKR circuit",
    "logup gkr proof",
    "zerocheck",
    "prove evaluation claims",
];
const STEPS_PER_PROOF: u64 = STEPS.len() as u64;

/// The set-up of the program within a proof.
const SETUP: &str = "setup vkey";
/// One shard, from its record to its (in modes beyond core: normalised) proof.
const SHARD: &str = "ProveShard";
/// The core proof within a shard; ends before the shard is normalised.
const CORE_PROOF: &str = "core setup and prove";
/// The execution that cuts the program into shards; once it ends, all shards are known.
const EXECUTION: &str = "CoreExecute";
/// One proof that joins up to [`REDUCE_ARITY`] others.
const REDUCE: &str = "RecursionReduce";
/// The two proofs that make a compressed one small enough for gnark, and gnark itself.
const WRAPS: [&str; 4] = ["prove shrink", "prove wrap", "prove groth16", "prove plonk"];

/// Proofs that one reduction joins. SP1's recursion keys exist for this arity only.
const REDUCE_ARITY: u64 = 4;

/// Where the phases of a job end, in hundredths of a percent.
pub(crate) const EXECUTED_BP: u32 = 200;
const SET_UP_BP: u32 = 700;
const PROVEN_BP: u32 = 9_900;

/// Returns whether a span of this name says anything about progress.
pub(crate) fn is_relevant(span: &str) -> bool {
    STEPS.contains(&span) || WRAPS.contains(&span) || [SETUP, SHARD, CORE_PROOF, EXECUTION, REDUCE].contains(&span)
}

/// What to tell the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// "setup", "core", "compress" or "wrap".
    pub(crate) phase: &'static str,
    /// Of `total`; shards while in "core", proofs or layers after it.
    pub(crate) done: u64,
    /// 0 while unknown.
    pub(crate) total: u64,
    /// The whole job.
    pub(crate) overall_bp: u32,
}

/// Counts of what happened in one proof so far.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    kind: Kind,
    set_up: bool,
    all_shards_known: bool,
    shards_seen: u64,
    shards_done: u64,
    core_proofs_done: u64,
    reduces_done: u64,
    wraps_done: u64,
    steps_done: u64,
}

impl Counters {
    /// Nothing happened yet.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            set_up: false,
            all_shards_known: false,
            shards_seen: 0,
            shards_done: 0,
            core_proofs_done: 0,
            reduces_done: 0,
            wraps_done: 0,
            steps_done: 0,
        }
    }

    /// A span was opened.
    pub(crate) fn opened(&mut self, span: &str) {
        if span == SHARD {
            self.shards_seen += 1;
        }
    }

    /// A span was closed.
    pub(crate) fn closed(&mut self, span: &str) {
        match span {
            SETUP => self.set_up = true,
            SHARD => self.shards_done += 1,
            CORE_PROOF => self.core_proofs_done += 1,
            EXECUTION => self.all_shards_known = true,
            REDUCE => self.reduces_done += 1,
            span if STEPS.contains(&span) => self.steps_done += 1,
            span if WRAPS.contains(&span) => self.wraps_done += 1,
            _ => {}
        }
    }

    /// Sums up.
    pub(crate) fn report(&self) -> Report {
        let (phase, done, total) = self.phase();
        Report {
            phase,
            done,
            total,
            overall_bp: self.overall_bp(),
        }
    }

    fn phase(&self) -> (&'static str, u64, u64) {
        if !self.set_up && self.shards_seen == 0 {
            return ("setup", 0, 1);
        }
        let total = if self.all_shards_known { self.shards() } else { 0 };
        let core_is_done = self.all_shards_known && self.core_proofs_done >= self.shards();
        if self.kind == Kind::Core || !core_is_done {
            return ("core", self.core_proofs_done, total);
        }
        let (normalised, reduces) = (self.shards_done, self.reduces());
        let compressed = self.reduces_done >= reduces;
        if !self.kind.is_wrapped() || !compressed {
            return ("compress", normalised + self.reduces_done, self.shards() + reduces);
        }
        ("wrap", self.wraps_done, self.wraps())
    }

    fn overall_bp(&self) -> u32 {
        if !self.set_up && self.steps_done == 0 {
            return EXECUTED_BP;
        }
        let shards = self.shards();
        let proofs = match self.kind {
            Kind::Core => shards,
            Kind::Compressed => 2 * shards + self.reduces(),
            // gnark itself has no steps; it counts as one proof more.
            Kind::Plonk | Kind::Groth16 => 2 * shards + self.reduces() + self.wraps(),
        };
        let gnark = self.wraps_done.saturating_sub(2) * STEPS_PER_PROOF;
        let total = proofs * STEPS_PER_PROOF;
        let done = (self.steps_done + gnark).min(total);
        let span = u64::from(PROVEN_BP - SET_UP_BP);
        SET_UP_BP + u32::try_from(span * done / total).expect("at most `span`, which is a u32")
    }

    fn shards(&self) -> u64 {
        self.shards_seen.max(1)
    }

    fn reduces(&self) -> u64 {
        (self.shards() - 1).div_ceil(REDUCE_ARITY - 1).max(1)
    }

    fn wraps(&self) -> u64 {
        if self.kind.is_wrapped() { 3 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(counters: &mut Counters, overall: &mut Vec<u32>) {
        for step in STEPS {
            counters.opened(step);
            counters.closed(step);
            overall.push(counters.report().overall_bp);
        }
    }

    #[test]
    fn one_core_shard_gives_rising_values_to_the_end() {
        let mut counters = Counters::new(Kind::Core);
        assert_eq!(counters.report().phase, "setup");
        counters.closed(SETUP);
        counters.opened(SHARD);
        counters.closed(EXECUTION);
        let mut overall = vec![counters.report().overall_bp];
        proof(&mut counters, &mut overall);
        counters.closed(CORE_PROOF);
        assert!(overall.is_sorted_by(|left, right| left < right), "{overall:?}");
        assert_eq!(overall.len(), 6);
        assert_eq!(
            counters.report(),
            Report {
                phase: "core",
                done: 1,
                total: 1,
                overall_bp: PROVEN_BP
            }
        );
    }

    #[test]
    fn compressed_goes_on_after_core() {
        let mut counters = Counters::new(Kind::Compressed);
        counters.closed(SETUP);
        let mut overall = Vec::new();
        for _ in 0..5 {
            counters.opened(SHARD);
        }
        counters.closed(EXECUTION);
        for _ in 0..5 {
            proof(&mut counters, &mut overall);
            counters.closed(CORE_PROOF);
        }
        assert_eq!(counters.report().phase, "compress");
        for _ in 0..5 {
            proof(&mut counters, &mut overall);
            counters.closed(SHARD);
        }
        // Five proofs: four joined, then the result and the fifth.
        for _ in 0..2 {
            proof(&mut counters, &mut overall);
            counters.closed(REDUCE);
        }
        assert!(overall.is_sorted(), "{overall:?}");
        assert_eq!(
            counters.report(),
            Report {
                phase: "compress",
                done: 7,
                total: 7,
                overall_bp: PROVEN_BP
            }
        );
    }

    #[test]
    fn more_steps_than_expected_never_pass_the_end() {
        let mut counters = Counters::new(Kind::Core);
        counters.closed(SETUP);
        let mut overall = Vec::new();
        for _ in 0..3 {
            proof(&mut counters, &mut overall);
        }
        assert_eq!(counters.report().overall_bp, PROVEN_BP);
    }
}
