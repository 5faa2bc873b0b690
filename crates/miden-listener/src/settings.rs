//! What a listening worker is told, checked.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use hierophant_miden_api::{Kind, Line};
use ipnet::IpNet;

/// Everything about a listening worker.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How proofs are made.
    pub proofs: ProofSettings,
    /// How callers are served.
    pub serving: ServingSettings,
}

/// How proofs are made.
#[derive(Clone, Debug)]
pub struct ProofSettings {
    /// The line of the protocol.
    pub line: Line,
    /// The proof system among those of the prover: [`Line::system`], or another's name in tests.
    pub system: String,
    /// The kinds that are served, at least one.
    pub kinds: Vec<Kind>,
    /// The executable of the prover: a path, or a name in `PATH`.
    pub prover: PathBuf,
    /// Its arguments.
    pub prover_args: Vec<String>,
    /// Its options.
    pub prover_options: BTreeMap<String, String>,
    /// Proofs in hand, those that run included; at least 1.
    pub capacity: usize,
    /// Proofs at once, each in a process of its own; at least 1.
    pub parallel: usize,
    /// Memory that proofs may need together, and a prover process may use, in bytes.
    pub memory_bytes: u64,
    /// How long a call may take, its time in the queue included.
    pub timeout: Duration,
    /// How long a proof goes on when nobody waits for it any more.
    pub abandon_grace: Duration,
    /// How long a prover may take to get ready.
    pub hello_timeout: Duration,
    /// Where witnesses lie while they are proved. Made if it is missing; several workers may share it.
    pub scratch: PathBuf,
}

/// How callers are served.
#[derive(Clone, Debug)]
pub struct ServingSettings {
    /// Where the contract is served. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where health and metrics are served. Port 0 takes a free one.
    pub http: SocketAddr,
    /// A file that both addresses are written to.
    pub address_file: Option<PathBuf>,
    /// Largest message of a caller, in bytes.
    pub message_bytes: usize,
    /// Calls of Prove per second that one address may make; `None`: as many as it likes.
    pub rate_limit: Option<NonZeroU32>,
    /// Proxies whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long proofs in hand are waited for at the end.
    pub drain_timeout: Duration,
}
