//! Host names of sites (contract 3): full, valid, lower-cased.
use std::fmt;

use serde::Serialize;

use super::{UserHash, ids::Invalid};

/// Longest host name, in ASCII characters (contract 3; RFC 1035 allows no more).
pub const HOST_MAX_CHARS: usize = 253;
/// Longest part of one between two dots.
const LABEL_MAX_CHARS: usize = 63;

const SHAPE: Invalid =
    Invalid("must be a full host name such as shop.example.com, of at most 253 characters");

/// A full host name in lower case, in the ASCII form that DNS has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Host(String);

impl Host {
    /// Takes a name of at least two labels of letters, digits and inner hyphens that no client takes for
    /// an address. A name in another script is taken in its ASCII form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // Far longer than any name can be in any script: not worth converting.
        if text.len() > 16 * HOST_MAX_CHARS {
            return Err(SHAPE);
        }
        let name = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(text).map_err(|_| SHAPE)?
        };
        let is_label = |label: &str| {
            (1..=LABEL_MAX_CHARS).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_full = name.len() <= HOST_MAX_CHARS && name.contains('.');
        // As clients read it: 1.0x7f is an address to them, and xn--a nothing.
        let is_name =
            || matches!(url::Host::parse(&name), Ok(url::Host::Domain(same)) if same == name);
        if is_full && name.split('.').all(is_label) && is_name() {
            Ok(Self(name))
        } else {
            Err(SHAPE)
        }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user that the site is in events (contract 3): every host name is a user's hash.
    pub fn user(&self) -> Result<UserHash, Invalid> {
        UserHash::parse(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_are_full_valid_and_lower_cased() {
        let long = format!("{}.example", "a".repeat(63));
        let longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        let too_long = format!("e{longest}");
        for (text, expected) in [
            ("test.umi.ru", Some("test.umi.ru")),
            ("Test.UMI.ru", Some("test.umi.ru")),
            ("1.example", Some("1.example")),
            ("a-b.c--d.xn--p1ai", Some("a-b.c--d.xn--p1ai")),
            ("пример.рф", Some("xn--e1afmkfd.xn--p1ai")),
            ("Straße.example", Some("xn--strae-oqa.example")),
            (&long, Some(long.as_str())),
            (&longest, Some(longest.as_str())),
            (&too_long, None),
            ("", None),
            (".", None),
            ("localhost", None),
            ("example.", None),
            (".example.com", None),
            ("a..b", None),
            ("-a.example", None),
            ("a-.example", None),
            ("a_b.example", None),
            ("a b.example", None),
            (" a.example", None),
            ("a.example:80", None),
            ("http://a.example", None),
            ("a.example/", None),
            ("127.0.0.1", None),
            ("a.1", None),
            ("a.0x1", None),
            ("1.0x7f", None),
            ("xn--a.example", None),
            ("[::1]", None),
            ("*.example.com", None),
            ("a.example\0", None),
            ("a%2eexample.com", None),
            (&format!("{}.example", "a".repeat(64)), None),
        ] {
            let host = Host::parse(text).ok();
            assert_eq!(host.as_ref().map(Host::as_str), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_host_is_a_users_hash_and_reads_as_itself(text in "\\PC{0,40}(\\.[a-zA-Zа-я0-9-]{1,9}){1,3}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert!(host.user().is_ok());
                prop_assert_eq!(Host::parse(host.as_str()), Ok(host.clone()));
                prop_assert!(host.as_str().len() <= HOST_MAX_CHARS);
            }
        }
    }
}
