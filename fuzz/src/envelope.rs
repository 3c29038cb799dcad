//! The envelope (contract 1): any message is whole bad, or events each good or bad on its own; what is
//! good keeps its bounds and is read back the same, what is bad is named.
//!
//! Input: lines with the content type, the routing key and the headers, `name: value`; an empty line;
//! the body.
use std::ops::Range;

use referral::{
    broker::{
        compose::Draft,
        envelope::{BATCH_EVENTS_MAX, Decoded, Incoming, Item, SINGLE, decode},
    },
    domain::{
        Bad, Data, Event, EventKey, Micros, Reason,
        event::{Paid, TEXT_MAX_CHARS},
        money::AMOUNT_MAX_MINOR,
    },
};
use serde_json::{Value, json, value::RawValue};

/// 2026-11-22T12:00:00Z.
const NOW: Micros = Micros(1_795_348_800_000_000);
/// A limit that inputs reach.
const MESSAGE_BYTES_MAX: usize = 6 << 10;
/// What a sentence may name.
const PLACES: [&str; 28] = [
    "content-type ",
    "the body ",
    "the batch",
    "the event",
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "domain",
    "traceparent",
    "tracestate",
    "data:",
    "data is",
    "data.code",
    "data.ip",
    "data.user_agent",
    "data.referrer",
    "data.user_hash",
    "data.query_string",
    "data.user_indicator",
    "data.email",
    "data.program_id",
    "data.currency",
    "data.amount",
    "data.total_amount_paid",
    "data.exchange",
    "exactly one of data.amount and data.total_amount_paid ",
];

#[derive(Clone, Copy)]
struct Sent<'a> {
    content_type: &'a str,
    routing_key: &'a str,
    head: &'a str,
    body: &'a [u8],
}

impl<'a> Sent<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
        let (head, body) = (&data[..end], data.get(end + 2..).unwrap_or_default());
        // AMQP's short texts are UTF-8, or the connection is gone.
        let head = std::str::from_utf8(head).ok()?;
        let (content_type, head) = head.split_once('\n').unwrap_or((head, ""));
        let (routing_key, head) = head.split_once('\n').unwrap_or((head, ""));
        Some(Self { content_type, routing_key, head, body })
    }

    fn header(&self, name: &str) -> Option<String> {
        let headers = self.head.split('\n').filter_map(|line| line.split_once(": "));
        headers.filter(|header| header.0 == name).map(|header| header.1.to_owned()).next()
    }

    fn decode(&self, bytes_max: usize) -> Decoded {
        let incoming = Incoming {
            content_type: Some(self.content_type).filter(|it| !it.is_empty()),
            routing_key: self.routing_key,
            body: self.body,
            header: &|name| self.header(name),
        };
        decode(&incoming, NOW, bytes_max)
    }
}

/// See the module.
pub fn envelope(data: &[u8]) {
    let Some(sent) = Sent::read(data) else { return };
    let items = match sent.decode(MESSAGE_BYTES_MAX) {
        Decoded::Whole(bad) => {
            let is_long = sent.body.len() > MESSAGE_BYTES_MAX;
            let has_many = bad.detail.starts_with("the batch has ");
            assert_eq!(bad.reason == Reason::TooLarge, is_long || has_many, "{bad:?}");
            return told(&bad);
        }
        Decoded::Events(items) => items,
    };
    assert!((1..=BATCH_EVENTS_MAX).contains(&items.len()));
    let mut end = None;
    for item in &items {
        match &item.raw {
            Some(raw) => end = Some(alone(&sent, item, raw, end)),
            None => assert_eq!(items.len(), 1, "only an event of a batch is a part of the body"),
        }
        match &item.checked {
            Ok(event) => {
                assert_eq!(item.named, None);
                bounds(event, sent.routing_key);
                again(event);
            }
            Err(bad) => told(bad),
        }
    }
}

/// An event of a batch is what stands there, and is the same event when it comes alone, as it would be
/// parked. Returns where it ends.
fn alone(sent: &Sent<'_>, item: &Item, raw: &Range<usize>, end: Option<usize>) -> usize {
    let before = &sent.body[end.unwrap_or_default()..raw.start];
    let before: Vec<u8> = before.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    assert_eq!(before, if end.is_none() { b"[" } else { b"," }, "between events");
    let body = &sent.body[raw.clone()];
    assert!(serde_json::from_slice::<&RawValue>(body).is_ok_and(|it| it.get().len() == body.len()));
    match (Sent { content_type: SINGLE, body, ..*sent }).decode(MESSAGE_BYTES_MAX) {
        Decoded::Events(one) => {
            let [one] = &one[..] else { panic!("{} events", one.len()) };
            assert_eq!(one.raw, None);
            assert_eq!(format!("{:?}", one.checked), format!("{:?}", item.checked));
            assert_eq!(one.named, item.named);
        }
        Decoded::Whole(bad) => panic!("alone it is whole bad: {bad:?}"),
    }
    raw.end
}

