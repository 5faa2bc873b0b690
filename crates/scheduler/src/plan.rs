//! The plan: offers for the idle first, then reservations for the busy.
//!
//! Invariants: no offer exceeds its worker's free slots or space; a reservation is offered only of a class for which no idle
//! worker is left, so that prefetching never takes a task from somebody who could start it now.

use hierophant_domain::{Resources, TaskClass, WorkerId};

use crate::view::{ReadyTasks, WorkerView};

/// Classes from which a worker may be given up to `limit` tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who.
    pub worker: WorkerId,
    /// The classes, most urgent first.
    pub classes: Vec<TaskClass>,
    /// How many tasks in all.
    pub limit: usize,
    /// Whether they are reservations.
    pub reserve: bool,
}

/// Plans offers for the ready tasks.
///
/// Workers that serve fewer of the ready classes go first, so that a specialist is not left idle by a generalist; among
/// equals the one with most free slots.
pub fn plan(ready: &[ReadyTasks], workers: &[WorkerView]) -> Vec<Offer> {
    let mut left: Vec<ReadyTasks> = ready.iter().filter(|tasks| tasks.count > 0).cloned().collect();
    left.sort_by_key(|tasks| tasks.first_rank);
    let mut open: Vec<&WorkerView> = workers.iter().filter(|worker| worker.is_open()).collect();
    open.sort_by_key(|worker| {
        let breadth = left
            .iter()
            .filter(|tasks| worker.needs_of(&tasks.class).is_some())
            .count();
        (breadth, std::cmp::Reverse(worker.free_slots()), worker.id)
    });
    let mut offers: Vec<Offer> = open
        .iter()
        .filter_map(|worker| offer(worker, &mut left, false))
        .collect();
    offers.extend(open.iter().filter_map(|worker| offer(worker, &mut left, true)));
    offers
}

fn offer(worker: &WorkerView, left: &mut [ReadyTasks], reserve: bool) -> Option<Offer> {
    let room = if reserve {
        // Only once the slots are full: until then what is ready can be started.
        if worker.free_slots() > 0 { 0 } else { worker.room() }
    } else {
        worker.free_slots()
    };
    if room == 0 {
        return None;
    }
    // A reservation runs after what runs now, so it is measured against the whole worker.
    let space = if reserve { worker.capacity } else { worker.free() };
    let mut classes = Vec::new();
    let mut available = 0_usize;
    let mut largest = Resources::default();
    for tasks in left.iter().filter(|tasks| tasks.count > 0) {
        if let Some(needs) = worker.needs_of(&tasks.class).filter(|needs| space.fits(needs)) {
            classes.push(tasks.class.clone());
            available = available.saturating_add(tasks.count);
            largest = Resources {
                memory: largest.memory.max(needs.memory),
                shared_memory: largest.shared_memory.max(needs.shared_memory),
                devices: largest.devices.max(needs.devices),
            };
        }
    }
    let fitting = if reserve {
        room
    } else {
        how_many_fit(&space, &largest).min(room)
    };
    let limit = fitting.min(available);
    if limit == 0 {
        return None;
    }
    take(left, &classes, limit);
    Some(Offer {
        worker: worker.id,
        classes,
        limit,
        reserve,
    })
}

/// Whether `worker` is the only one that could be given tasks of a class, now or when it has room.
pub fn nobody_else_serves(class: &TaskClass, worker: WorkerId, workers: &[WorkerView]) -> bool {
    !workers.iter().any(|other| {
        other.id != worker && other.is_open() && other.needs_of(class).is_some_and(|needs| other.capacity.fits(&needs))
    })
}

fn how_many_fit(space: &Resources, needs: &Resources) -> usize {
    let of = |have: u64, need: u64| {
        have.checked_div(need)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(usize::MAX)
    };
    of(space.memory, needs.memory)
        .min(of(space.shared_memory, needs.shared_memory))
        .min(of(u64::from(space.devices), u64::from(needs.devices)))
}

