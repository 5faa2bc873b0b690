//! The fifty rows of the contract's checklist, and how each went.
//!
//! Must stay true: a row passes only when every part of it was run and passed; a row that nobody ran has failed; a row
//! that needs something says what, and is counted as skipped, and that is allowed for [`MAY_NEED`] only.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::FutureExt as _;

use crate::stage::Tally;

/// Rows that may need what is not there: circuit files of plonk and groth16, tokens, client certificates.
const MAY_NEED: [usize; 3] = [30, 49, 50];

const TITLES: [&str; 50] = [
    "http and https, trailing slash",
    "both services on one URL, uncompressed",
    "an idle client survives",
    "connection per RPC, no socket exhaustion",
    "a restart is invisible to a waiting client",
    "CreateArtifact with v 54/55",
    "CreateArtifact with v 27/28",
    "zstd and bare uploads are the same artifact",
    "PUT without Content-Type, 1 GiB, twice",
    "interrupted PUT, then a retry",
    "artifact types 1, 2, 7; private ones unlisted",
    "GetProgram unknown, then registered",
    "the second run uploads no program",
    "CreateProgram again",
    "CreateProgram with another ELF",
    "programs survive a restart",
    "default client: auction, compressed",
    "Reserved client: base",
    "hosted client, largest limits",
    "private stdin in both schemas",
    "GetProofRequestParams",
    "GetProversByUptime",
    "request_id and tx_hash of 32 bytes",
    "signatures of four releases",
    "tampering is refused at once",
    "a lost reply makes no second request",
    "50 requests at once from one key",
    "other circuit versions",
    "unregistered vk_hash",
    "proofs of all modes verify",
    "status at once",
    "busy workers, no auction timeout",
    "small deadline, long proof",
    "FULFILLED never before the proof is readable",
    "the proof's bytes",
    "guest panic",
    "cycle and gas limits",
    "worker crash",
    "fulfilled, polled after the deadline",
    "only statuses that all clients know",
    "unknown request_id",
    "CancelRequest",
    "details decode in both modes",
    "details are complete",
    "listings and their filters",
    "balance",
    "replies under 4 MiB",
    "op-succinct's proposer, played",
    "bearer tokens",
    "client certificates",
];

#[derive(Debug, Default)]
struct Row {
    shown: Vec<String>,
    failed: Vec<String>,
    needs: Option<String>,
    took: Duration,
}

/// How the rows of one run went so far.
#[derive(Debug, Default)]
pub(super) struct Checklist {
    rows: BTreeMap<usize, Row>,
    /// The rows that were asked for; none: all.
    only: BTreeSet<usize>,
}

impl Checklist {
    /// A run of these rows, or of all where none is named.
    pub(super) fn of(rows: &[usize]) -> Self {
        Self {
            rows: BTreeMap::new(),
            only: rows.iter().copied().collect(),
        }
    }

    /// Whether any of these rows is to be run.
    pub(super) fn wants(&self, rows: &[usize]) -> bool {
        self.only.is_empty() || rows.iter().any(|row| self.only.contains(row))
    }

    /// Runs a row that was asked for, or one part of it. What it returns is shown; a panic counts as a failure.
    pub(super) async fn run(&mut self, number: usize, part: impl Future<Output = anyhow::Result<String>>) {
        if !self.wants(&[number]) {
            return;
        }
        println!("\n== {number}. {}", title(number));
        let started = Instant::now();
        let outcome = AssertUnwindSafe(part).catch_unwind().await;
        let row = self.rows.entry(number).or_default();
        row.took += started.elapsed();
        match outcome {
            Ok(Ok(shown)) => {
                println!("   pass: {shown}");
                row.shown.push(shown);
            }
            Ok(Err(error)) => {
                println!("   FAIL: {error:#}");
                row.failed.push(format!("{error:#}"));
            }
            Err(panic) => {
                let words = panic.downcast_ref::<String>().map(String::as_str);
                let words = words
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("a panic");
                println!("   FAIL: {words}");
                row.failed.push(words.to_owned());
            }
        }
    }

    /// Says what a row, or the rest of it, needs.
    pub(super) fn needs(&mut self, number: usize, what: &str) {
        self.rows.entry(number).or_default().needs = Some(what.to_owned());
    }

    /// Prints the table and counts.
    pub(super) fn finish(&self) -> Tally {
        let mut tally = Tally::default();
        println!();
        for number in (1..=TITLES.len()).filter(|number| self.wants(&[*number])) {
            let absent = Row::default();
            let row = self.rows.get(&number).unwrap_or(&absent);
            let (mark, shown) = verdict(number, row);
            match mark {
                "pass" => tally.passed += 1,
                "FAIL" => tally.failed += 1,
                _ => tally.skipped += 1,
            }
            println!(
                "{mark:<5} {number:>2}  {:<46} {:>6.1} s  {shown}",
                title(number),
                row.took.as_secs_f64()
            );
        }
        tally
    }
}

fn title(number: usize) -> &'static str {
    TITLES[number - 1]
}

fn verdict(number: usize, row: &Row) -> (&'static str, String) {
    let shown = row.shown.join("; ");
    match &row.needs {
        _ if !row.failed.is_empty() => ("FAIL", row.failed.join("; ")),
        Some(what) if MAY_NEED.contains(&number) => {
            let seen = if shown.is_empty() {
                String::new()
            } else {
                format!("passed: {shown}; ")
            };
            ("needs", format!("{seen}needs {what}"))
        }
        Some(what) => ("FAIL", format!("needs {what}, which this row must not")),
        None if shown.is_empty() => ("FAIL", "was not run".to_owned()),
        None => ("pass", shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_rows_that_were_asked_for_are_run_and_counted() {
        let mut list = Checklist::of(&[2, 3]);
        list.run(1, async { panic!("not asked for") }).await;
        list.run(2, async { Ok("seen".to_owned()) }).await;
        let tally = list.finish();
        assert_eq!((tally.passed, tally.failed, tally.skipped), (1, 1, 0));
        assert!(list.wants(&[1, 2]) && !list.wants(&[1]) && Checklist::default().wants(&[1]));
    }

    #[tokio::test]
    async fn rows_pass_only_when_all_their_parts_were_seen() {
        let mut list = Checklist::default();
        list.run(1, async { Ok("one".to_owned()) }).await;
        list.run(1, async { Ok("two".to_owned()) }).await;
        list.run(2, async { Ok("one".to_owned()) }).await;
        list.run(2, async { anyhow::bail!("not the other") }).await;
        list.run(3, async { panic!("broke") }).await;
        list.run(30, async { Ok("core".to_owned()) }).await;
        list.needs(30, "files");
        list.needs(49, "tokens");
        list.needs(4, "time");
        let tally = list.finish();
        assert_eq!((tally.passed, tally.failed, tally.skipped), (1, 47, 2));
    }
}
