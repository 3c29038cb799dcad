//! From a parked message back to the one that was published: the counterpart of
//! [`parking`](super::parking), and what can be said of a parked message at a glance.
//!
//! Owns the key that it belongs to. Refuses to judge it: that is the workers', once more.
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    HeaderValue, Message, Outgoing,
    envelope::{self, BATCH, BINARY, SINGLE},
    topology::{EVENTS, KEY_BATCH, Parked},
};
use crate::domain::EventType;

/// Headers with which a message was parked, or dead-lettered by the broker.
const OF_PARKING: [&str; 4] = ["x-reason", "x-detail", "x-worker", "x-first-seen"];
const OF_THE_BROKER: [&str; 3] = ["x-death", "x-first-death-", "x-last-death-"];
const DELIVERY_COUNT: &str = "x-delivery-count";
/// The broker's own reason for a message that it gave up.
const FIRST_DEATH: &str = "x-first-death-reason";

/// Names of an event, as far as they can be read; nothing of it is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    /// CloudEvents `type`.
    pub kind: Option<String>,
    /// CloudEvents `id`.
    pub id: Option<String>,
    /// CloudEvents `source`.
    pub source: Option<String>,
    /// The tenant.
    pub domain: Option<String>,
}

/// The members of an event that name it, of whatever type they are.
#[derive(Default, Deserialize)]
struct Members<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    domain: Option<&'a RawValue>,
}

impl From<Members<'_>> for Glance {
    fn from(members: Members<'_>) -> Self {
        let text = |raw: Option<&RawValue>| serde_json::from_str(raw?.get()).ok();
        let Members { kind, id, source, domain } = members;
        Self { kind: text(kind), id: text(id), source: text(source), domain: text(domain) }
    }
}

/// Why a message was parked; for one that the broker gave up its own word (`delivery_limit`); empty
/// where neither says so.
pub fn reason(parked: &Message) -> &str {
    let header = |name| parked.headers.get_text(name);
    header("x-reason").or_else(|| header(FIRST_DEATH)).unwrap_or_default()
}

/// A character of a message as people may be shown it: it neither moves a terminal nor ends a line elsewhere.
pub fn printable(c: char) -> char {
    if c.is_control() && !"\n\t".contains(c) { '\u{fffd}' } else { c }
}

/// The names of a parked single event; of anything else none.
pub fn glance(parked: &Message) -> Glance {
    let essence = envelope::essence(parked.content_type.as_deref());
    if essence.eq_ignore_ascii_case(SINGLE) {
        return serde_json::from_slice::<Members<'_>>(&parked.body).unwrap_or_default().into();
    }
    if !essence.eq_ignore_ascii_case(BINARY) {
        return Glance::default();
    }
    let header = |name: &str| parked.headers.get_text(name).map(str::to_owned);
    let attribute = |name: &str| envelope::attribute(name, &header);
    Glance {
        kind: attribute("type"),
        id: attribute("id"),
        source: attribute("source"),
        domain: attribute("domain"),
    }
}

/// The message as it goes back to where `of` got it from: the same bytes, content type, `message-id` and
/// trace context, without what was added when it was parked. An event goes under the key of its type, a
/// batch under that of all its events or under `batch`, and what nobody can make sense of under a key for
/// which the same worker answers.
pub fn replayed(parked: &Message, of: &Parked) -> Outgoing {
    let key = if of.exchange == EVENTS { key(parked) } else { None };
    let kept = parked.headers.iter().filter(|(name, value)| {
        !matches!(value, HeaderValue::Other(_))
            && *name != DELIVERY_COUNT
            && !OF_PARKING.contains(name)
            && !OF_THE_BROKER.iter().any(|prefix| name.starts_with(prefix))
    });
    Outgoing {
        message_id: parked.message_id.clone(),
        headers: kept.map(|(name, value)| (name.to_owned(), value.clone())).collect(),
        any_size: true,
        ..Outgoing::new(
            of.exchange,
            key.unwrap_or(of.key),
            parked.content_type.clone().unwrap_or_default(),
            &parked.body[..],
        )
    }
}

