//! One-time codes (TOTP, RFC 6238): how their secrets are made and shown, and which code is good
//! when (contract 2).
//!
//! What every authenticator app speaks: SHA-1, 6 digits, 30 seconds. Refuses to remember which
//! code was used; that is the database's, see `store::access`.
use totp_rs::{Builder, Secret, Totp};

use crate::{credentials::CredentialError, domain::Micros};

/// Bytes of randomness in a secret: 160 bits, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// Seconds that a code is for.
const STEP_SECONDS: i64 = 30;
/// How many steps a clock may be off, either way.
const SKEW_STEPS: i64 = 1;
/// Who the codes are for, as an authenticator app shows it.
const ISSUER: &str = "Referral Pipeline";
/// What codes are compared with where there is no secret, so that it takes the same time.
const NOBODYS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A new secret, in base32.
pub fn new_secret() -> Result<String, CredentialError> {
    let mut bytes = [0u8; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(CredentialError::Randomness)?;
    Ok(Secret::from(bytes).to_base32())
}

/// The `otpauth://` URI that hands a secret to an authenticator app.
pub fn uri(secret: &str, login: &str, domain: &str) -> Result<String, CredentialError> {
    // The label's one colon is between issuer and account.
    let account = format!("{login}@{domain}").replace(':', "_");
    let bad = |error: &dyn std::fmt::Display| CredentialError::OneTime(error.to_string());
    let secret = Secret::try_from_base32(secret).map_err(|error| bad(&error))?;
    let built = Builder::new()
        .with_secret(secret)
        .with_account_name(account)
        .with_issuer(Some(ISSUER))
        .build()
        .map_err(|error| bad(&error))?;
    built.to_url().map_err(|error| bad(&error))
}

/// The step whose code this is, of those that are good at `now` and come after the last one that
/// was taken. Takes the same time whatever is wrong, also without a secret.
pub fn matching(secret: Option<&str>, last_step: i64, code: &str, now: Micros) -> Option<i64> {
    let totp = totp(secret.unwrap_or(NOBODYS))?;
    let current = now.0.div_euclid(1_000_000).div_euclid(STEP_SECONDS).max(SKEW_STEPS);
    let mut found = None;
    for step in current - SKEW_STEPS..=current + SKEW_STEPS {
        let same = totp.check(code, (step * STEP_SECONDS) as u64).is_some();
        if same && step > last_step {
            found = Some(step);
        }
    }
    found.filter(|_| secret.is_some())
}

/// Without the library's own skew: it says only the first of the steps that match.
fn totp(secret: &str) -> Option<Totp> {
    let secret = Secret::try_from_base32(secret).ok()?;
    Builder::new().with_skew(0).with_secret(secret).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, in base32; its codes there have 8 digits, these are the last 6.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const VECTORS: [(i64, &str); 5] = [
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn at(second: i64) -> Micros {
        Micros(second * 1_000_000)
    }

    #[test]
    fn codes_are_those_of_the_rfc_for_their_step_and_one_either_side() {
        for (second, code) in VECTORS {
            let step = second / 30;
            for (off, expected) in
                [(-60, None), (-30, Some(step)), (0, Some(step)), (30, Some(step)), (60, None)]
            {
                let found = matching(Some(SECRET), 0, code, at(second + off));
                assert_eq!(found, expected, "{code} at {second}{off:+}");
            }
        }
    }

    #[test]
    fn a_code_is_taken_once_and_nothing_else_is_one() {
        let (second, code) = VECTORS[2];
        let step = second / 30;
        for (name, secret, last_step, code, expected) in [
            ("the first time", Some(SECRET), step - 1, code, Some(step)),
            ("used", Some(SECRET), step, code, None),
            ("a later one was used", Some(SECRET), step + 1, code, None),
            ("no secret", None, 0, code, None),
            ("a broken secret", Some("0"), 0, code, None),
            ("without its zeros", Some(SECRET), 0, "5924", None),
            ("a sign", Some(SECRET), 0, "+05924", None),
            ("blanks", Some(SECRET), 0, " 005924", None),
            ("other digits", Some(SECRET), 0, "٠٠٥٩٢٤", None),
            ("nothing", Some(SECRET), 0, "", None),
            ("another", Some(SECRET), 0, "005925", None),
        ] {
            assert_eq!(matching(secret, last_step, code, at(second)), expected, "{name}");
        }
        assert_eq!(matching(Some(SECRET), 0, code, Micros(i64::MIN)), None);
    }

    #[test]
    fn a_secret_has_160_bits_and_a_uri_that_apps_read() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
        assert_eq!(
            uri(SECRET, "anna: x", "shop").unwrap(),
            format!(
                "otpauth://totp/Referral%20Pipeline:anna_%20x%40shop?secret={SECRET}\
                &issuer=Referral%20Pipeline"
            )
        );
        assert!(uri("0", "anna", "shop").unwrap_err().to_string().contains("one-time"));
    }
}
