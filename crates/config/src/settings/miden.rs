//! The settings of the front door for clients of the Miden remote prover.

use std::{net::IpAddr, time::Duration};

use crate::{optional, settings, tables, types::ByteSize, value};

settings! {
    /// The front door for clients of the Miden remote prover. It is open where there is a listener.
    pub struct Miden {
        /// Where it listens, one table for each port.
        pub listeners: Vec<MidenListener> = tables();
        /// Calls that may wait for a worker at a time; one more is refused.
        pub queue: u64 = value(10_u64).range(1..=1_000_000);
        /// The longest that a call waits for a worker.
        pub queue_timeout: Duration = value(Duration::from_mins(1)).at_least(Duration::from_secs(1));
        /// The longest that one attempt at a proof may take.
        pub proof_timeout: Duration = value(Duration::from_mins(10)).at_least(Duration::from_secs(1));
        /// How long a running proof goes on after its caller has left, and how long a finished one is there for a caller who
        /// sends the same witness again.
        pub grace: Duration = value(Duration::from_secs(30));
        /// Calls a second, and as many at once, that one IP address may make. 0 does not count them.
        pub calls_per_second: u32 = value(5_u32);
        /// Addresses or networks of proxies whose `x-forwarded-for` is believed.
        pub trusted_proxies: Vec<String> = value([]);
        /// Largest message that is taken.
        pub max_message: ByteSize = value(ByteSize::mib(4)).range(ByteSize::kib(1)..=ByteSize::mib(64));
    }
}

settings! {
    /// A port of the Miden door.
    pub struct MidenListener {
        /// IP address that it binds to.
        pub listen: Option<IpAddr> = optional("0.0.0.0".parse::<IpAddr>().expect("an address"), "the coordinator's `listen`");
        /// The port. 0 takes a free one.
        pub port: u16 = value(50051_u16);
        /// What is proved there: transaction, batch, block. Statuses have room for one and name the first.
        pub kinds: Vec<MidenKind> = value([MidenKind::Transaction, MidenKind::Batch, MidenKind::Block])
            .check("not empty", |kinds: &Vec<MidenKind>| !kinds.is_empty());
        /// The lines that are served there, at most one of each generation of the contract: 0.15 (generation B) and 0.18 (C).
        pub lines: Vec<MidenLine> = value([MidenLine::V0_15, MidenLine::V0_18])
            .check("not empty", |lines: &Vec<MidenLine>| !lines.is_empty());
    }
}

crate::choices! {
    /// What is proved.
    pub enum MidenKind {
        /// One transaction.
        Transaction = "transaction",
        /// A batch of transactions.
        Batch = "batch",
        /// A block of batches.
        Block = "block",
    }
}

crate::choices! {
    /// A line of Miden's protocol.
    pub enum MidenLine {
        /// Protocol 0.15.
        V0_15 = "0.15",
        /// Protocol 0.18.
        V0_18 = "0.18",
    }
}