/// The key that the event, or the events, belong under.
fn key(parked: &Message) -> Option<&'static str> {
    let type_of = |glance: Glance| EventType::parse(&glance.kind?);
    let essence = envelope::essence(parked.content_type.as_deref());
    if !essence.eq_ignore_ascii_case(BATCH) {
        return type_of(glance(parked)).map(EventType::routing_key);
    }
    let events: Vec<Members<'_>> = serde_json::from_slice(&parked.body).ok()?;
    let mut types = events.into_iter().map(|event| type_of(event.into()));
    let first = types.next()?;
    let alike = types.all(|kind| kind == first);
    first.filter(|_| alike).map_or(Some(KEY_BATCH), |kind| Some(kind.routing_key()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::topology::PARKED;

    fn message(content_type: &str, body: &str, headers: &[(&str, &str)]) -> Message {
        let header = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), HeaderValue::Text((*value).to_owned()))
        };
        Message {
            tag: 1,
            body: body.as_bytes().to_vec().into(),
            exchange: "referral.dead".to_owned(),
            routing_key: "referral.credits".to_owned(),
            content_type: (!content_type.is_empty()).then(|| content_type.to_owned()),
            message_id: Some("m".to_owned()),
            correlation_id: None,
            reply_to: None,
            headers: headers.iter().map(header).collect(),
            delivery_count: 3,
            redelivered: true,
        }
    }

    #[test]
    fn a_parked_message_goes_back_under_the_key_it_belongs_to() {
        let click = r#"{"type":"referral.click.v1"}"#;
        let signup = r#"{"type":"referral.signup.v1","id":"\u0031"}"#;
        let typed = |t: &'static str| [("cloudEvents:type", t)];
        let with_underscore = [("cloudEvents_type", "referral.payment.v1")];
        let batch = |events: &[&str]| format!("[{}]", events.join(","));
        let cases = [
            ("its type's", message(SINGLE, signup, &[]), ["signup", "signup"]),
            ("with parameters", message(&format!("{SINGLE}; x=y"), click, &[]), ["click", "click"]),
            ("unknown type", message(SINGLE, r#"{"type":"x"}"#, &[]), ["click", "batch"]),
            (
                "other members",
                message(SINGLE, r#"{"type":"referral.payment.v1","id":5}"#, &[]),
                ["payment", "payment"],
            ),
            ("no JSON", message(SINGLE, "{", &[]), ["click", "batch"]),
            ("no type", message(SINGLE, "[]", &[]), ["click", "batch"]),
            ("binary", message(BINARY, "{}", &typed("referral.click.v1")), ["click", "click"]),
            ("with _", message(BINARY, "{}", &with_underscore), ["payment", "payment"]),
            ("no attributes", message(BINARY, signup, &[]), ["click", "batch"]),
            ("no content type", message("", signup, &[]), ["click", "batch"]),
            ("alike", message(BATCH, &batch(&[click, click]), &[]), ["click", "click"]),
            ("mixed", message(BATCH, &batch(&[click, signup]), &[]), ["batch", "batch"]),
            ("in part unknown", message(BATCH, &batch(&[click, "{}"]), &[]), ["batch", "batch"]),
            ("an empty batch", message(BATCH, "[]", &[]), ["click", "batch"]),
            ("no batch", message(BATCH, "{}", &[]), ["click", "batch"]),
        ];
        for (name, parked, expected) in cases {
            let [daily_records, credits, billing, mail] = PARKED.map(|of| replayed(&parked, &of));
            for (replayed, key) in [daily_records, credits].iter().zip(expected) {
                assert_eq!((&*replayed.exchange, &*replayed.routing_key), (EVENTS, key), "{name}");
                assert_eq!(replayed.body, parked.body, "{name}");
                assert!(replayed.mandatory && replayed.persistent && replayed.any_size);
            }
            assert_eq!((&*billing.exchange, &*billing.routing_key), ("referral.work", "billing"));
            assert_eq!((&*mail.exchange, &*mail.routing_key), ("referral.work", "mail"));
        }
    }

    #[test]
    fn what_parking_added_is_taken_off_again() {
        let headers = [
            ("x-reason", "schema"),
            ("x-detail", "d"),
            ("x-worker", "credits"),
            ("x-first-seen", "2026-01-01T00:00:00Z"),
            ("x-first-death-reason", "delivery_limit"),
            ("x-delivery-count", "3"),
            ("cloudEvents:type", "referral.click.v1"),
            ("traceparent", "00-a-b-01"),
            ("x-publisher", "shop"),
        ];
        let parked = message(BINARY, "{}", &headers);
        let replayed = replayed(&parked, &PARKED[1]);
        let names: Vec<&str> = replayed.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cloudEvents:type", "traceparent", "x-publisher"]);
        assert_eq!((replayed.message_id.as_deref(), &*replayed.content_type), (Some("m"), BINARY));
        assert_eq!(reason(&parked), "schema");
        assert_eq!(reason(&message("", "", &headers[4..])), "delivery_limit");
        assert_eq!(reason(&message("", "", &[])), "");
    }
}
