//! What a listener serves, to whom, and how much.

use std::{collections::BTreeSet, net::IpAddr, num::NonZeroU32};

use ipnet::IpNet;

use crate::{Generation, Kind, Line, MESSAGE_BYTES};

/// The settings of one listener.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The line that generation B is pinned to; without one, B is not served.
    pub generation_b: Option<Line>,
    /// The line that generation C is pinned to; without one, C is not served.
    pub generation_c: Option<Line>,
    /// What is proved. Statuses have room for one: they name the first.
    pub kinds: BTreeSet<Kind>,
    /// Version of the whole, as semver writes it: "0.1.0".
    pub version: String,
    /// Largest message of `Prove`, in bytes: [`MESSAGE_BYTES`] is upstream's.
    pub max_message_bytes: usize,
    /// How often one address may ask for a proof; without one, as often as it likes.
    pub rate: Option<RateLimit>,
    /// Whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether `ProxyStatus` is served. A worker that listens has none.
    pub proxy_status: bool,
}

impl ServerSettings {
    /// Both generations, every kind, upstream's message limit, no limit of rate, no trusted proxy.
    pub fn new(version: impl Into<String>) -> Self {
        Self {
            generation_b: Some(Line::V0_15),
            generation_c: Some(Line::V0_18),
            kinds: Kind::ALL.into(),
            version: version.into(),
            max_message_bytes: MESSAGE_BYTES,
            rate: None,
            trusted_proxies: Vec::new(),
            proxy_status: true,
        }
    }

    pub(crate) fn check(&self) -> Result<(), BadSettings> {
        if self.generation_b.is_none() && self.generation_c.is_none() {
            return Err(BadSettings::NoLine);
        }
        if self.kinds.is_empty() {
            return Err(BadSettings::NoKind);
        }
        let pinned = [(Generation::B, self.generation_b), (Generation::C, self.generation_c)];
        for (generation, line) in pinned {
            if let Some(line) = line.filter(|line| line.generation() != generation) {
                return Err(BadSettings::OtherGeneration { generation, line });
            }
        }
        Ok(())
    }
}

/// How often one address may ask. IPv6 addresses of one /64 network count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Calls of `Prove` a second, and as many at once.
    pub per_second: NonZeroU32,
}

/// Settings that nothing can be served by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// Neither generation has a line.
    #[error("no line is served: set one for generation B (0.15) or for generation C (0.18)")]
    NoLine,
    /// No kind.
    #[error("no kind is served: name transaction, batch or block")]
    NoKind,
    /// A line under the other generation.
    #[error("clients of generation {generation:?} do not speak line {line}: use 0.15 for B, 0.18 for C")]
    OtherGeneration {
        /// The generation that was pinned.
        generation: Generation,
        /// What it was pinned to.
        line: Line,
    },
}

/// Reads an address or a network of a trusted proxy: "10.0.0.1", "10.0.0.0/8", "fd00::/8".
///
/// # Errors
/// A sentence for the operator.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| format!("{text:?} is no address and no network: write 10.0.0.1 or 10.0.0.0/8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_serve_nothing_are_refused() {
        let good = ServerSettings::new("0.1.0");
        assert_eq!(good.check(), Ok(()));
        let no_line = ServerSettings {
            generation_b: None,
            generation_c: None,
            ..good.clone()
        };
        assert_eq!(no_line.check(), Err(BadSettings::NoLine));
        let no_kind = ServerSettings {
            kinds: BTreeSet::new(),
            ..good.clone()
        };
        assert_eq!(no_kind.check(), Err(BadSettings::NoKind));
        let crossed = ServerSettings {
            generation_b: Some(Line::V0_18),
            ..good
        };
        assert!(matches!(crossed.check(), Err(BadSettings::OtherGeneration { .. })));
    }

    #[test]
    fn networks_are_read_as_operators_write_them() {
        assert_eq!(parse_network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(parse_network("fd00::/8").unwrap().to_string(), "fd00::/8");
        assert!(parse_network("10.0.0.0/33").is_err());
        assert!(parse_network("proxy.example").is_err());
    }
}
