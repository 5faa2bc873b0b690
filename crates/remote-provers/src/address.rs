//! Where a prover listens, as operators write it.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use hierophant_store::REMOTE_PROVER_ADDRESS_MAX_BYTES;

/// Longest label of a host's name (RFC 1035), in bytes.
const LABEL_MAX_BYTES: usize = 63;

/// `host:port`, in lower case, at most [`REMOTE_PROVER_ADDRESS_MAX_BYTES`] long: a name, an IPv4 address, or an IPv6 address in
/// brackets, and a port from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

/// A text that is no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a prover: write HOST:PORT, such as 10.0.0.7:50051")]
pub struct BadAddress(String);

impl Address {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.chars().take(REMOTE_PROVER_ADDRESS_MAX_BYTES).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        // `parse` alone would take "+1".
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
        let port = port.ok_or_else(bad)?;
        let host = host_of(host).ok_or_else(bad)?;
        let address = format!("{host}:{port}");
        if address.len() > REMOTE_PROVER_ADDRESS_MAX_BYTES {
            return Err(bad());
        }
        Ok(Self(address))
    }
}

/// One spelling of a host, so that a prover is not attached twice.
fn host_of(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    text.split('.').all(is_label).then(|| text.to_ascii_lowercase())
}

fn is_label(label: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LABEL_MAX_BYTES).contains(&label.len()) && label.bytes().all(sound) && !label.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        for (written, taken) in [
            ("10.0.0.7:50051", "10.0.0.7:50051"),
            ("Prover-1.Example:1", "prover-1.example:1"),
            ("localhost:065535", "localhost:65535"),
            ("[0:0::1]:50051", "[::1]:50051"),
        ] {
            assert_eq!(
                written.parse::<Address>().map(|address| address.to_string()),
                Ok(taken.to_owned())
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}:1", "a.".repeat(REMOTE_PROVER_ADDRESS_MAX_BYTES) + "a");
        for bad in [
            "",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:65536",
            "host:+1",
            "http://host:1",
            "a@host:1",
            "host:1/x",
            "h st:1",
            "a..b:1",
            "::1:50051",
            "[::1:1",
            "[x]:1",
            "-a:1",
            "host:1\n",
            &long,
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }
}
