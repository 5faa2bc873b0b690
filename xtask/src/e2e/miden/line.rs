//! The lines of Miden's protocol, and what each has here.

use std::path::PathBuf;

use crate::env::{Env, Workspace};

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Line {
    /// Protocol 0.15, generation B of the contract.
    #[value(name = "0.15")]
    V0_15,
    /// Protocol 0.18, generation C.
    #[value(name = "0.18")]
    V0_18,
}

impl Line {
    /// As settings have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V0_15 => "0.15",
            Self::V0_18 => "0.18",
        }
    }

    /// The folder of its prover in `provers/`.
    pub(crate) fn prover(self) -> &'static str {
        match self {
            Self::V0_15 => "miden-0-15",
            Self::V0_18 => "miden-0-18",
        }
    }

    /// The name of its proof system.
    pub(crate) fn system(self) -> &'static str {
        match self {
            Self::V0_15 => "miden-0.15",
            Self::V0_18 => "miden-0.18",
        }
    }

    /// Its client on published crates.
    pub(crate) fn client(self, env: &Env) -> PathBuf {
        let target = env.target(&Workspace::Prover(self.prover().to_owned()));
        target
            .join("release")
            .join(format!("miden-client-{}", &self.prover()["miden-".len()..]))
    }
}
