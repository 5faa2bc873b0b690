//! The command line of `contemplant miden serve`, which is its manual too, and the settings that it gives.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use hierophant_config::types::{ByteSize, parse_duration};
use hierophant_miden_api::{Kind, Line, parse_network};
use ipnet::IpNet;

use crate::settings::{ProofSettings, ServingSettings, Settings};

/// Longest message that may be allowed: gRPC has four bytes for its length.
const MESSAGE_BYTES_MAX: u64 = u32::MAX as u64;

/// Serves Miden clients directly: a worker without a coordinator
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Kind of proof to serve: transaction, batch or block; may be repeated
    #[arg(
        long,
        required = true,
        env = "CONTEMPLANT_MIDEN_KIND",
        value_name = "KIND",
        value_delimiter = ','
    )]
    kind: Vec<Kind>,
    /// Line of the protocol: 0.15 (clients 0.10 to 0.16 speak its contract) or 0.18
    #[arg(long, default_value_t = Line::V0_15, env = "CONTEMPLANT_MIDEN_LINE")]
    line: Line,
    /// Port to serve on; 0 takes a free one
    #[arg(long, default_value_t = 50051, env = "CONTEMPLANT_MIDEN_PORT")]
    port: u16,
    /// Listens on 127.0.0.1 instead of 0.0.0.0
    #[arg(long, env = "CONTEMPLANT_MIDEN_LOCALHOST")]
    localhost: bool,
    /// IP address of the server of health and metrics
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), env = "CONTEMPLANT_MIDEN_HTTP_LISTEN", value_name = "IP")]
    http_listen: IpAddr,
    /// Port of the server of health and metrics; 0 takes a free one
    #[arg(
        long,
        default_value_t = 9011,
        env = "CONTEMPLANT_MIDEN_HTTP_PORT",
        value_name = "PORT"
    )]
    http_port: u16,
    /// File that the addresses are written to, as JSON
    #[arg(long, env = "CONTEMPLANT_MIDEN_ADDRESS_FILE", value_name = "FILE")]
    address_file: Option<PathBuf>,
    /// Executable of the prover [default: prover-miden-0-15 or prover-miden-0-18 beside this program, else in PATH]
    #[arg(long, env = "CONTEMPLANT_MIDEN_PROVER", value_name = "PATH")]
    prover: Option<PathBuf>,
    /// Argument of the prover; may be repeated
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    prover_arg: Vec<String>,
    /// Option of the prover; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, env = "CONTEMPLANT_MIDEN_PROVER_OPTIONS", value_delimiter = ',')]
    prover_option: Vec<(String, String)>,
    /// Proofs in hand, those that run included; calls beyond it are refused
    #[arg(long, default_value = "10", env = "CONTEMPLANT_MIDEN_CAPACITY", value_name = "N")]
    capacity: NonZeroUsize,
    /// Proofs at once, each in a process of its own, as far as memory allows
    #[arg(long, default_value = "1", env = "CONTEMPLANT_MIDEN_PARALLEL", value_name = "N")]
    parallel: NonZeroUsize,
    /// Memory that proofs may need together [default: what this machine has]
    #[arg(long, env = "CONTEMPLANT_MIDEN_MEMORY", value_name = "SIZE", value_parser = size)]
    memory: Option<ByteSize>,
    /// How long a call may take, its time in the queue included
    #[arg(long, default_value = "60s", env = "CONTEMPLANT_MIDEN_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    timeout: Duration,
    /// How long a proof goes on when its caller has left, for one who asks again
    #[arg(long, default_value = "5s", env = "CONTEMPLANT_MIDEN_ABANDON_GRACE", value_name = "DURATION", value_parser = duration)]
    abandon_grace: Duration,
    /// How long calls in hand are finished when the worker is told to stop
    #[arg(long, default_value = "60s", env = "CONTEMPLANT_MIDEN_DRAIN_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    drain_timeout: Duration,
    /// How long the prover may take to get ready
    #[arg(long, default_value = "5m", env = "CONTEMPLANT_MIDEN_START_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    start_timeout: Duration,
    /// Largest message of a caller
    #[arg(long, default_value = "4MiB", env = "CONTEMPLANT_MIDEN_MAX_MESSAGE_SIZE", value_name = "SIZE", value_parser = message_size)]
    max_message_size: usize,
    /// Proofs that one address may ask for in a second [default: as many as it likes]
    #[arg(long, env = "CONTEMPLANT_MIDEN_RATE_LIMIT", value_name = "N")]
    rate_limit: Option<NonZeroU32>,
    /// Address or network of a proxy whose x-forwarded-for is believed; may be repeated
    #[arg(long, env = "CONTEMPLANT_MIDEN_TRUSTED_PROXY", value_name = "NETWORK", value_parser = parse_network, value_delimiter = ',')]
    trusted_proxy: Vec<IpNet>,
    /// Folder that witnesses lie in while they are proved; workers may share it
    #[arg(
        long,
        default_value = "contemplant-miden-scratch",
        env = "CONTEMPLANT_MIDEN_SCRATCH_DIRECTORY",
        value_name = "DIRECTORY"
    )]
    scratch_directory: PathBuf,
    /// Which lines are logged: a level, or levels by module
    #[arg(
        long,
        default_value = "info",
        env = "CONTEMPLANT_MIDEN_LOG_FILTER",
        value_name = "FILTER"
    )]
    log_filter: String,
    /// Logs one JSON object a line
    #[arg(long, env = "CONTEMPLANT_MIDEN_LOG_JSON")]
    log_json: bool,
}

