//! Every transition of the queue, without a clock or a process.

use super::*;

const GRACE: Duration = Duration::from_secs(5);

fn queue(capacity: usize, memory_bytes: u64) -> Queue {
    Queue::new(Limits {
        capacity,
        memory_bytes,
        abandon_grace: GRACE,
    })
}

fn key(number: u8) -> Key {
    (Kind::Transaction, [number; 32])
}

fn new(queue: &mut Queue, number: u8) -> Id {
    match queue.ask(key(number)) {
        Ok(Asked::New(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn begin(queue: &mut Queue) -> Option<Id> {
    queue.begin(|_| 10)
}

#[test]
fn proofs_begin_in_the_order_of_asking() {
    let mut queue = queue(3, 100);
    let ids = [1, 2, 3].map(|number| new(&mut queue, number));
    assert_eq!((queue.waiting(), queue.running()), (3, 0));
    assert_eq!([begin(&mut queue), begin(&mut queue), begin(&mut queue)], ids.map(Some));
    assert_eq!(begin(&mut queue), None);
    assert_eq!((queue.waiting(), queue.running()), (0, 3));
}

#[test]
fn the_capacity_counts_those_that_run_and_is_free_again_when_they_end() {
    let mut queue = queue(2, 100);
    let first = new(&mut queue, 1);
    new(&mut queue, 2);
    assert_eq!(queue.ask(key(3)), Err(Full::Capacity));
    assert_eq!(begin(&mut queue), Some(first));
    assert_eq!(queue.ask(key(3)), Err(Full::Capacity));
    assert!(!queue.end(first, true), "its caller has it");
    new(&mut queue, 3);
    assert_eq!(queue.ask(key(4)), Err(Full::Capacity));
}

#[test]
fn the_same_witness_is_in_hand_once_even_when_the_queue_is_full() {
    let mut queue = queue(1, 100);
    let id = new(&mut queue, 1);
    assert_eq!(queue.ask(key(1)), Ok(Asked::Joined(id)));
    let other_kind = (Kind::Batch, [1; 32]);
    assert_eq!(
        queue.ask(other_kind),
        Err(Full::Capacity),
        "the same bytes of another kind"
    );
    for _ in 2..CALLERS_MAX {
        assert_eq!(queue.ask(key(1)), Ok(Asked::Joined(id)));
    }
    assert_eq!(queue.ask(key(1)), Err(Full::Callers));
    let now = Instant::now();
    assert_eq!(queue.leave(id, now), Left::Nothing);
    assert_eq!(queue.ask(key(1)), Ok(Asked::Joined(id)));
}

#[test]
fn memory_admits_the_first_in_the_queue_or_nobody() {
    let mut queue = queue(3, 15);
    let needs = |kind| if kind == Kind::Batch { 5 } else { 10 };
    let big = new(&mut queue, 1);
    let second = new(&mut queue, 2);
    let Ok(Asked::New(small)) = queue.ask((Kind::Batch, [3; 32])) else {
        panic!("not taken")
    };
    assert_eq!(queue.begin(needs), Some(big));
    assert_eq!(queue.begin(needs), None, "the small one does not overtake");
    queue.end(big, true);
    assert_eq!(queue.begin(needs), Some(second));
    assert_eq!(queue.begin(needs), Some(small));
}

#[test]
fn who_leaves_while_waiting_leaves_the_queue_at_once() {
    let mut queue = queue(2, 100);
    let first = new(&mut queue, 1);
    let second = new(&mut queue, 2);
    assert_eq!(queue.leave(first, Instant::now()), Left::Forget);
    assert_eq!(begin(&mut queue), Some(second));
    assert_ne!(new(&mut queue, 1), first);
    assert_eq!(queue.leave(first, Instant::now()), Left::Nothing, "it is gone");
}

#[test]
fn a_running_proof_is_stopped_when_its_grace_is_over() {
    let mut queue = queue(1, 10);
    let (id, now) = (new(&mut queue, 1), Instant::now());
    begin(&mut queue);
    assert_eq!(queue.leave(id, now), Left::Later);
    assert!(queue.is_idle());
    assert_eq!(queue.next_expiry(), Some(now + GRACE));
    let early = now + GRACE - Duration::from_millis(1);
    assert!(queue.expire(early).is_empty());
    assert_eq!(queue.ask(key(2)), Err(Full::Capacity), "it runs still");
    assert_eq!(queue.expire(now + GRACE), [(id, Left::Stop)]);
    assert_eq!(queue.next_expiry(), None);
    // Its process is on its way out: there is room in the queue, and no memory yet.
    let again = new(&mut queue, 1);
    assert_eq!(begin(&mut queue), None);
    queue.end(id, true);
    assert_eq!(
        begin(&mut queue),
        Some(again),
        "the ended one did not take the key along"
    );
}

#[test]
fn who_comes_back_within_the_grace_joins_the_proof() {
    let mut queue = queue(1, 10);
    let (id, now) = (new(&mut queue, 1), Instant::now());
    begin(&mut queue);
    queue.leave(id, now);
    assert_eq!(queue.ask(key(1)), Ok(Asked::Joined(id)));
    assert!(queue.expire(now + 2 * GRACE).is_empty());
    assert!(!queue.is_idle());
    assert!(!queue.end(id, true));
    assert!(queue.is_idle());
}

#[test]
fn a_proof_that_ends_in_its_grace_is_kept_for_the_rest_of_it() {
    let mut queue = queue(1, 10);
    let (id, now) = (new(&mut queue, 1), Instant::now());
    begin(&mut queue);
    queue.leave(id, now);
    assert!(queue.end(id, true));
    assert_eq!(queue.running(), 0);
    assert_eq!(queue.ask(key(1)), Ok(Asked::Joined(id)));
    assert_eq!(queue.leave(id, now), Left::Nothing);
    let second = new(&mut queue, 2);
    assert_eq!(begin(&mut queue), Some(second), "what is kept takes no room");
    queue.leave(second, now);
    assert!(!queue.end(second, true), "no more are kept than may be in hand");
    assert_eq!(queue.expire(now + GRACE), [(id, Left::Forget)]);
    assert_ne!(new(&mut queue, 1), id);
}

#[test]
fn a_failure_that_nobody_waits_for_is_not_kept() {
    let mut queue = queue(1, 10);
    let id = new(&mut queue, 1);
    begin(&mut queue);
    queue.leave(id, Instant::now());
    assert!(!queue.end(id, false));
    assert_ne!(new(&mut queue, 1), id);
}

#[test]
fn a_caller_whose_time_is_over_stops_the_proof_unless_others_wait() {
    let mut queue = queue(2, 10);
    let id = new(&mut queue, 1);
    queue.ask(key(1)).unwrap();
    begin(&mut queue);
    assert_eq!(queue.give_up(id), Left::Nothing);
    assert_eq!(queue.give_up(id), Left::Stop);
    let waiting = new(&mut queue, 2);
    assert_eq!(queue.give_up(waiting), Left::Forget);
}

#[test]
fn a_drained_queue_takes_nothing_new_but_lets_callers_join() {
    let mut queue = queue(2, 10);
    let id = new(&mut queue, 1);
    queue.drain();
    assert_eq!(queue.ask(key(2)), Err(Full::Draining));
    assert_eq!(queue.ask(key(1)), Ok(Asked::Joined(id)));
    assert_eq!(begin(&mut queue), Some(id), "what waits is begun");
    assert!(!queue.is_idle());
    queue.end(id, true);
    assert!(queue.is_idle());
}
