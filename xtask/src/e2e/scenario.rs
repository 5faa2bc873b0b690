//! Runs named scenarios one after the other, and says of each how it went and how long it took.

use std::time::{Duration, Instant};

use crate::stage::Tally;

/// How the scenarios of one run went.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<(String, Duration, Result<String, String>)>,
}

impl Report {
    /// Runs one scenario. What it returns is shown beside its name.
    pub(crate) async fn run(&mut self, name: &str, scenario: impl Future<Output = anyhow::Result<String>>) {
        println!("\n== {name}");
        let started = Instant::now();
        let outcome = scenario.await.map_err(|error| format!("{error:#}"));
        match &outcome {
            Ok(shown) => println!("   pass: {shown}"),
            Err(why) => println!("   FAIL: {why}"),
        }
        self.rows.push((name.to_owned(), started.elapsed(), outcome));
    }

    /// Prints the table and counts.
    pub(crate) fn finish(&self) -> Tally {
        println!();
        for (name, took, outcome) in &self.rows {
            let (mark, shown) = match outcome {
                Ok(shown) => ("pass", shown),
                Err(why) => ("FAIL", why),
            };
            println!("{mark}  {name:<44} {:>7.1} s  {shown}", took.as_secs_f64());
        }
        let count = |fine: bool| {
            self.rows
                .iter()
                .filter(|(_, _, outcome)| outcome.is_ok() == fine)
                .count() as u64
        };
        Tally {
            passed: count(true),
            failed: count(false),
            skipped: 0,
        }
    }
}
