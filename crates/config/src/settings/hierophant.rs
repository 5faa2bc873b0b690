//! The settings of the coordinator, read from `hierophant.toml`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    Log,
    miden::{Miden, MidenLine},
    token::{TOKEN_EXPECTED, is_token},
};
use crate::{
    OtherVariable, Program, Rules, group, optional, settings, tables,
    types::{ByteSize, Hex32, HttpUrl, Secret},
    value,
};

settings! {
    /// All settings of the coordinator.
    pub struct Settings {
        /// IP address that both ports bind to. Anything but a loopback address needs `worker_token`, and one that
        /// stands for all addresses, such as 0.0.0.0, needs `public_http_url` too.
        pub listen: IpAddr = value(Ipv4Addr::LOCALHOST);
        /// Port for gRPC: clients and workers. 0 takes a free one.
        pub grpc_port: u16 = value(9000_u16);
        /// Port for HTTP: artifacts, dashboard, REST and metrics. 0 takes a free one.
        pub http_port: u16 = value(9010_u16);
        /// Base URL by which clients reach the HTTP port from where they are; the URLs of artifacts begin with it.
        pub public_http_url: Option<HttpUrl> =
            optional(HttpUrl::literal("https://proofs.example.org:9010"), "made of `listen` and `http_port`");
        /// Folder that holds the database and, unless `artifacts.directory` says otherwise, the artifacts. It is
        /// created when missing.
        pub data_directory: PathBuf = value("data");
        /// Token that workers must present. Make one with `openssl rand -hex 32`.
        pub worker_token: Option<Secret> =
            optional("file:/etc/hierophant/worker-token", "any worker on this machine is let in")
                .check(TOKEN_EXPECTED, is_token);
        /// The least time that a request is given, however close the deadline that its client set.
        pub min_lifetime: Duration = value(Duration::from_hours(4)).at_least(Duration::from_secs(1));
        /// How long a fulfilled request can be asked for.
        pub fulfilled_lifetime: Duration = value(Duration::from_hours(1)).at_least(Duration::from_mins(1));
        /// Sends every request to the mock prover, whose proofs prove nothing. For tests only.
        pub mock_mode: bool = value(false);
        /// Encryption of both ports.
        pub tls: Tls = group();
        /// Programs, inputs and proofs on disk.
        pub artifacts: Artifacts = group();
        /// When a worker is doubted or given up.
        pub workers: Workers = group();
        /// How often failed work is repeated.
        pub retry: Retry = group();
        /// Checks that the coordinator makes itself, in processes of their own.
        pub verify: Verify = group();
        /// Bounds on what clients may ask for.
        pub limits: Limits = group();
        /// The front door for clients of the SP1 network.
        pub sp1: Sp1 = group();
        /// The front door for clients of the Miden remote prover. It is open where there is a listener.
        pub miden: Miden = group();
        /// How listening workers of others are looked at and waited for.
        pub remote_prover: RemoteProver = group();
        /// The log, written to standard error.
        pub log: Log = group();
        /// Programs that verify and execute beside the coordinator, one table for each.
        pub provers: Vec<LightProver> = tables();
        /// Listening workers of others that are attached for as long as this file names them, one table for each. More are attached
        /// with `hierophant remote-prover add`.
        pub remote_provers: Vec<AttachedProver> = tables();
    }
}

settings! {
    /// Encryption of both ports.
    pub struct Tls {
        /// File with the certificate chain in PEM.
        pub certificate: Option<PathBuf> = optional("/etc/hierophant/certificate.pem", "both ports are unencrypted");
        /// File with the private key of the certificate in PEM.
        pub key: Option<PathBuf> = optional("/etc/hierophant/key.pem", "both ports are unencrypted");
    }
}

settings! {
    /// Programs, inputs and proofs on disk.
    pub struct Artifacts {
        /// Folder that holds them. It is created when missing.
        pub directory: Option<PathBuf> = optional("/srv/artifacts", "`artifacts` below `data_directory`");
        /// Largest single upload.
        pub max_upload: ByteSize = value(ByteSize::gib(4)).at_least(ByteSize(1));
        /// How long an artifact stays after the last request that needs it is gone.
        pub collect_after: Duration = value(Duration::from_hours(24));
        /// How long a URL for an upload or a download is valid.
        pub url_lifetime: Duration = value(Duration::from_hours(24)).at_least(Duration::from_mins(1));
        /// When less than this is free on the disk, new requests and uploads are refused with a retryable answer.
        pub min_free_space: ByteSize = value(ByteSize::gib(1));
    }
}