/// Arguments that cannot be used together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadArguments {
    /// An option of the prover is there twice.
    #[error("the prover's option {0:?} is given twice")]
    OptionTwice(String),
    /// Nothing could be proved in no time.
    #[error("--timeout is 0: every call would be refused; set how long a call may take")]
    NoTime,
}

impl Arguments {
    /// The settings that they give.
    pub fn settings(&self) -> Result<Settings, BadArguments> {
        if self.timeout.is_zero() {
            return Err(BadArguments::NoTime);
        }
        let mut prover_options = BTreeMap::new();
        for (key, value) in &self.prover_option {
            if prover_options.insert(key.clone(), value.clone()).is_some() {
                return Err(BadArguments::OptionTwice(key.clone()));
            }
        }
        let ip = if self.localhost {
            Ipv4Addr::LOCALHOST
        } else {
            Ipv4Addr::UNSPECIFIED
        };
        Ok(Settings {
            proofs: ProofSettings {
                line: self.line,
                system: self.line.system().to_owned(),
                kinds: self.kind.clone(),
                prover: self.prover.clone().unwrap_or_else(|| usual_prover(self.line)),
                prover_args: self.prover_arg.clone(),
                prover_options,
                capacity: self.capacity.get(),
                parallel: self.parallel.get(),
                memory_bytes: self.memory.map_or_else(machine_memory, ByteSize::bytes),
                timeout: self.timeout,
                abandon_grace: self.abandon_grace,
                hello_timeout: self.start_timeout,
                scratch: self.scratch_directory.clone(),
            },
            serving: ServingSettings {
                listen: (ip, self.port).into(),
                http: (self.http_listen, self.http_port).into(),
                address_file: self.address_file.clone(),
                message_bytes: self.max_message_size,
                rate_limit: self.rate_limit,
                trusted_proxies: self.trusted_proxy.clone(),
                drain_timeout: self.drain_timeout,
            },
        })
    }

    /// Which lines are logged.
    pub fn log_filter(&self) -> &str {
        &self.log_filter
    }

    /// Whether each line of the log is a JSON object.
    pub fn log_json(&self) -> bool {
        self.log_json
    }
}

/// The prover of a line: beside this program, or else the first of that name in `PATH`.
fn usual_prover(line: Line) -> PathBuf {
    let name = match line {
        Line::V0_15 => "prover-miden-0-15",
        Line::V0_18 => "prover-miden-0-18",
    };
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name(name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

/// Memory that this process may use: the machine's, or less where its control group says so.
fn machine_memory() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = info.totalram.saturating_mul(u64::from(info.mem_unit));
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    group
        .and_then(|text| text.trim().parse().ok())
        .map_or(machine, |limit: u64| limit.min(machine))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration such as 500ms, 60s or 5m".to_owned())
}

fn size(text: &str) -> Result<ByteSize, String> {
    text.parse::<ByteSize>()
        .map_err(|_| "write a size such as 4MiB or 2GiB".to_owned())
}

fn message_size(text: &str) -> Result<usize, String> {
    let bytes = size(text)?.bytes();
    if !(1..=MESSAGE_BYTES_MAX).contains(&bytes) {
        return Err("a message has 1 B to 4 GiB less a byte".into());
    }
    usize::try_from(bytes).map_err(|_| "more than this machine can address".to_owned())
}
