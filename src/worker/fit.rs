//! How many messages the broker may hand over ahead: as many as `PREFETCH` says while they are small,
//! fewer the larger they are, so that memory stays within `PREFETCH_BYTES` or so.
//!
//! AMQP counts messages, not bytes, and what has been handed over lies in this program's memory. A
//! session begins with few, looks at their sizes, and asks for more.
use crate::settings::WorkerSettings;

/// With so many a session begins.
const FIRST: u16 = 256;
/// Sizes that are looked at before anything is changed.
const SEEN_MIN: usize = 64;
/// Of so many the older half is forgotten.
const SEEN_MAX: usize = 20_000;
/// What a message takes beside its body.
const OVERHEAD_BYTES: usize = 512;

/// See the module.
#[derive(Debug)]
pub struct Fit {
    prefetch_max: u16,
    bytes_max: usize,
    now: u16,
    seen: usize,
    bytes: usize,
}

impl Fit {
    /// For a session that begins.
    pub fn new(settings: &WorkerSettings) -> Self {
        Self {
            prefetch_max: settings.prefetch,
            bytes_max: settings.prefetch_bytes,
            now: settings.prefetch.min(FIRST),
            seen: 0,
            bytes: 0,
        }
    }

    /// What holds now.
    pub const fn now(&self) -> u16 {
        self.now
    }

    /// Notes a message's size.
    pub const fn note(&mut self, body_bytes: usize) {
        if self.seen >= SEEN_MAX {
            self.seen /= 2;
            self.bytes /= 2;
        }
        self.seen += 1;
        self.bytes += body_bytes + OVERHEAD_BYTES;
    }

    /// What should hold instead, where the difference is worth a round trip; it holds from now on.
    pub fn change(&mut self) -> Option<u16> {
        if self.seen < SEEN_MIN.min(self.now.into()) {
            return None;
        }
        let mean = (self.bytes / self.seen).max(1);
        let most = usize::from(self.prefetch_max);
        let wanted = (self.bytes_max / mean).clamp(1, most);
        let now = usize::from(self.now);
        if wanted > now / 2 && (wanted < now * 2 || now == most) {
            return None;
        }
        self.now = wanted as u16;
        Some(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn fit(prefetch: &str, bytes: &str) -> Fit {
        let given = [("PREFETCH", prefetch), ("PREFETCH_BYTES", bytes)];
        Fit::new(&Settings::from_pairs(given).worker().unwrap())
    }

    fn note(fit: &mut Fit, messages: usize, bytes: usize) -> Option<u16> {
        (0..messages).for_each(|_| fit.note(bytes));
        fit.change()
    }

    #[test]
    fn small_messages_are_fetched_in_large_numbers_and_large_ones_in_small() {
        let mut small = fit("10000", "8388608");
        assert_eq!(small.now(), FIRST);
        assert_eq!(note(&mut small, 10, 300), None, "too few to say");
        assert_eq!(note(&mut small, 54, 300), Some(10_000));
        assert_eq!(note(&mut small, 5_000, 300), None, "as it should be");
        let many = note(&mut small, 100_000, 30_000);
        assert!(many.is_some_and(|now| (200..=400).contains(&now)), "{many:?}");
        let mut large = fit("10000", "8388608");
        assert_eq!(note(&mut large, 256, 4 << 20), Some(1));
        assert_eq!(note(&mut large, 1, 4 << 20), None);
    }

    #[test]
    fn never_more_than_the_setting_and_never_none() {
        let mut fit_ = fit("5", "16777216");
        assert_eq!(fit_.now(), 5);
        assert_eq!(note(&mut fit_, 100, 1), None);
        let mut none = fit("100", "1048576");
        assert_eq!(note(&mut none, 100, 100 << 20), Some(1));
        assert_eq!(note(&mut none, 5, 100 << 20), None);
    }
}
