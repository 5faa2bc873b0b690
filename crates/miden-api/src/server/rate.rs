//! How often one address may ask.
//!
//! Addresses are told apart by a secret hash of 16 bits, so that memory is bounded whoever calls. The price: of callers of
//! the same second, two share an allowance once in 65,536 pairs, and nobody can choose whose.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::{RateLimit, Refusal};

/// The network of an IPv6 address that counts as one caller, in bits: a home or a host commonly has so much.
const IPV6_PREFIX: u32 = 64;
/// Refusals of one caller with less than this between them are one excess.
const EXCESS_ENDS_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Rate {
    limit: RateLimit,
    limiter: DefaultKeyedRateLimiter<u16>,
    secret: RandomState,
    /// When each caller was refused last. There are as many keys as allowances.
    refused: Mutex<HashMap<u16, Instant>>,
}

impl Rate {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            limiter: RateLimiter::keyed(Quota::per_second(limit.per_second)),
            secret: RandomState::new(),
            refused: Mutex::default(),
        }
    }

    /// Takes one call of `address`. Callers without one share an allowance.
    pub(super) fn check(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        self.limiter.check_key(&self.key(address)).map_err(|_| {
            let limit = self.limit.per_second;
            Refusal::TooOften(format!(
                "one address may ask for {limit} proofs a second, and this one asked for more; wait a second"
            ))
        })
    }

    /// Notes that a call of `address` was refused at `now`, and says whether an excess begins with it.
    pub(super) fn refused(&self, address: Option<IpAddr>, now: Instant) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let last = refused.insert(self.key(address), now);
        last.is_none_or(|last| now.saturating_duration_since(last) >= EXCESS_ENDS_AFTER)
    }

    fn key(&self, address: Option<IpAddr>) -> u16 {
        let [low, high, ..] = self.secret.hash_one(address.map(network)).to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

/// What counts as one caller.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - IPV6_PREFIX);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, num::NonZeroU32};

    use super::*;

    fn rate(per_second: u32) -> Rate {
        Rate::new(RateLimit {
            per_second: NonZeroU32::new(per_second).unwrap(),
        })
    }

    #[test]
    fn each_address_has_its_own_allowance() {
        // So slow a clock that no allowance comes back during the test.
        let minute = Quota::per_minute(NonZeroU32::new(2).unwrap());
        let rate = Rate {
            limiter: RateLimiter::keyed(minute),
            ..rate(2)
        };
        let one = Some([10, 0, 0, 1].into());
        assert_eq!(rate.check(one), Ok(()));
        assert_eq!(rate.check(one), Ok(()));
        let refused = rate.check(one);
        assert!(matches!(refused, Err(Refusal::TooOften(text)) if text.contains("for 2 proofs a second")));
        let others = (2..=101)
            .filter(|n| rate.check(Some([10, 0, 0, *n].into())).is_ok())
            .count();
        assert!(others > 90, "{others} of 100 have an allowance of their own");
    }

    #[test]
    fn an_excess_begins_once_and_ends_after_a_second_without_refusals() {
        let rate = rate(1);
        let (one, other) = (Some([10, 0, 0, 1].into()), None);
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        assert!(rate.refused(one, at(0)));
        assert!(!rate.refused(one, at(999)));
        assert!(!rate.refused(one, at(1_998)));
        assert!(rate.refused(one, at(2_998)));
        // Two addresses share a key once in 65,536 runs.
        assert!(rate.refused(other, at(2_998)) || rate.key(one) == rate.key(other));
    }

    #[test]
    fn one_ipv6_network_is_one_caller_and_a_mapped_address_is_the_ipv4_one() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            network(address("2001:db8:1:2:3::4")),
            network(address("2001:db8:1:2::9"))
        );
        assert_ne!(network(address("2001:db8:1:2::1")), network(address("2001:db8:1:3::1")));
        assert_eq!(network(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }

    #[test]
    fn memory_is_bounded_however_many_call() {
        let rate = rate(1);
        let allowed = (0..300_000).filter(|n| rate.check(Some(Ipv4Addr::from_bits(*n).into())).is_ok());
        assert!(allowed.count() >= 60_000);
        assert!(rate.limiter.len() <= 1 << 16);
    }
}
