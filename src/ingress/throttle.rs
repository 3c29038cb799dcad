//! How often a credential may be tried: 10 failures within a minute from one address or for one
//! login, then 429 (contract 2).
//!
//! A window of the failures themselves, not the token bucket of `governor`: only failures count,
//! and whether a try is let in has to be known before it is one.
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::http::StatusCode;
use sha2::{Digest, Sha256};

use super::problem::Refusal;
use crate::domain::Micros;

/// Failures that are let pass within the window.
const FAILURES_MAX: usize = 10;
/// The window, in microseconds.
const WINDOW_US: i64 = 60_000_000;
/// Addresses and logins that are remembered; beyond, the ones that failed longest ago are not.
const REMEMBERED_MAX: usize = 100_000;

/// What failures are counted by. Fixed in size, so that long logins fill no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// An address; of version 6 the network of 64 bits, as a client has all of one.
    pub fn address(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => {
                let network = u128::from(ip) >> 64 << 64;
                Self(network.to_be_bytes())
            }
        }
    }

    /// A login of a domain, whether there is one or not.
    pub fn login(domain: &str, login: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((domain.len() as u64).to_be_bytes());
        hash.update(domain.as_bytes());
        hash.update(login.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }
}

/// The failures of the last minute.
#[derive(Default)]
pub struct Throttle {
    off: bool,
    failures: Mutex<HashMap<Key, VecDeque<Micros>>>,
}

impl Throttle {
    /// `RATE_LIMIT`.
    pub fn new(on: bool) -> Self {
        Self { off: !on, ..Self::default() }
    }

    /// 429 with `Retry-After` when one of the keys has failed too often.
    pub fn admit(&self, keys: &[Key], now: Micros) -> Result<(), Refusal> {
        let failures = self.lock();
        let wait = keys.iter().filter_map(|key| wait_us(failures.get(key)?, now)).max();
        match wait.filter(|_| !self.off) {
            None => Ok(()),
            Some(us) => Err(Refusal {
                retry_after: Some(us.div_euclid(1_000_000).max(0) as u64 + 1),
                ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many failed tries")
            }),
        }
    }

    /// One more failure of each of the keys.
    pub fn failed(&self, keys: &[Key], now: Micros) {
        let mut failures = self.lock();
        for key in keys {
            let of_key = failures.entry(*key).or_default();
            of_key.push_back(now);
            if of_key.len() > FAILURES_MAX {
                of_key.pop_front();
            }
        }
        if failures.len() > REMEMBERED_MAX {
            evict(&mut failures, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, VecDeque<Micros>>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long until the next try, in microseconds; `None`: now.
fn wait_us(failures: &VecDeque<Micros>, now: Micros) -> Option<i64> {
    let first = failures.iter().rev().nth(FAILURES_MAX - 1)?;
    // A clock that was set back must not shut anybody out for longer.
    Some((first.0 + WINDOW_US - now.0).min(WINDOW_US)).filter(|us| *us > 0)
}

fn evict(failures: &mut HashMap<Key, VecDeque<Micros>>, now: Micros) {
    let is_recent =
        |times: &VecDeque<Micros>, us: i64| times.back().is_some_and(|t| t.0 > now.0 - us);
    failures.retain(|_, times| is_recent(times, WINDOW_US));
    let mut window = WINDOW_US;
    while failures.len() > REMEMBERED_MAX {
        window /= 2;
        // Down to nothing at last, so that this ends.
        failures.retain(|_, times| window > 0 && is_recent(times, window));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Micros = Micros(1_000_000_000_000_000);

    #[test]
    fn after_ten_failures_within_a_minute_the_next_tries_have_to_wait() {
        let throttle = Throttle::new(true);
        let keys = [Key::address("1.2.3.4".parse().unwrap()), Key::login("d", "anna")];
        for n in 0..10 {
            let now = START.plus_ms(n * 1000);
            assert_eq!(throttle.admit(&keys, now), Ok(()), "{n}");
            throttle.failed(&keys, now);
        }
        let refused = throttle.admit(&keys, START.plus_ms(10_000)).unwrap_err();
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.retry_after, Some(51));
        for key in keys {
            assert!(throttle.admit(&[key], START.plus_ms(10_000)).is_err(), "each by itself");
        }
        let other = [Key::address("1.2.3.5".parse().unwrap()), Key::login("d", "bert")];
        assert_eq!(throttle.admit(&other, START.plus_ms(10_000)), Ok(()));
        assert_eq!(throttle.admit(&keys, START.plus_ms(60_001)), Ok(()), "the first is past");
        assert!(Throttle { off: true, failures: throttle.failures }.admit(&keys, START).is_ok());
    }

    #[test]
    fn memory_has_an_end() {
        let throttle = Throttle::new(true);
        for n in 0..=REMEMBERED_MAX as u32 {
            throttle.failed(&[Key::address(IpAddr::from(n.to_be_bytes()))], START);
        }
        assert!(throttle.lock().len() <= REMEMBERED_MAX);
    }

    #[test]
    fn keys_tell_apart_what_differs() {
        let ip = |text: &str| Key::address(text.parse().unwrap());
        assert_eq!(ip("2001:db8::1"), ip("2001:db8::2"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8:0:1::1"));
        assert_ne!(ip("1.2.3.4"), ip("1.2.3.5"));
        assert_eq!(ip("1.2.3.4"), ip("::ffff:1.2.3.4"));
        assert_ne!(Key::login("ab", "c"), Key::login("a", "bc"));
    }
}
