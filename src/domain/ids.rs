//! Codes, user hashes, e-mail addresses and currencies: the names by which events speak of things.
//!
//! Sources: contract 1 (lengths and alphabets), contract 2 (codes), contract 5 (e-mails compare
//! without regard to case, trimmed).
use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Characters of a referral code (seed `000`: "20 characters").
pub const CODE_CHARS: usize = 20;
/// Longest user hash, in ASCII characters (contract 1).
pub const USER_HASH_MAX_CHARS: usize = 253;
/// Longest e-mail address, in characters (RFC 5321's path limit without the angle brackets).
pub const EMAIL_MAX_CHARS: usize = 254;

/// Why a text is not the thing it should be; reads on after the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// A referral code: 20 characters of `[0-9A-Za-z]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Code(String);

impl Code {
    /// Takes exactly 20 characters of `[0-9A-Za-z]`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() == CODE_CHARS && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid("must be 20 characters of 0-9, A-Z, a-z"))
        }
    }

    /// The code that every user gets with their signup (contract 1). A function of the user
    /// alone, so that it does not depend on which worker handles the signup, or how often.
    pub fn of_user(domain_id: i64, user: &UserHash) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"referral code of user\0");
        hash.update(domain_id.to_be_bytes());
        hash.update(user.as_str().as_bytes());
        let digest = hash.finalize();
        let mut number = [0u8; 16];
        number.copy_from_slice(&digest[..16]);
        Self::of_random(number)
    }

    /// A code made of these bytes, which should be random.
    pub fn of_random(bytes: [u8; 16]) -> Self {
        const ALPHABET: &[u8; 62] =
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut rest = u128::from_be_bytes(bytes);
        let text = (0..CODE_CHARS)
            .map(|_| {
                let digit = (rest % 62) as usize;
                rest /= 62;
                char::from(ALPHABET[digit])
            })
            .collect();
        Self(text)
    }

    /// The code's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The upstream system's name for a user: 1 to 253 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct UserHash(String);

impl UserHash {
    /// Takes 1 to 253 visible ASCII characters (no blanks).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = (1..=USER_HASH_MAX_CHARS).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid("must be 1 to 253 visible ASCII characters"))
        }
    }

    /// The hash's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address in the spelling it came in, with the key it is compared by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email {
    spelling: String,
    key: String,
}

impl Email {
    /// Takes `local@host`, trimmed; neither part empty, no blanks or control characters.
    ///
    /// Whether the address receives mail is for the mail system to find out; this only refuses
    /// what cannot be one.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let spelling = text.trim();
        let key = spelling.to_lowercase();
        let fits = |text: &str| text.chars().count() <= EMAIL_MAX_CHARS;
        let (local, host) = spelling.rsplit_once('@').unwrap_or_default();
        let clean = |part: &str| {
            !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        let host_ok = clean(host) && !host.starts_with('.') && !host.ends_with('.');
        if !clean(local)
            || local.contains('@')
            || !host_ok
            || spelling.contains([',', ';', '<', '>', '|'])
            // A few letters become two when they are made small.
            || !fits(spelling)
            || !fits(&key)
        {
            return Err(Invalid("must be an e-mail address of at most 254 characters"));
        }
        Ok(Self { spelling: spelling.to_owned(), key })
    }

    /// As it was written by the first who used it.
    pub fn spelling(&self) -> &str {
        &self.spelling
    }

    /// What two spellings of one address share.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// An ISO 4217 code: three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Takes three letters `A` to `Z`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(Invalid("must be an ISO 4217 code of three capital letters")),
        }
    }

    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

macro_rules! display {
    ($($t:ty),*) => {$(
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
display!(Code, UserHash, Currency);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_twenty_alphanumerics() {
        assert!(Code::parse("b4b9e071006f409d8e6d").is_ok());
        for bad in [
            "",
            "b4b9e071006f409d8e6",
            "b4b9e071006f409d8e6dd",
            "b4b9e071006f409d8e6-",
            "éb9e071006f409d8e6d",
        ] {
            assert!(Code::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_users_own_code_is_a_code_and_depends_on_user_and_domain_alone() {
        let user = UserHash::parse("alice").unwrap();
        let code = Code::of_user(1, &user);
        assert_eq!(Code::parse(code.as_str()), Ok(code.clone()));
        assert_eq!(code, Code::of_user(1, &user));
        assert_ne!(code, Code::of_user(2, &user));
        assert_ne!(code, Code::of_user(1, &UserHash::parse("bob").unwrap()));
    }

    #[test]
    fn emails_compare_without_case_and_keep_their_spelling() {
        let email = Email::parse("  Anna@Example.COM ").unwrap();
        assert_eq!((email.spelling(), email.key()), ("Anna@Example.COM", "anna@example.com"));
        for bad in
            ["", "a", "@", "a@", "@b", "a b@c", "a@b c", "a@b@c", "a@.b", "a,b@c", "a@b\u{0}"]
        {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_email_and_what_it_is_compared_by_have_at_most_254_characters() {
        for (letter, count, fits) in [("x", 252, true), ("x", 253, false), ("İ", 200, false)] {
            let text = format!("{}@b", letter.repeat(count));
            assert_eq!(Email::parse(&text).is_ok(), fits, "{count} {letter}");
        }
    }

    #[test]
    fn user_hashes_are_visible_ascii() {
        assert!(UserHash::parse(&"x".repeat(253)).is_ok());
        for bad in ["", "a b", "naïve", "a\n", &"x".repeat(254)] {
            assert!(UserHash::parse(bad).is_err(), "{bad}");
        }
    }
}
