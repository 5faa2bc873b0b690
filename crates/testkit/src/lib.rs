//! Starts, kills and restarts Hierophant's real binaries in tests, on loopback, each test with a folder of its own.
//!
//! Invariants: every process that is started here is gone when its [`Node`] is dropped, with everything that it started
//! (its process group, and whatever carries the test's folder in its environment); addresses that clients and workers
//! were given hold over restarts; nothing waits for a time to pass where it can wait for a condition.
//!
//! Not here: clients of any wire contract, and what a proof is. Everything here panics with what it saw when a test
//! cannot go on, and prints the ends of all logs then.
//!
//! ```no_run
//! # async fn test() {
//! use std::time::Duration;
//! use hierophant_testkit::{Cluster, Setup};
//!
//! let setup = Setup::default().coordinator("workers.heartbeat_interval", "200ms");
//! let mut cluster = Cluster::start(setup).await;
//! cluster.add_worker(&[("slots", 2.into())]).await;
//! cluster.wait_for_workers(1, Duration::from_secs(30)).await;
//! cluster.kill9_coordinator();
//! cluster.start_coordinator().await;
//! // ... ask it things at cluster.grpc_url() ...
//! cluster.finish(Duration::from_secs(30)).await;
//! # }
//! ```

mod binaries;
mod cluster;
mod http;
mod leftovers;
mod node;
mod process;
pub mod proxy;
mod settings;
mod wait;

pub use binaries::Binaries;
pub use cluster::{Cluster, Setup};
pub use http::http_client;
pub use leftovers::{Leftover, leftovers};
pub use node::Node;
pub use process::{Launch, Process};
pub use proxy::CutableProxy;
pub use settings::set;
pub use wait::{TimedOut, try_wait_until, wait_until};
