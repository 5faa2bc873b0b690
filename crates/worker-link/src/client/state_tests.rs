//! What the link sends when, step by step.

use uuid::Uuid;

use super::*;

fn token(n: u128) -> LeaseToken {
    LeaseToken(Uuid::from_u128(n))
}

fn connected() -> State {
    let mut state = State::new(proto::Capabilities::default());
    state.register();
    assert!(state.registered(&[]).is_empty());
    state
}

fn sent(state: &mut State) -> Vec<Message> {
    std::iter::from_fn(|| state.next(Instant::now()))
        .map(|frame| frame.message.unwrap())
        .collect()
}

fn done() -> Report {
    Report::Done(proto::Result::default())
}

#[test]
fn a_report_is_sent_again_after_each_reconnect_until_it_is_acknowledged() {
    let mut state = connected();
    state.leased(token(1));
    state.report(token(1), done());
    assert_eq!(sent(&mut state).len(), 1);
    assert_eq!(sent(&mut state).len(), 0);
    for _ in 0..2 {
        state.disconnected();
        assert_eq!(state.register().1, vec![bytes(&token(1))]);
        state.registered(&[]);
        assert!(matches!(&sent(&mut state)[..], [Message::Result(_)]));
    }
    assert!(state.acknowledged(token(1)));
    assert!(!state.acknowledged(token(1)));
    state.disconnected();
    assert!(state.register().1.is_empty());
}

#[test]
fn an_unanswered_report_is_sent_again_once_per_wait() {
    let mut state = connected();
    state.report(token(1), done());
    let start = Instant::now();
    assert_eq!(RESEND_AFTER, Duration::from_secs(10));
    assert!(state.next(start).is_some());
    state.remind(start + Duration::from_millis(9_999));
    assert!(!state.has_next());
    state.remind(start + RESEND_AFTER);
    state.remind(start + RESEND_AFTER);
    assert_eq!(sent(&mut state).len(), 1);
}

#[test]
fn what_is_reported_without_a_connection_is_sent_once_with_the_next() {
    let mut state = State::new(proto::Capabilities::default());
    state.report(token(1), done());
    assert!(!state.has_next());
    state.register();
    // While the coordinator has not answered the registration yet.
    state.report(token(2), done());
    state.registered(&[]);
    assert_eq!(sent(&mut state).len(), 2);
}

#[test]
fn leases_that_the_coordinator_gave_away_are_lost_but_finished_results_are_not() {
    let mut state = connected();
    for n in 1..=3 {
        state.leased(token(n));
    }
    state.report(token(3), done());
    state.disconnected();
    assert_eq!(state.register().1.len(), 3);
    assert_eq!(state.registered(&[bytes(&token(1))]), vec![token(2)]);
    assert!(matches!(&sent(&mut state)[..], [Message::Result(_)]));
}

#[test]
fn a_finished_lease_outlives_the_loss_of_its_lease_while_it_is_uploaded() {
    let mut state = connected();
    state.resume(token(1));
    state.disconnected();
    assert_eq!(state.register().1, vec![bytes(&token(1))]);
    assert!(state.registered(&[]).is_empty());
    state.report(token(1), done());
    assert_eq!(sent(&mut state).len(), 1);
}

#[test]
fn a_finished_lease_is_not_given_up_when_it_is_revoked_while_it_is_uploaded() {
    let mut state = connected();
    state.resume(token(1));
    assert!(!state.revoked(token(1)), "its result may still win");
    state.report(token(1), done());
    assert_eq!(sent(&mut state).len(), 1);
    assert!(state.revoked(token(1)), "the answer to the result is final");
}

#[test]
fn heartbeats_tell_running_from_reserved() {
    let mut state = connected();
    state.leased(token(1));
    state.leased(token(2));
    state.further(token(1), Hand::Running);
    state.report(token(3), done());
    let Some(Message::Heartbeat(mut beat)) = state.heartbeat().message else {
        panic!("no heartbeat")
    };
    beat.leases.sort();
    assert_eq!(beat.leases, vec![bytes(&token(1)), bytes(&token(3))]);
    assert_eq!(beat.reserved, vec![bytes(&token(2))]);
}

#[test]
fn progress_is_coalesced_and_dropped_with_its_lease() {
    let mut state = connected();
    let progress = |n, done| proto::Progress {
        lease: bytes(&token(n)),
        done,
        ..Default::default()
    };
    state.progress(progress(1, 1));
    assert!(!state.has_next(), "an unknown lease has no progress");
    state.leased(token(1));
    state.progress(progress(1, 1));
    state.progress(progress(1, 2));
    let [Message::Progress(last)] = &sent(&mut state)[..] else {
        panic!("not one progress")
    };
    assert_eq!(last.done, 2);
    state.progress(progress(1, 3));
    state.revoked(token(1));
    assert!(sent(&mut state).is_empty());
}

#[test]
fn a_released_or_revoked_lease_is_not_named_again() {
    let mut state = connected();
    state.leased(token(1));
    state.leased(token(2));
    state.report(token(2), done());
    state.release(token(1), "full".into());
    assert!(state.revoked(token(2)));
    assert!(!state.revoked(token(2)));
    assert!(
        matches!(&sent(&mut state)[..], [Message::Release(_)]),
        "a revoked report is not sent"
    );
    state.disconnected();
    assert!(state.register().1.is_empty());
}

#[test]
fn leases_are_bounded() {
    let mut state = connected();
    for n in 0..LEASES_MAX as u128 {
        assert!(state.leased(token(n)));
    }
    assert!(!state.leased(token(u128::MAX)));
}

#[test]
fn a_result_that_fits_no_message_becomes_a_failure() {
    let mut state = connected();
    let output = |bytes| proto::Output {
        name: "proof".into(),
        at: Some(proto::output::At::Inline(vec![0; bytes])),
    };
    state.report(
        token(1),
        Report::Done(proto::Result {
            outputs: vec![output(MESSAGE_MAX_BYTES)],
            ..Default::default()
        }),
    );
    assert!(matches!(&sent(&mut state)[..], [Message::Failure(_)]));
}
