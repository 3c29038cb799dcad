//! Signatures by Standard Webhooks (contract 6): `v1,` and the base64 HMAC-SHA256 of
//! `id.timestamp.body`, one for each secret.
//!
//! Owns the secrets; refuses to show them.
use std::fmt;

use base64::{
    Engine as _,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::settings::SettingError;

const SETTING: &str = "WEBHOOK_SECRETS";
const PREFIX: &str = "whsec_";
/// The padding of a secret may be left out, as some tools do.
const SECRET: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Signs with each of its secrets, in their order.
#[derive(Clone)]
pub struct Signer {
    keys: Vec<Hmac<Sha256>>,
}

impl Signer {
    /// From secrets `whsec_` + base64. The error says which one is bad, by its place alone.
    pub fn new(secrets: &[String]) -> Result<Self, SettingError> {
        let keys = secrets.iter().enumerate().map(|(place, secret)| {
            key(secret).ok_or_else(|| {
                let problem = format!("secret {} is not whsec_ and base64", place + 1);
                SettingError::new(SETTING, problem)
            })
        });
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    /// The value of `webhook-signature`; `None` without secrets.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> Option<String> {
        let signed = format!("{id}.{timestamp}.{body}");
        let signatures = self.keys.iter().map(|key| {
            let mut mac = key.clone();
            mac.update(signed.as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        Some(signatures.collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
    }

    /// Whether there is no secret to sign with.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} secrets)", self.keys.len())
    }
}

fn key(secret: &str) -> Option<Hmac<Sha256>> {
    let bytes = SECRET.decode(secret.strip_prefix(PREFIX)?).ok()?;
    if bytes.is_empty() { None } else { Hmac::new_from_slice(&bytes).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use standardwebhooks::Webhook;

    use super::*;

    const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn signer(secrets: &[&str]) -> Result<Signer, SettingError> {
        Signer::new(&secrets.iter().map(|&s| s.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn published_vectors() {
        let cases = [
            (
                NEW,
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                OLD,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ];
        for (secret, id, timestamp, body, expected) in cases {
            let signature = signer(&[secret]).unwrap().sign(id, timestamp, body);
            assert_eq!(signature.as_deref(), Some(expected), "{id}");
        }
    }

    #[test]
    fn every_secret_signs_and_none_is_no_signature() {
        let both = signer(&[NEW, OLD]).unwrap().sign("id", 1, "body").unwrap();
        let alone = [NEW, OLD].map(|s| signer(&[s]).unwrap().sign("id", 1, "body").unwrap());
        assert_eq!(both, alone.join(" "));
        assert_eq!(signer(&[]).unwrap().sign("id", 1, "body"), None);
    }

    #[test]
    fn a_malformed_secret_is_named_by_its_place_and_not_shown() {
        for bad in ["canary", "whsec_", "whsec_canary!", "WHSEC_MfKQ", "whsec_canary\u{e9}"] {
            let error = signer(&[OLD, bad]).unwrap_err().to_string();
            assert_eq!(error, "WEBHOOK_SECRETS: secret 2 is not whsec_ and base64", "{bad}");
        }
        assert!(signer(&["whsec_AAE", "whsec_AAE="]).is_ok(), "padding may be left out");
        assert!(!format!("{:?}", signer(&[OLD]).unwrap()).contains("MfKQ"));
    }

    proptest! {
        #[test]
        fn as_the_reference_does(
            key in proptest::collection::vec(any::<u8>(), 1..80),
            id in "[!-~]{1,36}",
            timestamp in 0_i64..4_000_000_000,
            body in ".{0,200}",
        ) {
            let secret = format!("whsec_{}", STANDARD.encode(key));
            let expected = Webhook::new(&secret).unwrap().sign(&id, timestamp, body.as_bytes());
            let signature = signer(&[&secret]).unwrap().sign(&id, timestamp, &body);
            prop_assert_eq!(signature, expected.ok());
        }
    }
}
