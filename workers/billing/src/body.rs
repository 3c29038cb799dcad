//! What billing is told (contract 6): the two bodies, made from the delivery's row alone, so that
//! every attempt sends the same bytes.
//!
//! Refuses to know the attempt, the time and the headers.
use chrono::{DateTime, SecondsFormat};
use referral::domain::Money;
use serde::Serialize;

use crate::claim::Delivery;

/// `BILLING_FORMAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/x-www-form-urlencoded`, the seed's.
    Form,
    /// JSON.
    Json,
}

impl Format {
    /// The value of `content-type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
        }
    }

    /// The body.
    pub fn body(self, delivery: &Delivery) -> String {
        match self {
            Self::Form => form(delivery),
            Self::Json => json(delivery),
        }
    }
}

fn form(delivery: &Delivery) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("amount", &Money::from_minor(delivery.amount_minor).to_string())
        .append_pair("program_name", &delivery.program_name)
        .append_pair("user_indicator_hash", &delivery.user_indicator_hash)
        .finish()
}

#[derive(Serialize)]
struct Granted<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Credit<'a>,
}

/// Members in the contract's order.
#[derive(Serialize)]
struct Credit<'a> {
    delivery_id: &'a str,
    user_hash: &'a str,
    kind: &'a str,
    amount: String,
    currency: &'a str,
    program_id: i64,
    program_name: &'a str,
    user_indicator_hash: &'a str,
    referred_user_hash: &'a str,
}

fn json(delivery: &Delivery) -> String {
    let granted = DateTime::from_timestamp_micros(delivery.created_us).unwrap_or_default();
    let event = Granted {
        r#type: "credit.granted",
        timestamp: granted.to_rfc3339_opts(SecondsFormat::Micros, true),
        data: Credit {
            delivery_id: &delivery.id,
            user_hash: &delivery.user_hash,
            kind: &delivery.kind,
            amount: Money::from_minor(delivery.amount_minor).to_string(),
            currency: &delivery.currency,
            program_id: delivery.program_id,
            program_name: &delivery.program_name,
            user_indicator_hash: &delivery.user_indicator_hash,
            referred_user_hash: &delivery.referred_user_hash,
        },
    };
    match serde_json::to_string(&event) {
        Ok(text) => text,
        Err(error) => unreachable!("texts and integers into a String: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::tests::delivery;

    #[test]
    fn the_form_is_exactly_the_contracts() {
        let cases = [
            ("Default", 1000, "amount=10.00&program_name=Default&user_indicator_hash=HASH"),
            (
                "A & B=ü %",
                5,
                "amount=0.05&program_name=A+%26+B%3D%C3%BC+%25&user_indicator_hash=HASH",
            ),
            (
                "*-._~'",
                123_456_789,
                "amount=1234567.89&program_name=*-._%7E%27&user_indicator_hash=HASH",
            ),
        ];
        for (program_name, amount_minor, expected) in cases {
            let delivery = Delivery {
                program_name: program_name.to_owned(),
                user_indicator_hash: "HASH".to_owned(),
                amount_minor,
                ..delivery("d-1")
            };
            assert_eq!(Format::Form.body(&delivery), expected);
        }
    }

    #[test]
    fn the_json_is_exactly_the_contracts() {
        let expected = concat!(
            r#"{"type":"credit.granted","timestamp":"2026-11-22T01:02:03.000004Z","data":{"#,
            r#""delivery_id":"d-1","user_hash":"alice","kind":"signup_credit","amount":"10.00","#,
            r#""currency":"USD","program_id":1,"program_name":"Default","#,
            r#""user_indicator_hash":"bob","referred_user_hash":"alice"}}"#
        );
        assert_eq!(Format::Json.body(&delivery("d-1")), expected);
    }
}
