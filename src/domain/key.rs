//! The key that names an event for ever: made of its `source` and `id` (contract 1).
//!
//! 24 bytes, written as 32 characters that sort as the bytes do: first six bytes that follow the
//! time when the id is a UUIDv7 (so that new rows land side by side in the index), then 18 bytes
//! of SHA-256 over both names. Two different pairs never share a key in practice (2^72 work to
//! find a collision on purpose).
use std::{
    fmt,
    hash::{Hash, Hasher},
};

use sha2::{Digest, Sha256};

/// Characters of a key.
pub const KEY_CHARS: usize = 32;
/// Its digits, in ascending ASCII order, so that text order is byte order.
pub const ALPHABET: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey([u8; KEY_CHARS]);

/// Its end is random enough: it is of a hash already.
impl Hash for EventKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let end = self.0.last_chunk().copied().unwrap_or_default();
        state.write_u64(u64::from_be_bytes(end));
    }
}

impl EventKey {
    /// The key of the event that `source` calls `id`.
    pub fn new(source: &str, id: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((source.len() as u64).to_be_bytes());
        hash.update(source.as_bytes());
        hash.update(id.as_bytes());
        let digest = hash.finalize();
        let mut bytes = [0u8; 24];
        bytes.copy_from_slice(&digest[..24]);
        if let Ok(uuid) = uuid::Uuid::try_parse(id)
            && uuid.get_version_num() == 7
        {
            bytes[..6].copy_from_slice(&uuid.as_bytes()[..6]);
        }
        let mut text = [0u8; KEY_CHARS];
        for (three, four) in bytes.as_chunks::<3>().0.iter().zip(text.as_chunks_mut::<4>().0) {
            let word = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            for (place, shift) in four.iter_mut().zip([18, 12, 6, 0]) {
                *place = ALPHABET[(word >> shift & 63) as usize];
            }
        }
        Self(text)
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Reads back what [`as_str`](Self::as_str) gave; `None` for anything else.
    pub fn from_stored(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A UUID (version 8) from the SHA-256 of the bytes: the same bytes, the same id. Never a version 7,
/// so that nothing takes its first bytes for a time.
pub fn stable_id(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(id).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_is_the_name() {
        let key = EventKey::new("/shop", "1");
        assert_eq!(key, EventKey::new("/shop", "1"));
        assert_ne!(key, EventKey::new("/shop", "2"));
        assert_ne!(EventKey::new("/shop1", "2"), EventKey::new("/shop", "12"));
        assert_eq!(EventKey::from_stored(key.as_str()), Some(key));
    }

    #[test]
    fn a_stable_id_is_a_uuid_of_the_bytes_alone() {
        let id = stable_id(b"a");
        assert_eq!(id, stable_id(b"a"));
        assert_ne!(id, stable_id(b"b"));
        assert_eq!(uuid::Uuid::parse_str(&id).map(|uuid| uuid.get_version_num()), Ok(8));
    }

    #[test]
    fn keys_of_uuid_v7_ids_sort_by_time() {
        let early = EventKey::new("/a", "01890a5d-ac96-774b-bcce-b302099a8057");
        let late = EventKey::new("/a", "01990a5d-ac96-774b-bcce-b302099a8057");
        assert!(early < late);
        assert!(early.as_str() < late.as_str());
    }
}
