//! How figures are printed: value, target, and how much of the machine's own figure it is.

use std::{io::Write as _, time::Duration};

use crate::machine::Machine;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Printed for comparison only.
    None,
    /// So many or more.
    AtLeast(f64),
    /// So many or fewer.
    AtMost(f64),
}

/// Prints a line to stdout.
pub(crate) fn say(line: &str) {
    // A reader that went away is no reason to stop measuring half-way.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Begins a benchmark's block.
pub(crate) fn heading(words: &str) {
    say(&format!("\n== {words}"));
}

/// Prints a figure with its target.
pub(crate) fn figure(what: &str, value: f64, unit: &str, target: Target) {
    let verdict = match target {
        Target::None => String::new(),
        Target::AtLeast(bound) => verdict("≥", bound, unit, value >= bound),
        Target::AtMost(bound) => verdict("≤", bound, unit, value <= bound),
    };
    say(&format!("   {what:<58} {:>12} {unit:<4}{verdict}", number(value)));
}

fn verdict(sign: &str, bound: f64, unit: &str, met: bool) -> String {
    let word = if met { "met" } else { "NOT MET" };
    format!("  target {sign} {} {unit}: {word}", number(bound))
}

/// Prints a rate, and what part it is of the machine's own rates.
pub(crate) fn rate(what: &str, per_second: f64, target: Target, machine: &Machine) {
    figure(what, per_second, "/s", target);
    say(&format!(
        "      = {:.2} × fsync alone, {:.3} × appends in groups, {:.3} × TCP ping-pong, {:.3} × empty gRPC calls",
        per_second / machine.fsync_single,
        per_second / machine.fsync_group,
        per_second / machine.ping_pong,
        per_second / machine.unary,
    ));
}

/// The value below which `share` of the sorted times lie, in milliseconds.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a list in memory"
    )]
    let index = (sorted.len() as f64 * share) as usize;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// So many in so long, per second.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
pub(crate) fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// A number with as many digits as say something.
fn number(value: f64) -> String {
    if value >= 1000.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_small_ones_keep_their_digits() {
        let texts = [1_234_567.4, 1000.0, 999.96, 12.34, 0.5].map(number);
        assert_eq!(texts, ["1,234,567", "1,000", "1000.0", "12.3", "0.50"]);
    }

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert!((percentile(&times, 0.5) - 51.0).abs() < 1e-9);
        assert!((percentile(&times, 0.99) - 100.0).abs() < 1e-9);
        assert!((percentile(&times, 1.0) - 100.0).abs() < 1e-9);
        assert!(percentile(&[], 0.5).abs() < 1e-9);
    }
}