/// What contract 1 says of every event.
fn bounds(event: &Event, routing_key: &str) {
    let is_text =
        |text: &str| (1..=TEXT_MAX_CHARS).contains(&text.chars().count()) && !text.contains('\0');
    let required = [&event.id, &event.source, &event.domain];
    assert!(required.into_iter().all(|text| is_text(text)), "{event:?}");
    assert!([&event.trace.parent, &event.trace.state].into_iter().flatten().all(|it| is_text(it)));
    assert_eq!(event.key, EventKey::new(&event.source, &event.id));
    assert!(event.time <= NOW.plus_ms(24 * 3600 * 1000), "{event:?}");
    let its_key = event.data.event_type().routing_key();
    assert!(routing_key == "batch" || routing_key == its_key, "{event:?} under {routing_key:?}");
    match &event.data {
        Data::Click(click) => {
            let texts = [&click.ip, &click.user_agent, &click.referrer, &click.query_string];
            assert!(texts.into_iter().flatten().all(|text| is_text(text)), "{click:?}");
            let hash = click.user_hash.as_deref().unwrap_or("x");
            assert!(is_text(hash) && hash.chars().count() <= 253, "{click:?}");
        }
        Data::Signup(_) => {}
        Data::Payment(payment) => {
            let (minor, least) = match payment.paid {
                Paid::Amount(amount) => (amount.minor(), 1),
                Paid::Total(total) => (total.minor(), 0),
            };
            assert!((least..=AMOUNT_MAX_MINOR).contains(&minor), "{payment:?}");
            assert!(payment.success || payment.exchange.is_some(), "{payment:?}");
            let exchange = payment.exchange.as_deref().unwrap_or_default();
            assert!(exchange.chars().count() <= TEXT_MAX_CHARS, "{payment:?}");
        }
    }
}

/// Composed of what was read, it is read the same.
fn again(event: &Event) {
    let mut event = event.clone();
    if event.trace.parent.is_none() {
        // Alone it says nothing (W3C Trace Context, 3.3), and is not looked at.
        event.trace.state = None;
    }
    let data = match &mut event.data {
        Data::Click(it) => json!({
            "code": it.code, "ip": it.ip, "user_agent": it.user_agent, "referrer": it.referrer,
            "user_hash": it.user_hash, "query_string": it.query_string,
        }),
        Data::Signup(it) => json!({
            "user_hash": it.user_hash, "code": it.code, "user_indicator": it.user_indicator,
            "email": it.email.as_ref().map(|email| email.spelling()), "program_id": it.program_id,
        }),
        Data::Payment(it) => {
            // Kept as it came, to the byte, which a value is not.
            (it.exchange, it.success) = (None, true);
            let (amount, total) = match it.paid {
                Paid::Amount(amount) => (Some(amount.to_string()), None),
                Paid::Total(total) => (None, Some(total.to_string())),
            };
            json!({
                "user_hash": it.user_hash, "currency": it.currency.map(|it| it.to_string()),
                "amount": amount, "total_amount_paid": total,
            })
        }
    };
    let composed = composed(&event, data);
    let routing_key = event.data.event_type().routing_key();
    let sent = Sent { content_type: SINGLE, routing_key, head: "", body: composed.as_bytes() };
    // Escapes may make it longer than it came.
    let Decoded::Events(items) = sent.decode(usize::MAX) else { panic!("{composed}") };
    assert_eq!(items[0].checked.as_ref().ok(), Some(&event), "{composed}");
}

fn composed(event: &Event, data: Value) -> String {
    let draft = Draft {
        id: event.id.clone(),
        source: event.source.clone().into(),
        event_type: event.data.event_type(),
        time: event.time,
        domain: event.domain.as_str().into(),
        trace: event.trace.clone(),
        data: data.into(),
    };
    draft.to_json()
}

/// One human sentence that names what is bad; and the reason is one for that.
fn told(bad: &Bad) {
    let detail = &bad.detail;
    assert!(!detail.contains(char::is_control), "{bad:?}");
    let expected: &[&str] = match bad.reason {
        Reason::TooLarge => &["the body has ", "the batch has "],
        Reason::UnknownType | Reason::WrongKey => &["type "],
        Reason::TimeInFuture => &["time "],
        Reason::CodeInvalid => &["data.code "],
        Reason::AmountInvalid => &["data.amount ", "data.total_amount_paid "],
        Reason::Schema => &PLACES,
        // Where it breaks off, there are other members.
        Reason::MalformedJson => {
            assert!(detail == "the body is not UTF-8" || detail.contains(": "), "{bad:?}");
            return;
        }
        other => panic!("{other:?} needs a database: {bad:?}"),
    };
    assert!(expected.iter().any(|place| detail.starts_with(place)), "{bad:?}");
}
