//! Keys and passwords: how they are made, hashed and compared (contract 2).
//!
//! Owns the only code that sees them in the clear. Refuses to log, store or show any, except a new
//! key, once, to whom it was made for. Argon2 takes tens of milliseconds and 19 MiB: call it off
//! the async threads.
use std::{fmt::Write as _, sync::OnceLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::Code;

/// Bytes of randomness in a key: 160 bits.
const KEY_BYTES: usize = 20;
/// Longest password that is looked at, in bytes.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// The system's randomness or argon2 failed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// No randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The password cannot be hashed.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    /// A secret for one-time codes cannot be shown.
    #[error("the one-time codes cannot be set up: {0}")]
    OneTime(String),
}

/// A new key: 40 lower-case hex characters.
pub fn new_key() -> Result<String, CredentialError> {
    let mut bytes = [0u8; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(CredentialError::Randomness)?;
    Ok(hex(&bytes))
}

/// A new referral code, which nobody has.
pub fn new_code() -> Result<Code, CredentialError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(CredentialError::Randomness)?;
    Ok(Code::of_random(bytes))
}

/// A new password for somebody who chose none: as strong as a key, and easy to type.
pub fn new_password() -> Result<String, CredentialError> {
    Ok(new_code()?.as_str().to_owned())
}

/// What is stored of a key: SHA-256, in hex.
pub fn key_hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// Compares two hashes in constant time.
pub fn same_hash(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Hashes a password with argon2id and a fresh salt.
pub fn hash_password(password: &str) -> Result<String, CredentialError> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(CredentialError::Hash(format!("it is over {PASSWORD_MAX_BYTES} bytes")));
    }
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).map_err(CredentialError::Randomness)?;
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| CredentialError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

/// What a password is compared with where there is no such login.
fn nobodys() -> &'static str {
    static NOBODYS: OnceLock<String> = OnceLock::new();
    NOBODYS.get_or_init(|| hash_password("").unwrap_or_default())
}

/// Whether `password` is the one that was hashed. With no hash at all (no such login) it takes the
/// same time and says no.
pub fn verify_password(password: &str, stored: Option<&str>) -> bool {
    let nobodys = nobodys();
    // A longer one was never hashed; cutting it keeps the time the same.
    let fits = password.len() <= PASSWORD_MAX_BYTES;
    let tried = if fits { password.as_bytes() } else { b"" };
    let Ok(hash) = PasswordHash::new(stored.unwrap_or(nobodys)) else { return false };
    let same = Argon2::default().verify_password(tried, &hash).is_ok();
    same && fits && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_forty_hex_and_never_the_same() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());
        assert_eq!(one.len(), 40);
        assert!(one.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{one}");
        assert_ne!(one, other);
        assert!(same_hash(&key_hash(&one), &key_hash(&one)));
        assert!(!same_hash(&key_hash(&one), &key_hash(&other)));
        assert!(!key_hash(&one).contains(&one));
    }

    #[test]
    fn nobodys_hash_costs_what_everybodys_does() {
        let somebodys = hash_password("open sesame").unwrap();
        // `$argon2id$v=19$m=…,t=…,p=…`: all but salt and hash.
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert!(cost(&somebodys).starts_with("$argon2id$v=19$m="), "{somebodys}");
        assert_eq!(cost(nobodys()), cost(&somebodys));
    }

    #[test]
    fn only_the_password_opens() {
        let hash = hash_password("open sesame").unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(verify_password("open sesame", Some(&hash)));
        for (password, stored) in [
            ("open", Some(hash.as_str())),
            ("", Some(hash.as_str())),
            ("open sesame", None),
            ("", None),
            ("open sesame", Some("no hash")),
        ] {
            assert!(!verify_password(password, stored), "{password} {stored:?}");
        }
        let long = "x".repeat(PASSWORD_MAX_BYTES + 1);
        assert!(hash_password(&long).is_err());
        assert!(!verify_password(&long, Some(&hash_password("").unwrap())));
    }
}
