//! What billing is told (contract 6): a credit, and the two bodies that are made of it alone, so
//! that every attempt sends the same bytes.
//!
//! Refuses to know the attempt, the time and the headers.
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use crate::domain::{Micros, Money, UserHash};

/// A credit on its way to billing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// The delivery's id: `webhook-id`.
    pub id: String,
    /// Who is credited.
    pub user_hash: String,
    /// `signup_credit` or `acquired_credit`.
    pub kind: String,
    /// In minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// The programme it is paid under.
    pub program_id: i64,
    /// Its name.
    pub program_name: String,
    /// The referrer.
    pub user_indicator_hash: String,
    /// Who was referred.
    pub referred_user_hash: String,
    /// W3C trace context of the event that it goes back to.
    pub traceparent: Option<String>,
    /// The rest of it.
    pub tracestate: Option<String>,
    /// When it was granted.
    pub created_us: i64,
}

impl Credit {
    /// One that nobody was granted, of nothing: to see what billing answers.
    pub fn made_up(id: &str, user: &UserHash, now: Micros) -> Self {
        Self {
            id: id.to_owned(),
            user_hash: user.as_str().to_owned(),
            kind: "signup_credit".to_owned(),
            amount_minor: 0,
            currency: "USD".to_owned(),
            program_id: 0,
            program_name: "Test".to_owned(),
            user_indicator_hash: "test-referrer".to_owned(),
            referred_user_hash: user.as_str().to_owned(),
            traceparent: None,
            tracestate: None,
            created_us: now.0,
        }
    }
}

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
    pub fn body(self, credit: &Credit) -> String {
        match self {
            Self::Form => form(credit),
            Self::Json => json(credit),
        }
    }
}

fn form(credit: &Credit) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("amount", &Money::from_minor(credit.amount_minor).to_string())
        .append_pair("program_name", &credit.program_name)
        .append_pair("user_indicator_hash", &credit.user_indicator_hash)
        .finish()
}

#[derive(Serialize)]
struct Granted<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

/// Members in the contract's order.
#[derive(Serialize)]
struct Data<'a> {
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

fn json(credit: &Credit) -> String {
    let granted = DateTime::from_timestamp_micros(credit.created_us).unwrap_or_default();
    let event = Granted {
        r#type: "credit.granted",
        timestamp: granted.to_rfc3339_opts(SecondsFormat::Micros, true),
        data: Data {
            delivery_id: &credit.id,
            user_hash: &credit.user_hash,
            kind: &credit.kind,
            amount: Money::from_minor(credit.amount_minor).to_string(),
            currency: &credit.currency,
            program_id: credit.program_id,
            program_name: &credit.program_name,
            user_indicator_hash: &credit.user_indicator_hash,
            referred_user_hash: &credit.referred_user_hash,
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

    fn credit() -> Credit {
        let user = UserHash::parse("alice").unwrap();
        let granted = Micros::parse("2026-11-22T01:02:03.000004Z").unwrap();
        Credit {
            amount_minor: 1000,
            program_id: 1,
            program_name: "Default".to_owned(),
            user_indicator_hash: "bob".to_owned(),
            ..Credit::made_up("d-1", &user, granted)
        }
    }

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
            let credit = Credit {
                program_name: program_name.to_owned(),
                user_indicator_hash: "HASH".to_owned(),
                amount_minor,
                ..credit()
            };
            assert_eq!(Format::Form.body(&credit), expected);
        }
    }

    #[test]
    fn the_json_is_exactly_the_contracts() {
        for kind in ["signup_credit", "acquired_credit"] {
            let expected = concat!(
                r#"{"type":"credit.granted","timestamp":"2026-11-22T01:02:03.000004Z","data":{"#,
                r#""delivery_id":"d-1","user_hash":"alice","kind":"KIND","amount":"10.00","#,
                r#""currency":"USD","program_id":1,"program_name":"Default","#,
                r#""user_indicator_hash":"bob","referred_user_hash":"alice"}}"#
            );
            let credit = Credit { kind: kind.to_owned(), ..credit() };
            assert_eq!(Format::Json.body(&credit), expected.replace("KIND", kind));
        }
    }
}
