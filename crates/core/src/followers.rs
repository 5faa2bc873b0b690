//! Who waits for which request, in this process.
//!
//! Invariant: a hint of the store reaches everybody who follows its request, and one that was lost wakes all. What nobody
//! follows any more is forgotten when the next one is followed after as many again have come: memory stays bounded by
//! those who wait.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use hierophant_domain::RequestId;
use tokio::sync::watch;

use crate::ports::Following;

/// Entries below which nothing is swept.
const SWEEP_FROM: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Followers(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_request: HashMap<RequestId, watch::Sender<()>>,
    sweep_at: usize,
}

impl Followers {
    /// Follows a request, whether or not there is one.
    pub(crate) fn follow(&self, id: RequestId) -> Following {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.by_request.len() >= table.sweep_at.max(SWEEP_FROM) {
            table.by_request.retain(|_, sender| sender.receiver_count() > 0);
            table.sweep_at = table.by_request.len() * 2;
        }
        Following::by(table.by_request.entry(id).or_default())
    }

    /// A request may have changed.
    pub(crate) fn wake(&self, id: RequestId) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody hears it: nobody follows any more.
        if table.by_request.get(&id).is_some_and(|sender| sender.send(()).is_err()) {
            table.by_request.remove(&id);
        }
    }

    /// Any request may have changed.
    pub(crate) fn wake_all(&self) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_request.retain(|_, sender| sender.send(()).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> RequestId {
        RequestId(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn a_change_between_following_and_waiting_is_not_missed() {
        let followers = Followers::default();
        let (mut one, mut other) = (followers.follow(id(1)), followers.follow(id(1)));
        followers.wake(id(1));
        one.changed().await;
        other.changed().await;
        followers.wake_all();
        one.changed().await;
    }

    #[tokio::test]
    async fn who_follows_another_request_is_not_woken() {
        let followers = Followers::default();
        let mut one = followers.follow(id(1));
        followers.wake(id(2));
        let woken = std::pin::pin!(one.changed());
        assert!(futures::poll!(woken).is_pending());
    }

    #[test]
    fn what_nobody_follows_is_forgotten() {
        let followers = Followers::default();
        for number in 0..1000 {
            drop(followers.follow(id(number)));
        }
        let kept = followers.0.lock().unwrap().by_request.len();
        assert!(kept <= SWEEP_FROM, "{kept}");
    }
}
