//! The caller's address behind proxies that are trusted.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

const HEADER: &str = "x-forwarded-for";
/// Most hops that are gone back.
const HOPS_MAX: usize = 32;

/// Whose `x-forwarded-for` is believed.
#[derive(Debug)]
pub(in crate::server) struct Trust(Vec<IpNet>);

impl Trust {
    pub(in crate::server) fn new(proxies: Vec<IpNet>) -> Self {
        Self(proxies)
    }

    /// The address nearest to us that no trusted proxy has: every trusted one vouches for the one before it. Where what it
    /// says cannot be read, its own address stands for the caller.
    pub(super) fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(HEADER).iter().rev();
        let mut hops = lines
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
            .map(hop)
            .take(HOPS_MAX);
        let mut nearest = peer.to_canonical();
        while self.trusts(nearest) {
            let Some(Some(before)) = hops.next() else { break };
            nearest = before;
        }
        nearest
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// One entry: an address, with or without a port.
fn hop(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>();
    let address = address.or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn caller(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let trusted = trusted.iter().map(|text| crate::parse_network(text).unwrap());
        Trust::new(trusted.collect())
            .caller(peer.parse().unwrap(), &headers)
            .to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(caller(&[], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(caller(&["10.0.0.0/8"], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
    }

    #[test]
    fn trusted_proxies_are_skipped_from_the_right() {
        let trusted = &["10.0.0.0/8", "fd00::/8"];
        assert_eq!(caller(trusted, "10.0.0.1", &["6.6.6.6, 1.1.1.1"]), "1.1.1.1");
        assert_eq!(caller(trusted, "10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"]), "1.1.1.1");
        assert_eq!(caller(trusted, "10.0.0.1", &["6.6.6.6", "1.1.1.1,fd00::2"]), "1.1.1.1");
        assert_eq!(caller(trusted, "::ffff:10.0.0.1", &["1.1.1.1:80"]), "1.1.1.1");
        assert_eq!(caller(trusted, "10.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(caller(trusted, "10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
    }

    #[test]
    fn where_nothing_can_be_read_the_nearest_stands() {
        let trusted = &["10.0.0.0/8"];
        assert_eq!(caller(trusted, "10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(caller(trusted, "10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(caller(trusted, "10.0.0.1", &["", ",,,", "\u{e9}"]), "10.0.0.1");
        let long = "10.0.0.3,".repeat(1_000) + "10.0.0.2";
        assert_eq!(caller(trusted, "10.0.0.1", &[&format!("1.1.1.1,{long}")]), "10.0.0.3");
    }
}