settings! {
    /// When a worker is doubted or given up.
    pub struct Workers {
        /// Strikes at which a worker gets no more work.
        pub max_strikes: u32 = value(3_u32).at_least(1);
        /// How often workers report that they are alive.
        pub heartbeat_interval: Duration = value(Duration::from_secs(10)).at_least(Duration::from_millis(100));
        /// Silence after which the connection of a worker counts as broken. At least twice the interval.
        pub heartbeat_timeout: Duration = value(Duration::from_mins(1));
        /// The longest that one task may take on one worker.
        pub proof_timeout: Duration = value(Duration::from_hours(5)).at_least(Duration::from_secs(1));
        /// The longest that a task may be without progress; 0 allows any time.
        pub required_progress_interval: Duration = value(Duration::ZERO);
        /// How long a worker that reached the limit gets no work. Strikes fewer than that are taken back one by one, each
        /// by a verified proof.
        pub quarantine: Duration = value(Duration::from_hours(1)).at_least(Duration::from_secs(1));
        /// How long the work of a worker is kept for it after its connection broke; then others get it.
        pub link_grace: Duration = value(Duration::from_secs(90));
    }
}

settings! {
    /// How often failed work is repeated.
    pub struct Retry {
        /// Attempts at a task before its request fails, whatever the reasons were.
        pub max_attempts: u32 = value(10_u32).at_least(1);
        /// Different workers whose prover may fail at a task before its request fails.
        pub max_prover_failures: u32 = value(3_u32).at_least(1);
    }
}

settings! {
    /// Checks that the coordinator makes itself, in processes of their own.
    pub struct Verify {
        /// A program is executed beside proving up to this number of cycles. 0 never executes ahead,
        /// 18446744073709551615 always.
        pub max_cycles: u64 = value(1_000_000_000_u64);
        /// The longest that one check may take.
        pub timeout: Duration = value(Duration::from_mins(10)).at_least(Duration::from_secs(1));
        /// Memory that one such process may use.
        pub memory: ByteSize = value(ByteSize::gib(4)).at_least(ByteSize::mib(64));
        /// Such processes at a time, for each of the `[[provers]]`.
        pub processes: u32 = value(2_u32).range(1..=1024);
    }
}

settings! {
    /// Bounds on what clients may ask for.
    pub struct Limits {
        /// Requests that may be open at a time.
        pub max_live_requests: u64 = value(100_000_u64).at_least(1);
        /// Requests that one client may have open at a time.
        pub max_requests_per_principal: u64 = value(10_000_u64).at_least(1);
        /// The furthest deadline that a client may set; a later one is brought forward.
        pub max_deadline: Duration = value(Duration::from_hours(48)).at_least(Duration::from_secs(1));
        /// Most that is kept of what a program prints.
        pub guest_log: ByteSize = value(ByteSize::kib(64)).range(ByteSize(0)..=ByteSize::mib(16));
        /// Results up to this size are kept in the database instead of a file.
        pub inline_artifact: ByteSize = value(ByteSize::kib(16)).range(ByteSize(0)..=ByteSize::mib(1));
    }
}

settings! {
    /// The front door for clients of the SP1 network.
    pub struct Sp1 {
        /// Whether it is open.
        pub enabled: bool = value(true);
        /// Kinds of proof that it takes: core, compressed, plonk, groth16.
        pub modes: Vec<Sp1Mode> = value([Sp1Mode::Core, Sp1Mode::Compressed])
            .check("not empty", |modes: &Vec<Sp1Mode>| !modes.is_empty());
        /// Version of the circuits that its clients must use.
        pub toolchain: String = value("v6.1.0").check("a version such as \"v6.1.0\"", |text: &String| is_version(text));
        /// The 32 bytes that clients sign their requests for.
        pub domain: Option<Hex32> = optional(Hex32([0; 32]), "made from the name of this program");
        /// Balance that clients are told they have, in the network's smallest unit. Nothing is ever charged.
        pub balance: String = value("1000000000000000000000000").check("up to 78 decimal digits", |text: &String| is_decimal(text));
    }
}

crate::choices! {
    /// A kind of proof of the SP1 network.
    pub enum Sp1Mode {
        /// As many parts as the program needs.
        Core = "core",
        /// One proof of constant size.
        Compressed = "compressed",
        /// Small enough for a chain, by PLONK.
        Plonk = "plonk",
        /// Small enough for a chain, by Groth16.
        Groth16 = "groth16",
    }
}

