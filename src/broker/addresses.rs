//! The broker's addresses: one, or those of a cluster's nodes with commas between them.
//!
//! Owns how they are told apart and whose turn it is. Refuses to show them: they hold passwords.
use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The nodes that may be connected to. Every try takes the next one, so that a node which is gone, or
/// stands still, costs one try.
pub struct Addresses {
    all: Vec<String>,
    turn: AtomicUsize,
}

impl Addresses {
    /// Reads them; `None` where one of them is none. A comma parts them only where an address follows it:
    /// a password may have one, too.
    pub fn parse(text: &str) -> Option<Self> {
        let mut all: Vec<String> = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            match all.last_mut() {
                _ if begins(part) => all.push(part.to_owned()),
                Some(begun) if !part.is_empty() => {
                    begun.push(',');
                    begun.push_str(part);
                }
                _ => return None,
            }
        }
        Some(Self { all, turn: AtomicUsize::new(0) })
    }

    /// The next one in turn.
    pub(super) fn next(&self) -> &str {
        &self.all[self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len()]
    }
}

fn begins(text: &str) -> bool {
    text.starts_with("amqp://") || text.starts_with("amqps://")
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("of", &self.all.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<String>> {
        Addresses::parse(text).map(|addresses| addresses.all)
    }

    #[test]
    fn one_address_or_several_with_commas_between_them() {
        let some = |all: &[&str]| Some(all.iter().map(|one| (*one).to_owned()).collect());
        for (text, expected) in [
            ("amqp://a/%2f", some(&["amqp://a/%2f"])),
            ("amqp://a,amqps://b/v", some(&["amqp://a", "amqps://b/v"])),
            ("amqp://a/v , amqp://b/v\n", some(&["amqp://a/v", "amqp://b/v"])),
            ("amqp://u:p,w@a,amqp://u:p,w@b", some(&["amqp://u:p,w@a", "amqp://u:p,w@b"])),
            ("", None),
            ("http://a", None),
            ("amqp://a,", None),
            (",amqp://a", None),
            ("amqp://a,,amqp://b", None),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn each_has_its_turn_and_none_is_shown() {
        let addresses = Addresses::parse("amqp://u:canary@a,amqp://u:canary@b").unwrap();
        let turns: Vec<&str> = (0..3).map(|_| addresses.next()).collect();
        assert_eq!(turns, ["amqp://u:canary@a", "amqp://u:canary@b", "amqp://u:canary@a"]);
        assert!(!format!("{addresses:?}").contains("canary"));
    }
}
