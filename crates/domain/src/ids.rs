//! Ids of everything that has a row, and the tokens that fence writes.
//!
//! Ids are UUID v7 so that rows written together lie together; tokens are random (v4), because whoever knows one may
//! act with it. This crate only parses and prints them; whoever has randomness mints them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What ids and tokens share: sixteen bytes, as stored and sent.
macro_rules! sixteen_bytes {
    ($name:ident) => {
        impl $name {
            /// The 16 bytes, as stored and sent.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Reads 16 bytes; `None` for any other length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }
        }
    };
}

macro_rules! uuid_newtype {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        sixteen_bytes!($name);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

uuid_newtype! {
    /// A proof request: what a client asked for.
    RequestId;
    /// A task: what one worker leases.
    TaskId;
    /// One attempt at a task: one lease's row.
    AttemptId;
    /// A worker, stable across its reconnects and restarts.
    WorkerId;
    /// A stored blob. Minted by whoever writes it.
    ArtifactId;
}

macro_rules! token_newtype {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub Uuid);

        sixteen_bytes!($name);

        /// Never prints the secret.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}(…)", stringify!($name))
            }
        }
    )*};
}

token_newtype! {
    /// The right to write for one attempt. Random per lease.
    LeaseToken;
    /// The right to settle one claimed check (an execution or a verification). Random per claim.
    CheckToken;
}