settings! {
    /// How listening workers of others are looked at and waited for.
    pub struct RemoteProver {
        /// How often a healthy one is looked at. An unhealthy one is looked at after 2, 4, 8 and at most 512 seconds.
        pub health_interval: Duration = value(Duration::from_secs(10)).at_least(Duration::from_millis(100));
        /// The longest that one may take to be connected to and to say how it is.
        pub connect_timeout: Duration = value(Duration::from_secs(10)).at_least(Duration::from_millis(100));
        /// The longest that one may take for a proof.
        pub proof_timeout: Duration = value(Duration::from_mins(10)).at_least(Duration::from_secs(1));
    }
}

settings! {
    /// A listening worker of others.
    pub struct AttachedProver {
        /// Where it listens: host:port.
        pub address: String = crate::required("10.0.0.7:50051").check("host:port", |text: &String| has_port(text));
        /// The line of the protocol that it serves.
        pub line: MidenLine = value(MidenLine::V0_15);
        /// Tasks that it is given at once.
        pub slots: u32 = value(1_u32).range(1..=1024);
    }
}

settings! {
    /// A program that verifies and executes beside the coordinator.
    pub struct LightProver {
        /// Proof system that it serves.
        pub system: String = crate::required("mock").check(NAME_EXPECTED, |text: &String| is_name(text));
        /// The program: a path, or a name that is looked up in PATH.
        pub executable: PathBuf = crate::required("prover-mock");
        /// Arguments of the program.
        pub args: Vec<String> = value([]);
        /// Options that the program is told at its start.
        pub options: BTreeMap<String, String> = value([]);
        /// Checks at once in one process. 1 keeps them apart, so that a check that kills its process disturbs no other.
        pub calls: u32 = value(1_u32).range(1..=4096);
    }
}

/// What a name must be, as it is told to people.
const NAME_EXPECTED: &str = "1 to 64 characters of a-z, 0-9, '.', '_' and '-'";

fn is_name(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(sound)
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        && is_name(text)
}

/// A first look; what reads the address looks closer.
fn has_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && text.len() <= 255 && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// 78 digits hold every 256-bit number.
fn is_decimal(text: &str) -> bool {
    (1..=78).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Settings {
    /// Where gRPC listens.
    pub fn grpc_address(&self) -> SocketAddr {
        (self.listen, self.grpc_port).into()
    }

    /// Where HTTP listens.
    pub fn http_address(&self) -> SocketAddr {
        (self.listen, self.http_port).into()
    }

    /// The base of the URLs given to clients; `bound` is where HTTP really listens, since port 0 takes a free one.
    pub fn public_http_url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        self.public_http_url
            .as_ref()
            .map_or_else(|| format!("{scheme}://{bound}"), ToString::to_string)
    }

    /// The file of the database.
    pub fn database_file(&self) -> PathBuf {
        self.data_directory.join("hierophant.db")
    }

    /// The folder of the artifacts.
    pub fn artifact_directory(&self) -> PathBuf {
        self.artifacts
            .directory
            .clone()
            .unwrap_or_else(|| self.data_directory.join("artifacts"))
    }
}

impl crate::Settings for Settings {
    const PROGRAM: Program = Program {
        name: "hierophant",
        default_file: "hierophant.toml",
        prefix: "HIEROPHANT_",
        other_variables: &[OtherVariable {
            name: "HIEROPHANT_URL",
            meaning: "HTTP address of the coordinator that the operator's commands speak to.",
        }],
        replaced: &[crate::replaced::hierophant::REPLACED, crate::replaced::miden::PROXY],
    };

    fn rules(&self, rules: &mut Rules<'_>) {
        rules.require(
            self.listen.is_loopback() || self.worker_token.is_some(),
            &["listen", "worker_token"],
            "workers from other machines could reach this address: set `worker_token`, or listen on 127.0.0.1 only",
        );
        rules.require(
            !self.listen.is_unspecified() || self.public_http_url.is_some(),
            &["listen", "public_http_url"],
            "clients cannot use the address that stands for all: set `public_http_url` to the base URL that they reach",
        );
        rules.require(
            self.grpc_port != self.http_port || self.grpc_port == 0,
            &["grpc_port", "http_port"],
            "gRPC and HTTP need a port each: change one of them",
        );
        rules.require(
            self.tls.certificate.is_some() == self.tls.key.is_some(),
            &["tls.certificate", "tls.key"],
            "a certificate and its key belong together: set both or neither",
        );
        rules.require(
            self.workers.heartbeat_timeout >= self.workers.heartbeat_interval.saturating_mul(2),
            &["workers.heartbeat_interval", "workers.heartbeat_timeout"],
            "one lost heartbeat would lose the worker: make the timeout at least twice the interval",
        );
        rules.require(
            self.min_lifetime <= self.limits.max_deadline,
            &["min_lifetime", "limits.max_deadline"],
            "requests would be given more time than allowed: make `limits.max_deadline` at least `min_lifetime`",
        );
    }
}