fn take(left: &mut [ReadyTasks], classes: &[TaskClass], mut n: usize) {
    for tasks in left.iter_mut().filter(|tasks| classes.contains(&tasks.class)) {
        let taken = tasks.count.min(n);
        tasks.count -= taken;
        n -= taken;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use hierophant_domain::{Capability, Name};
    use proptest::prelude::*;

    use super::*;

    pub(crate) const GIB: u64 = 1 << 30;

    pub(crate) fn class(kind: &'static str) -> TaskClass {
        TaskClass {
            role: Name::literal("prove"),
            system: Name::literal("vm"),
            kind: Name::literal(kind),
            labels: BTreeMap::new(),
        }
    }

    pub(crate) fn worker(id: u128, kinds: &[(&'static str, u64)]) -> WorkerView {
        let capability = |(kind, gib): &(&'static str, u64)| {
            let class = class(kind);
            Capability {
                role: class.role,
                system: class.system,
                kind: class.kind,
                labels: BTreeMap::new(),
                needs: Resources {
                    memory: gib * GIB,
                    ..Resources::default()
                },
            }
        };
        WorkerView {
            id: WorkerId(uuid_from(id)),
            capabilities: kinds.iter().map(capability).collect(),
            capacity: Resources {
                memory: 24 * GIB,
                ..Resources::default()
            },
            used: Resources::default(),
            slots: 1,
            running: 0,
            prefetch: 1,
            reserved: 0,
            reachable: true,
            draining: false,
            quarantined: false,
        }
    }

    fn uuid_from(id: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(id)
    }

    pub(crate) fn ready(kind: &'static str, count: usize, first_rank: i64) -> ReadyTasks {
        ReadyTasks {
            class: class(kind),
            count,
            first_rank,
        }
    }

    #[test]
    fn a_specialist_is_not_left_idle_by_a_generalist() {
        let generalist = worker(1, &[("core", 9), ("compressed", 14)]);
        let specialist = worker(2, &[("core", 9)]);
        let offers = plan(
            &[ready("core", 1, 0), ready("compressed", 1, 1)],
            &[generalist, specialist],
        );
        assert_eq!(offers.len(), 2);
        assert_eq!(
            (offers[0].worker.0.as_u128(), &offers[0].classes),
            (2, &vec![class("core")])
        );
        assert_eq!(
            (offers[1].worker.0.as_u128(), &offers[1].classes),
            (1, &vec![class("compressed")])
        );
    }

    #[test]
    fn reservations_come_only_when_nobody_is_idle() {
        let busy = WorkerView {
            running: 1,
            ..worker(1, &[("core", 9)])
        };
        let idle = worker(2, &[("core", 9)]);
        let offers = plan(&[ready("core", 1, 0)], &[busy.clone(), idle]);
        assert!(offers.iter().all(|offer| !offer.reserve));
        let offers = plan(&[ready("core", 5, 0)], &[busy]);
        assert_eq!(
            offers
                .iter()
                .map(|offer| (offer.reserve, offer.limit))
                .collect::<Vec<_>>(),
            [(true, 1)]
        );
    }

    #[test]
    fn a_reservation_begins_in_the_slot_that_becomes_free() {
        let about_to_begin = WorkerView {
            running: 0,
            reserved: 1,
            ..worker(1, &[("core", 9)])
        };
        let offers = plan(&[ready("core", 5, 0)], std::slice::from_ref(&about_to_begin));
        assert_eq!(
            offers
                .iter()
                .map(|offer| (offer.reserve, offer.limit))
                .collect::<Vec<_>>(),
            [(true, 1)]
        );
        let full = WorkerView {
            running: 1,
            ..about_to_begin
        };
        assert_eq!(plan(&[ready("core", 5, 0)], &[full]), []);
    }

    #[test]
    fn draining_quarantined_and_unreachable_workers_get_nothing() {
        let base = worker(1, &[("core", 9)]);
        for shut in [
            WorkerView {
                draining: true,
                ..base.clone()
            },
            WorkerView {
                quarantined: true,
                ..base.clone()
            },
            WorkerView {
                reachable: false,
                ..base
            },
        ] {
            assert_eq!(plan(&[ready("core", 1, 0)], &[shut]), []);
        }
    }

    #[test]
    fn a_worker_is_alone_while_no_other_open_one_has_the_class_and_the_space_for_it() {
        let own = worker(1, &[("core", 9)]);
        let alone = |other: WorkerView| nobody_else_serves(&class("core"), own.id, &[own.clone(), other]);
        let busy = WorkerView {
            running: 1,
            used: Resources {
                memory: 20 * GIB,
                ..Resources::default()
            },
            ..worker(2, &[("core", 9)])
        };
        assert!(!alone(busy.clone()));
        assert!(alone(WorkerView { draining: true, ..busy }));
        assert!(alone(worker(2, &[("compressed", 14)])));
        assert!(alone(worker(2, &[("core", 25)])));
    }

    proptest! {
        #[test]
        fn offers_never_exceed_slots_space_or_what_is_ready(
            slots in 0_usize..5, running in 0_usize..5, used in 0_u64..30, counts in prop::collection::vec(0_usize..20, 2),
        ) {
            let tasks = [ready("core", counts[0], 1), ready("compressed", counts[1], 2)];
            let view = WorkerView {
                slots, running, used: Resources { memory: used * GIB, ..Resources::default() },
                ..worker(1, &[("core", 9), ("compressed", 14)])
            };
            let total: usize = plan(&tasks, std::slice::from_ref(&view)).iter().map(|offer| offer.limit).sum();
            prop_assert!(total <= counts[0] + counts[1]);
            for offer in plan(&tasks, std::slice::from_ref(&view)).iter().filter(|offer| !offer.reserve) {
                prop_assert!(offer.limit <= view.free_slots());
                prop_assert!(offer.classes.iter().all(|class| view.free().fits(&view.needs_of(class).expect("served"))));
            }
        }
    }
}
