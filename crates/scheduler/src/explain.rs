//! Why a ready task waits, in words that every surface can show.

use std::fmt::Write as _;

use hierophant_domain::{Resources, TaskClass};

use crate::view::WorkerView;

/// Says why a task of `class` waits: "no worker proves vm/compressed with 14 GB free: 2 are busy, 1 is draining".
/// `None` when a worker is free for it, so that it is about to be leased.
pub fn why_waiting(class: &TaskClass, workers: &[WorkerView]) -> Option<String> {
    let serving: Vec<(&WorkerView, Resources)> = workers
        .iter()
        .filter_map(|worker| Some((worker, worker.needs_of(class)?)))
        .collect();
    if serving.is_empty() {
        return Some(match workers.len() {
            0 => format!("no worker is connected; start one that proves {}", class.title()),
            n => format!(
                "none of the {n} connected workers proves {}{}",
                class.title(),
                missing_labels(class, workers)
            ),
        });
    }
    let mut tally = Tally::default();
    for (worker, needs) in &serving {
        match obstacle(worker, needs) {
            None => return None,
            Some(obstacle) => tally.count(obstacle),
        }
    }
    let least = serving.iter().map(|(_, needs)| needs.memory).min().unwrap_or(0);
    let space = if least == 0 {
        String::new()
    } else {
        format!(" with {} free", gigabytes(least))
    };
    Some(format!("no worker proves {}{space}: {tally}", class.title()))
}

/// The labels that keep workers that prove this very kind from the task, as " for toolchain v2"; empty where none proves the kind.
fn missing_labels(class: &TaskClass, workers: &[WorkerView]) -> String {
    let same_kind: Vec<_> = workers
        .iter()
        .flat_map(|worker| &worker.capabilities)
        .filter(|offer| (&offer.role, &offer.system, &offer.kind) == (&class.role, &class.system, &class.kind))
        .collect();
    if same_kind.is_empty() {
        return String::new();
    }
    let mut words = String::new();
    for (key, value) in &class.labels {
        if !same_kind.iter().any(|offer| offer.labels.get(key) == Some(value)) {
            let _ = write!(words, "{}{key} {value}", if words.is_empty() { " for " } else { ", " });
        }
    }
    words
}

#[derive(Clone, Copy)]
enum Obstacle {
    Unreachable,
    Quarantined,
    Draining,
    Busy,
    TooSmall,
    ShortOfSpace,
}

fn obstacle(worker: &WorkerView, needs: &Resources) -> Option<Obstacle> {
    if !worker.reachable {
        Some(Obstacle::Unreachable)
    } else if worker.quarantined {
        Some(Obstacle::Quarantined)
    } else if worker.draining {
        Some(Obstacle::Draining)
    } else if !worker.capacity.fits(needs) {
        Some(Obstacle::TooSmall)
    } else if worker.free_slots() == 0 {
        Some(Obstacle::Busy)
    } else if !worker.free().fits(needs) {
        Some(Obstacle::ShortOfSpace)
    } else {
        None
    }
}

#[derive(Default)]
struct Tally {
    counts: [usize; 6],
}

impl Tally {
    fn count(&mut self, obstacle: Obstacle) {
        self.counts[obstacle as usize] += 1;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = [
            (Obstacle::Busy, "busy"),
            (Obstacle::ShortOfSpace, "short of free memory"),
            (Obstacle::Draining, "draining"),
            (Obstacle::Quarantined, "quarantined"),
            (Obstacle::Unreachable, "cut off"),
            (Obstacle::TooSmall, "too small"),
        ];
        let mut first = true;
        for (obstacle, word) in words {
            let count = self.counts[obstacle as usize];
            if count > 0 {
                let (comma, verb) = (if first { "" } else { ", " }, if count == 1 { "is" } else { "are" });
                write!(f, "{comma}{count} {verb} {word}")?;
                first = false;
            }
        }
        Ok(())
    }
}

fn gigabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000_000);
    if tenths.is_multiple_of(10) {
        format!("{} GB", tenths / 10)
    } else {
        format!("{}.{} GB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use hierophant_domain::Name;

    use super::*;
    use crate::plan::tests::{class, worker};

    #[test]
    fn every_obstacle_is_counted_in_words() {
        let kinds = [("compressed", 13)];
        let busy = WorkerView {
            running: 1,
            ..worker(1, &kinds)
        };
        let draining = WorkerView {
            draining: true,
            ..worker(3, &kinds)
        };
        assert_eq!(
            why_waiting(&class("compressed"), &[busy.clone(), busy, draining]).as_deref(),
            Some("no worker proves vm/compressed with 14 GB free: 2 are busy, 1 is draining"),
        );
    }

    #[test]
    fn a_missing_worker_and_a_missing_kind_are_told_apart() {
        assert_eq!(
            why_waiting(&class("core"), &[]).as_deref(),
            Some("no worker is connected; start one that proves vm/core"),
        );
        assert_eq!(
            why_waiting(&class("core"), &[worker(1, &[("compressed", 13)])]).as_deref(),
            Some("none of the 1 connected workers proves vm/core"),
        );
    }

    #[test]
    fn a_label_that_nobody_has_is_named() {
        let mut wanted = class("core");
        wanted.labels.insert(Name::literal("toolchain"), Name::literal("v2"));
        assert_eq!(
            why_waiting(&wanted, &[worker(1, &[("core", 9)])]).as_deref(),
            Some("none of the 1 connected workers proves vm/core for toolchain v2"),
        );
    }

    #[test]
    fn a_free_worker_is_no_reason() {
        assert_eq!(why_waiting(&class("core"), &[worker(1, &[("core", 9)])]), None);
    }
}
