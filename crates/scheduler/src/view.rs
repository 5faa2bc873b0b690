//! What the scheduler looks at.

use hierophant_domain::{Capability, Resources, TaskClass, WorkerId};

/// Ready tasks of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyTasks {
    /// The class.
    pub class: TaskClass,
    /// How many; at least 1.
    pub count: usize,
    /// The lowest rank among them: which class goes first.
    pub first_rank: i64,
}

/// A worker as the scheduler sees it.
#[derive(Clone, Debug)]
pub struct WorkerView {
    /// Who.
    pub id: WorkerId,
    /// What it serves.
    pub capabilities: Vec<Capability>,
    /// What it has in all.
    pub capacity: Resources,
    /// What its present tasks take, and the reservations that are about to begin.
    pub used: Resources,
    /// Tasks that it runs at once.
    pub slots: usize,
    /// Tasks that it runs now.
    pub running: usize,
    /// Tasks that it may hold beyond its slots.
    pub prefetch: usize,
    /// Tasks that it holds so.
    pub reserved: usize,
    /// Its connection stands and it has been heard of lately.
    pub reachable: bool,
    /// It wants no more work.
    pub draining: bool,
    /// It gets no work because of its strikes.
    pub quarantined: bool,
}

impl WorkerView {
    /// The cheapest way in which it serves a class.
    pub fn needs_of(&self, class: &TaskClass) -> Option<Resources> {
        let serving = self.capabilities.iter().filter(|capability| capability.serves(class));
        serving
            .map(|capability| capability.needs)
            .min_by_key(|needs| (needs.memory, needs.shared_memory, needs.devices))
    }

    /// Whether it may be given work at all.
    pub fn is_open(&self) -> bool {
        self.reachable && !self.draining && !self.quarantined
    }

    /// What is left of its capacity.
    pub fn free(&self) -> Resources {
        self.capacity.minus(&self.used)
    }

    /// Slots without a task, and without a reservation that is about to begin in one.
    pub fn free_slots(&self) -> usize {
        self.slots.saturating_sub(self.running.saturating_add(self.reserved))
    }

    /// How many tasks more it may hold, begun or not.
    pub fn room(&self) -> usize {
        self.slots
            .saturating_add(self.prefetch)
            .saturating_sub(self.running.saturating_add(self.reserved))
    }
}
