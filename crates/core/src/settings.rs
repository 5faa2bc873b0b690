//! Numbers that an operator sets, as the core uses them.

use hierophant_domain::time::Millis;

/// See the configuration reference for what each is by default.
#[derive(Clone, Debug)]
pub struct CoreSettings {
    /// Base of the URLs given to clients and workers, without a slash at its end: `http://host:9010`.
    pub public_http_url: String,
    /// How long such a URL holds.
    pub url_lifetime: Millis,
    /// The least time that a request is given.
    pub min_lifetime: Millis,
    /// Largest upload, in bytes.
    pub max_upload: u64,
    /// How often workers beat.
    pub heartbeat: Millis,
    /// How long a lease holds after its worker was last heard of.
    pub link_grace: Millis,
    /// Silence after which a worker is gone.
    pub gone_after: Millis,
    /// Longest proof; zero: no limit.
    pub proof_timeout: Millis,
    /// Longest time without progress; zero: no limit.
    pub progress_interval: Millis,
    /// Cycles up to which every program is run here beside proving; zero: never unless a worker blames the program.
    pub execute_max_cycles: u64,
    /// Checks of each kind that run at once.
    pub checks: usize,
    /// How long a claimed check is this coordinator's.
    pub check_hold: Millis,
    /// How long blobs that nothing needs are kept.
    pub collect_after: Millis,
    /// How long outputs of ended requests are kept.
    pub keep_ended: Millis,
    /// Whether mock proofs are made of everything.
    pub mock: bool,
    /// Results up to this size travel and are kept inside their rows, in bytes.
    pub inline_bytes: u64,
    /// Bytes kept of what a program prints.
    pub guest_log_bytes: u64,
    /// Release and commit, for workers' logs.
    pub version: String,
}

impl Default for CoreSettings {
    fn default() -> Self {
        Self {
            public_http_url: "http://127.0.0.1:9010".to_owned(),
            url_lifetime: Millis::from_secs(24 * 3600),
            min_lifetime: Millis::from_secs(4 * 3600),
            max_upload: 4 << 30,
            heartbeat: Millis::from_secs(10),
            link_grace: Millis::from_secs(90),
            gone_after: Millis::from_secs(180),
            proof_timeout: Millis::from_secs(300 * 60),
            progress_interval: Millis(0),
            execute_max_cycles: 1_000_000_000,
            checks: 2,
            check_hold: Millis::from_secs(15 * 60),
            collect_after: Millis::from_secs(24 * 3600),
            keep_ended: Millis::from_secs(7 * 24 * 3600),
            mock: false,
            inline_bytes: 16 * 1024,
            guest_log_bytes: 64 * 1024,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
