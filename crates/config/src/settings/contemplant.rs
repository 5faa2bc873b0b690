//! The settings of the worker, read from `contemplant.toml`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    Log,
    token::{TOKEN_EXPECTED, is_token},
};
use crate::{
    Program, Rules, group, optional, required, settings, tables,
    types::{ByteSize, HttpUrl, Secret},
    value,
};

settings! {
    /// All settings of the worker.
    pub struct Settings {
        /// gRPC address of the coordinator.
        pub coordinator: HttpUrl = required(HttpUrl::literal("http://127.0.0.1:9000"));
        /// Token that the coordinator asks of workers: its `worker_token`.
        pub token: Option<Secret> = optional("file:/etc/contemplant/token", "no token is presented")
            .check(TOKEN_EXPECTED, is_token);
        /// File with the certificate in PEM that the coordinator's own must descend from.
        pub ca_certificate: Option<PathBuf> =
            optional("/etc/contemplant/ca.pem", "the certificates that the system trusts");
        /// Label of this worker on pages and in logs. It need not be unique.
        pub name: Option<String> = optional("attic", "a random name, kept in `data_directory`")
            .check("1 to 64 visible ASCII characters without spaces", |text: &String| is_label(text));
        /// IP address that the health server binds to.
        pub listen: IpAddr = value(Ipv4Addr::LOCALHOST);
        /// Port of the health server. 0 takes a free one.
        pub http_port: u16 = value(9011_u16);
        /// Folder that holds the identity of this worker and results that the coordinator does not have yet. It is
        /// created when missing; two workers must not share one.
        pub data_directory: PathBuf = value("contemplant-data");
        /// Tasks proved at a time.
        pub slots: u32 = value(1_u32).range(1..=1024);
        /// Tasks whose inputs are fetched ahead while others are proved.
        pub prefetch: u32 = value(1_u32).range(0..=1024);
        /// Memory that provers may use together.
        pub memory: Option<ByteSize> = optional(ByteSize::gib(64), "what this machine has")
            .at_least(ByteSize::mib(64));
        /// How long running tasks are waited for when the worker is told to stop.
        pub drain_timeout: Duration = value(Duration::from_hours(6));
        /// Waiting between attempts to reach the coordinator.
        pub reconnect: Reconnect = group();
        /// The log, written to standard error.
        pub log: Log = group();
        /// Programs that prove, one table for each.
        pub provers: Vec<Prover> = tables();
    }
}

settings! {
    /// Waiting between attempts to reach the coordinator; it doubles from the one to the other.
    pub struct Reconnect {
        /// The shortest wait.
        pub min: Duration = value(Duration::from_secs(1)).at_least(Duration::from_millis(10));
        /// The longest wait.
        pub max: Duration = value(Duration::from_secs(30)).at_least(Duration::from_millis(10));
    }
}

settings! {
    /// A program that proves.
    pub struct Prover {
        /// The program: a path, or a name that is looked up in PATH.
        pub executable: PathBuf = required("prover-mock");
        /// Arguments of the program.
        pub args: Vec<String> = value([]);
        /// Options that the program is told at its start.
        pub options: BTreeMap<String, String> = value([]);
        /// Variables of the program's environment besides the few that every prover gets. They are treated as secrets
        /// and may be given as "file:PATH".
        pub env: BTreeMap<String, Secret> = value([]);
        /// Memory above which the program is stopped.
        pub memory_limit: Option<ByteSize> = optional(ByteSize::gib(32), "bounded by `memory` only")
            .at_least(ByteSize::mib(1));
        /// Kinds of proof that the program may be given.
        pub kinds: Option<Vec<String>> = optional(["core".to_owned(), "compressed".to_owned()], "all that it offers")
            .check("not empty", |kinds: &Vec<String>| !kinds.is_empty());
    }
}

/// Whether a text can be a word in a log line and a header.
fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Settings {
    /// Where the health server listens.
    pub fn http_address(&self) -> SocketAddr {
        (self.listen, self.http_port).into()
    }
}

impl crate::Settings for Settings {
    const PROGRAM: Program = Program {
        name: "contemplant",
        default_file: "contemplant.toml",
        prefix: "CONTEMPLANT_",
        other_variables: &[],
        replaced: &[crate::replaced::contemplant::REPLACED, crate::replaced::miden::WORKER],
    };

    fn rules(&self, rules: &mut Rules<'_>) {
        rules.require(
            self.reconnect.min <= self.reconnect.max,
            &["reconnect.min", "reconnect.max"],
            "the shortest wait is longer than the longest: swap them",
        );
        rules.require(
            !self.provers.is_empty(),
            &["provers"],
            "a worker without a prover can do nothing: add a [[provers]] table with `executable`",
        );
    }
}
