//! What every case stands on: a network over a real store and real blobs, with a scripted checker and fake workers.

pub(crate) mod adapters;
pub(crate) mod checker;
pub(crate) mod network;
pub(crate) mod wait;
pub(crate) mod worker;

pub(crate) use adapters::{Adapter, Polling, Streaming};
pub(crate) use checker::{Execute, PUBLIC_VALUES, Verify, forged_proof, good_proof, proof_of};
pub(crate) use network::{Network, alice};
pub(crate) use wait::{eventually, within};
pub(crate) use worker::Worker;

/// Makes one test of each case for each adapter of workers.
macro_rules! over_both_adapters {
    ($($case:ident),+ $(,)?) => {
        mod streaming {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case::<crate::support::Streaming>().await;
                }
            )+
        }
        mod polling {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case::<crate::support::Polling>().await;
                }
            )+
        }
    };
}
pub(crate) use over_both_adapters;
