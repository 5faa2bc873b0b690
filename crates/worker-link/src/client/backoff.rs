//! Waiting times that double, with jitter, so that many workers do not come back at once.

use std::time::Duration;

/// Waits from a shortest to a longest time.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins with `min`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max: max.max(min),
            next: min,
        }
    }

    /// All is well: begin anew.
    pub fn reset(&mut self) {
        self.next = self.min;
    }

    /// The next wait: between half and all of the present step.
    pub fn wait(&mut self) -> Duration {
        let step = self.next;
        self.next = step.saturating_mul(2).min(self.max);
        step.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// The longest wait, with jitter.
    pub fn longest(&mut self) -> Duration {
        self.next = self.max;
        self.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let (min, max) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new(min, max);
        for step in [100, 200, 350, 350] {
            let wait = backoff.wait();
            let step = Duration::from_millis(step);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= min);
        assert!(backoff.longest() >= max / 2);
    }
}
