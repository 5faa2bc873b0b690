//! What the link knows: leases in hand, reports that are not acknowledged, and what is to be sent next. No I/O.
//!
//! Invariants: a token is either in hand or reported, never both; every unacknowledged report is queued again after each
//! reconnect and when it was unanswered for [`RESEND_AFTER`]; progress is kept as the latest per lease only.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use hierophant_domain::LeaseToken;
use prost::Message as _;

use super::Report;
use crate::{
    LEASES_MAX, MESSAGE_MAX_BYTES,
    proto::{self, FromWorker, from_worker::Message},
};

/// How long a report may stay unanswered on a connection until it is sent again: the coordinator does not answer what
/// it cannot store at the moment.
pub(super) const RESEND_AFTER: Duration = Duration::from_secs(10);

/// Room that a result leaves in its message for the frame around it.
const ENVELOPE_BYTES: usize = 1 << 10;

/// Something to send.
#[derive(Debug, PartialEq)]
enum Next {
    Report(LeaseToken),
    Release(LeaseToken, String),
    Progress(LeaseToken),
    Capabilities,
    Draining,
}

#[derive(Debug)]
struct Unacknowledged {
    message: FromWorker,
    sent: Option<Instant>,
    queued: bool,
}

/// How far a lease in hand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// It waits.
    Reserved,
    /// It is being worked on.
    Running,
    /// Its result is complete and kept; its outputs are being uploaded. It is never given up for want of a lease.
    Finished,
}

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    capabilities: proto::Capabilities,
    draining: bool,
    /// Leases in hand, and how far they are.
    hands: HashMap<LeaseToken, Hand>,
    reports: HashMap<LeaseToken, Unacknowledged>,
    progress: HashMap<LeaseToken, proto::Progress>,
    queue: VecDeque<Next>,
    connected: bool,
}

impl State {
    pub(super) fn new(capabilities: proto::Capabilities) -> Self {
        Self {
            capabilities,
            draining: false,
            hands: HashMap::new(),
            reports: HashMap::new(),
            progress: HashMap::new(),
            queue: VecDeque::new(),
            connected: false,
        }
    }

    /// The parts of a registration that change.
    pub(super) fn register(&mut self) -> (proto::Capabilities, Vec<Vec<u8>>, bool) {
        let leases = self
            .hands
            .keys()
            .chain(self.reports.keys())
            .take(LEASES_MAX)
            .map(bytes)
            .collect();
        // What is sent from here on is newer than this registration.
        self.queue.clear();
        self.progress.clear();
        (self.capabilities.clone(), leases, self.draining)
    }

    /// The coordinator has taken the worker in. Returns the leases in hand that are not its own any more.
    pub(super) fn registered(&mut self, own: &[Vec<u8>]) -> Vec<LeaseToken> {
        let own: HashSet<LeaseToken> = own.iter().filter_map(|bytes| LeaseToken::from_slice(bytes)).collect();
        let lost = |(token, hand): &(&LeaseToken, &Hand)| !own.contains(token) && **hand != Hand::Finished;
        let lost: Vec<LeaseToken> = self.hands.iter().filter(lost).map(|(token, _)| *token).collect();
        for token in &lost {
            self.hands.remove(token);
        }
        self.connected = true;
        // A finished result may be sent whether the lease is the worker's or not.
        for (token, report) in &mut self.reports {
            report.queued = true;
            self.queue.push_back(Next::Report(*token));
        }
        lost
    }

    /// Queues what has changed since the registration was written.
    pub(super) fn catch_up(&mut self, registered: &proto::Capabilities, draining: bool) {
        if self.capabilities != *registered {
            self.queue.push_back(Next::Capabilities);
        }
        if self.draining && !draining {
            self.queue.push_back(Next::Draining);
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.connected = false;
        self.queue.clear();
        self.progress.clear();
        for report in self.reports.values_mut() {
            (report.queued, report.sent) = (false, None);
        }
    }

    /// A lease has come. `false` when there are more than any worker may have.
    pub(super) fn leased(&mut self, token: LeaseToken) -> bool {
        if self.hands.len() + self.reports.len() >= LEASES_MAX {
            return false;
        }
        self.hands.entry(token).or_insert(Hand::Reserved);
        true
    }

    /// A lease in hand is further.
    pub(super) fn further(&mut self, token: LeaseToken, further: Hand) {
        if let Some(hand) = self.hands.get_mut(&token) {
            *hand = further;
        }
    }

    /// An earlier process has finished this lease and kept its result; its outputs are uploaded first.
    pub(super) fn resume(&mut self, token: LeaseToken) {
        self.hands.insert(token, Hand::Finished);
    }

    /// The lease has ended here.
    pub(super) fn report(&mut self, token: LeaseToken, report: Report) {
        self.hands.remove(&token);
        self.progress.remove(&token);
        let message = message(token, report);
        let queued = self.connected;
        self.reports.insert(
            token,
            Unacknowledged {
                message,
                sent: None,
                queued,
            },
        );
        if queued {
            self.queue.push_back(Next::Report(token));
        }
    }

    /// Hands a lease back. Without a connection nothing is sent: the lease is not named at the next registration.
    pub(super) fn release(&mut self, token: LeaseToken, reason: String) {
        self.hands.remove(&token);
        self.progress.remove(&token);
        if self.connected {
            self.queue.push_back(Next::Release(token, reason));
        }
    }

    pub(super) fn progress(&mut self, progress: proto::Progress) {
        let Some(token) = LeaseToken::from_slice(&progress.lease) else {
            return;
        };
        if !self.connected || !self.hands.contains_key(&token) {
            return;
        }
        if self.progress.insert(token, progress).is_none() {
            self.queue.push_back(Next::Progress(token));
        }
    }

    pub(super) fn offer(&mut self, capabilities: proto::Capabilities) {
        self.capabilities = capabilities;
        if self.connected && !self.queue.contains(&Next::Capabilities) {
            self.queue.push_back(Next::Capabilities);
        }
    }

    pub(super) fn drain(&mut self) {
        self.draining = true;
        if self.connected {
            self.queue.push_back(Next::Draining);
        }
    }

    /// A report was acknowledged. `false` when there is none.
    pub(super) fn acknowledged(&mut self, token: LeaseToken) -> bool {
        self.reports.remove(&token).is_some()
    }

    /// A lease is gone. `false` when it was not known (any more), or is finished and being uploaded: a lease that went to somebody
    /// else may still be the first to deliver, and the answer to its result is the last word.
    pub(super) fn revoked(&mut self, token: LeaseToken) -> bool {
        if self.hands.get(&token) == Some(&Hand::Finished) {
            return false;
        }
        self.progress.remove(&token);
        let held = self.hands.remove(&token).is_some();
        self.reports.remove(&token).is_some() || held
    }

    /// Queues reports that were sent and not answered for long.
    pub(super) fn remind(&mut self, now: Instant) {
        for (token, report) in &mut self.reports {
            let overdue = report.sent.is_some_and(|sent| now.duration_since(sent) >= RESEND_AFTER);
            if overdue && !report.queued {
                report.queued = true;
                self.queue.push_back(Next::Report(*token));
            }
        }
    }

    pub(super) fn heartbeat(&self) -> FromWorker {
        let waits = |hand: &Hand| *hand == Hand::Reserved;
        let waiting = self
            .hands
            .iter()
            .filter(|(_, hand)| waits(hand))
            .map(|(token, _)| token);
        let running = self
            .hands
            .iter()
            .filter(|(_, hand)| !waits(hand))
            .map(|(token, _)| token);
        frame(Message::Heartbeat(proto::Heartbeat {
            leases: running.chain(self.reports.keys()).take(LEASES_MAX).map(bytes).collect(),
            reserved: waiting.take(LEASES_MAX).map(bytes).collect(),
        }))
    }

    /// Whether [`Self::next`] may have something.
    pub(super) fn has_next(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next message to send.
    pub(super) fn next(&mut self, now: Instant) -> Option<FromWorker> {
        loop {
            match self.queue.pop_front()? {
                Next::Report(token) => {
                    // Gone if it was revoked or acknowledged meanwhile.
                    if let Some(report) = self.reports.get_mut(&token) {
                        (report.queued, report.sent) = (false, Some(now));
                        return Some(report.message.clone());
                    }
                }
                Next::Release(token, reason) => {
                    return Some(frame(Message::Release(proto::Release {
                        lease: bytes(&token),
                        reason,
                    })));
                }
                Next::Progress(token) => {
                    if let Some(progress) = self.progress.remove(&token) {
                        return Some(frame(Message::Progress(progress)));
                    }
                }
                Next::Capabilities => return Some(frame(Message::Capabilities(self.capabilities.clone()))),
                Next::Draining => return Some(frame(Message::Draining(proto::Draining {}))),
            }
        }
    }
}

/// Wraps a message.
pub(super) fn frame(message: Message) -> FromWorker {
    FromWorker { message: Some(message) }
}

fn bytes(token: &LeaseToken) -> Vec<u8> {
    token.as_bytes().to_vec()
}

fn message(token: LeaseToken, report: Report) -> FromWorker {
    match report {
        Report::Done(mut result) => {
            result.lease = bytes(&token);
            if result.encoded_len() + ENVELOPE_BYTES > MESSAGE_MAX_BYTES {
                let why = format!(
                    "the result has {} bytes inline, more than a message takes",
                    result.encoded_len()
                );
                return message(token, Report::Failed(proto::failure::Class::Prover, why));
            }
            frame(Message::Result(result))
        }
        Report::Failed(class, message) => frame(Message::Failure(proto::Failure {
            lease: bytes(&token),
            class: class.into(),
            message,
        })),
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
