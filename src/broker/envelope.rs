//! From a message's bytes to checked events: the three forms of contract 1's envelope, and every
//! rule that needs neither database nor broker.
//!
//! This is the one shared check of validity: both workers of a message come to the same verdict
//! here, and the one that answers for the message's key parks what is bad.
use std::{borrow::Cow, ops::Range};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::{
    Bad, Click, Code, Currency, Data, Email, Event, EventKey, EventType, Micros, Money, Payment,
    Reason, Signup, Trace, UserHash,
    event::{DEFAULT_DOMAIN, Paid, TEXT_MAX_CHARS},
    ids::Invalid,
};

/// One event, CloudEvents JSON.
pub const SINGLE: &str = "application/cloudevents+json";
/// An array of events, CloudEvents JSON.
pub const BATCH: &str = "application/cloudevents-batch+json";
/// The `data` alone, attributes in headers.
pub const BINARY: &str = "application/json";
/// Most events in one message (contract 1).
pub const BATCH_EVENTS_MAX: usize = 1000;
/// The routing key of messages that mix types.
pub const BATCH_KEY: &str = "batch";
/// How far in the future an event's time may lie: 24 h.
const FUTURE_MAX_MS: i64 = 24 * 60 * 60 * 1000;

/// What decoding needs of a message.
pub struct Incoming<'a> {
    /// AMQP `content-type`.
    pub content_type: Option<&'a str>,
    /// AMQP routing key.
    pub routing_key: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Looks a header up by name.
    pub header: &'a dyn Fn(&str) -> Option<String>,
}

/// A message's content.
#[derive(Debug)]
pub enum Decoded {
    /// The message as a whole is bad.
    Whole(Bad),
    /// Its events, each good or bad on its own.
    Events(Vec<Item>),
}

/// One event of a message.
#[derive(Debug)]
pub struct Item {
    /// The event, or why it is none.
    pub checked: Result<Event, Bad>,
    /// Where its bytes stand in the body of a batch; `None`: the whole message is this event.
    pub raw: Option<Range<usize>>,
    /// `id` and `source` of a bad event, where they could be read: for the reply.
    pub named: Option<(String, String)>,
}

/// Decodes one message. `message_max` is `MAX_MESSAGE`, in bytes.
pub fn decode(incoming: &Incoming<'_>, now: Micros, message_max: usize) -> Decoded {
    if incoming.body.len() > message_max {
        let detail =
            format!("the body has {} bytes, the limit is {message_max}", incoming.body.len());
        return Decoded::Whole(Bad::new(Reason::TooLarge, detail));
    }
    let Ok(text) = std::str::from_utf8(incoming.body) else {
        return Decoded::Whole(Bad::new(Reason::MalformedJson, "the body is not UTF-8"));
    };
    let essence = incoming.content_type.unwrap_or_default();
    let essence = essence.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(SINGLE) {
        Decoded::Events(vec![single(text, None, incoming, now)])
    } else if essence.eq_ignore_ascii_case(BATCH) {
        batch(text, incoming, now)
    } else if essence.eq_ignore_ascii_case(BINARY) {
        Decoded::Events(vec![binary(text, incoming, now)])
    } else {
        let detail = format!("content-type must be {SINGLE}, {BATCH} or {BINARY}");
        Decoded::Whole(Bad::new(Reason::Schema, detail))
    }
}

fn batch(text: &str, incoming: &Incoming<'_>, now: Micros) -> Decoded {
    let events: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(events) => events,
        Err(error) => return Decoded::Whole(json_error("the batch", &error)),
    };
    if events.is_empty() {
        return Decoded::Whole(Bad::new(Reason::Schema, "the batch is empty"));
    }
    if events.len() > BATCH_EVENTS_MAX {
        let detail =
            format!("the batch has {} events, the limit is {BATCH_EVENTS_MAX}", events.len());
        return Decoded::Whole(Bad::new(Reason::TooLarge, detail));
    }
    let items = events.into_iter().map(|raw| {
        let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        single(raw.get(), Some(start..start + raw.get().len()), incoming, now)
    });
    Decoded::Events(items.collect())
}

/// The members of an event in JSON format.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    specversion: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    domain: Option<Cow<'a, str>>,
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tracestate: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn single(text: &str, raw: Option<Range<usize>>, incoming: &Incoming<'_>, now: Micros) -> Item {
    match parse::<Envelope<'_>>(text, "") {
        Ok(mut envelope) => {
            if envelope.traceparent.is_none() {
                envelope.traceparent = (incoming.header)("traceparent").map(Cow::Owned);
                envelope.tracestate = (incoming.header)("tracestate").map(Cow::Owned);
            }
            let checked = check(&envelope, incoming.routing_key, now);
            let named = if checked.is_err() { envelope.named() } else { None };
            Item { checked, raw, named }
        }
        Err(bad) => Item { checked: Err(bad), raw, named: None },
    }
}

fn binary(text: &str, incoming: &Incoming<'_>, now: Micros) -> Item {
    let attribute = |name: &str| {
        (incoming.header)(&format!("cloudEvents:{name}"))
            .or_else(|| (incoming.header)(&format!("cloudEvents_{name}")))
            .map(Cow::Owned)
    };
    let mut envelope = Envelope {
        specversion: attribute("specversion"),
        id: attribute("id"),
        source: attribute("source"),
        kind: attribute("type"),
        time: attribute("time"),
        domain: attribute("domain"),
        traceparent: attribute("traceparent")
            .or_else(|| (incoming.header)("traceparent").map(Cow::Owned)),
        tracestate: attribute("tracestate")
            .or_else(|| (incoming.header)("tracestate").map(Cow::Owned)),
        data: None,
    };
    let checked = match serde_json::from_str::<&RawValue>(text) {
        Ok(data) => {
            envelope.data = Some(data);
            check(&envelope, incoming.routing_key, now)
        }
        Err(error) => Err(json_error("data", &error)),
    };
    let named = if checked.is_err() { envelope.named() } else { None };
    Item { checked, raw: None, named }
}

impl Envelope<'_> {
    /// The pair that names the event, where both are there.
    fn named(&self) -> Option<(String, String)> {
        let (id, source) = (self.id.as_deref()?, self.source.as_deref()?);
        Some((id.to_owned(), source.to_owned()))
    }
}

fn check(envelope: &Envelope<'_>, routing_key: &str, now: Micros) -> Result<Event, Bad> {
    if envelope.specversion.as_deref() != Some("1.0") {
        return Err(Bad::new(Reason::Schema, "specversion must be \"1.0\""));
    }
    let id = required_text("id", envelope.id.as_deref())?;
    let source = required_text("source", envelope.source.as_deref())?;
    let kind = required_text("type", envelope.kind.as_deref())?;
    let Some(event_type) = EventType::parse(&kind) else {
        return Err(Bad::new(Reason::UnknownType, format!("type {kind:?} is not known")));
    };
    if routing_key != BATCH_KEY && routing_key != event_type.routing_key() {
        let detail = format!("type {kind} does not belong under the routing key {routing_key:?}");
        return Err(Bad::new(Reason::WrongKey, detail));
    }
    let time = required_text("time", envelope.time.as_deref())?;
    let time = Micros::parse(&time).map_err(|e| invalid(Reason::Schema, "time", e))?;
    if time > now.plus_ms(FUTURE_MAX_MS) {
        return Err(Bad::new(Reason::TimeInFuture, "time lies more than 24 h in the future"));
    }
    let domain =
        text("domain", envelope.domain.as_deref())?.unwrap_or_else(|| DEFAULT_DOMAIN.to_owned());
    let trace = Trace {
        parent: text("traceparent", envelope.traceparent.as_deref())?,
        state: text("tracestate", envelope.tracestate.as_deref())?,
    };
    let data = envelope.data.ok_or_else(|| Bad::new(Reason::Schema, "data is required"))?;
    let data = match event_type {
        EventType::Click => Data::Click(click(data.get())?),
        EventType::Signup => Data::Signup(signup(data.get())?),
        EventType::Payment => Data::Payment(payment(data.get())?),
    };
    Ok(Event { key: EventKey::new(&source, &id), id, source, time, domain, trace, data })
}

#[derive(Deserialize)]
struct ClickData<'a> {
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ip: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_agent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    referrer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_hash: Option<Cow<'a, str>>,
    #[serde(borrow)]
    query_string: Option<Cow<'a, str>>,
}

fn click(data: &str) -> Result<Click, Bad> {
    let data: ClickData<'_> = parse(data, "data.")?;
    let code = data.code.ok_or_else(|| Bad::new(Reason::Schema, "data.code is required"))?;
    let code = Code::parse(&code).map_err(|e| invalid(Reason::CodeInvalid, "data.code", e))?;
    let user_hash = text("data.user_hash", data.user_hash.as_deref())?;
    if user_hash
        .as_ref()
        .is_some_and(|hash| hash.chars().count() > crate::domain::ids::USER_HASH_MAX_CHARS)
    {
        return Err(Bad::new(Reason::Schema, "data.user_hash must be at most 253 characters"));
    }
    Ok(Click {
        code,
        ip: text("data.ip", data.ip.as_deref())?,
        user_agent: text("data.user_agent", data.user_agent.as_deref())?,
        referrer: text("data.referrer", data.referrer.as_deref())?,
        user_hash,
        query_string: text("data.query_string", data.query_string.as_deref())?,
    })
}

#[derive(Deserialize)]
struct SignupData<'a> {
    #[serde(borrow)]
    user_hash: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_indicator: Option<Cow<'a, str>>,
    #[serde(borrow)]
    email: Option<Cow<'a, str>>,
    program_id: Option<i64>,
}

fn signup(data: &str) -> Result<Signup, Bad> {
    let data: SignupData<'_> = parse(data, "data.")?;
    let code = text("data.code", data.code.as_deref())?;
    let indicator = text("data.user_indicator", data.user_indicator.as_deref())?;
    let email = text("data.email", data.email.as_deref())?;
    Ok(Signup {
        user_hash: user_hash(data.user_hash.as_deref())?,
        code: optional(code, Code::parse, Reason::CodeInvalid, "data.code")?,
        user_indicator: optional(
            indicator,
            UserHash::parse,
            Reason::Schema,
            "data.user_indicator",
        )?,
        email: optional(email, Email::parse, Reason::Schema, "data.email")?,
        program_id: data.program_id,
    })
}

#[derive(Deserialize)]
struct PaymentData<'a> {
    #[serde(borrow)]
    user_hash: Option<Cow<'a, str>>,
    #[serde(borrow)]
    currency: Option<Cow<'a, str>>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    total_amount_paid: Option<&'a RawValue>,
    #[serde(borrow)]
    exchange: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Exchange {
    success: Option<bool>,
}

fn payment(data: &str) -> Result<Payment, Bad> {
    let data: PaymentData<'_> = parse(data, "data.")?;
    let currency = text("data.currency", data.currency.as_deref())?;
    let paid = match (present(data.amount), present(data.total_amount_paid)) {
        (Some(amount), None) => Paid::Amount(money("data.amount", amount)?),
        (None, Some(total)) => Paid::Total(money("data.total_amount_paid", total)?),
        _ => {
            let detail = "exactly one of data.amount and data.total_amount_paid is required";
            return Err(Bad::new(Reason::Schema, detail));
        }
    };
    if paid == Paid::Amount(Money::ZERO) {
        return Err(Bad::new(Reason::AmountInvalid, "data.amount must be greater than 0"));
    }
    let exchange = present(data.exchange);
    let success = match exchange {
        Some(exchange) => {
            if exchange.get().chars().count() > TEXT_MAX_CHARS {
                return Err(Bad::new(
                    Reason::Schema,
                    "data.exchange must be at most 2048 characters",
                ));
            }
            parse::<Exchange>(exchange.get(), "data.exchange.")?.success != Some(false)
        }
        None => true,
    };
    Ok(Payment {
        user_hash: user_hash(data.user_hash.as_deref())?,
        currency: optional(currency, Currency::parse, Reason::Schema, "data.currency")?,
        paid,
        exchange: exchange.map(|raw| raw.get().to_owned()),
        success,
    })
}

fn user_hash(value: Option<&str>) -> Result<UserHash, Bad> {
    let value = value.ok_or_else(|| Bad::new(Reason::Schema, "data.user_hash is required"))?;
    UserHash::parse(value).map_err(|e| invalid(Reason::Schema, "data.user_hash", e))
}

/// A JSON `null` is a missing member.
fn present(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|raw| raw.get() != "null")
}

/// A decimal string or a JSON number, taken from its text: no float in between.
fn money(field: &str, raw: &RawValue) -> Result<Money, Bad> {
    let text: Cow<'_, str> = match raw.get().as_bytes().first() {
        Some(b'"') => parse(raw.get(), &format!("{field}."))?,
        _ => Cow::Borrowed(raw.get()),
    };
    Money::parse(&text).map_err(|e| invalid(Reason::AmountInvalid, field, e))
}

fn required_text(field: &str, value: Option<&str>) -> Result<String, Bad> {
    text(field, value)?.ok_or_else(|| Bad::new(Reason::Schema, format!("{field} is required")))
}

/// An optional text: an empty one counts as missing, as many publishers send it so.
fn text(field: &str, value: Option<&str>) -> Result<Option<String>, Bad> {
    let Some(value) = value.filter(|text| !text.is_empty()) else { return Ok(None) };
    // Bytes are an upper bound of characters: counting is for the rare long text.
    if value.len() > TEXT_MAX_CHARS && value.chars().count() > TEXT_MAX_CHARS {
        let detail = format!("{field} must be at most {TEXT_MAX_CHARS} characters");
        return Err(Bad::new(Reason::Schema, detail));
    }
    if value.as_bytes().contains(&0) {
        return Err(Bad::new(Reason::Schema, format!("{field} must not contain U+0000")));
    }
    Ok(Some(value.to_owned()))
}

fn optional<T>(
    value: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, Invalid>,
    reason: Reason,
    field: &str,
) -> Result<Option<T>, Bad> {
    value.map(|text| parse(&text)).transpose().map_err(|e| invalid(reason, field, e))
}

fn invalid(reason: Reason, field: &str, error: Invalid) -> Bad {
    Bad::new(reason, format!("{field} {error}"))
}

/// Reads JSON; only a failure is read again, slowly, to name the member it is in.
fn parse<'a, T: Deserialize<'a>>(text: &'a str, prefix: &str) -> Result<T, Bad> {
    serde_json::from_str(text).map_err(|_| {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(error) => {
                let path = error.path().to_string();
                let place = if path == "." || path.contains('?') {
                    prefix.trim_end_matches('.').to_owned()
                } else {
                    format!("{prefix}{path}")
                };
                let place = if place.is_empty() { "the event".to_owned() } else { place };
                json_error(&place, error.inner())
            }
            Ok(_) => Bad::new(
                Reason::MalformedJson,
                "the event: there is more text after the JSON value",
            ),
        }
    })
}

fn json_error(place: &str, error: &serde_json::Error) -> Bad {
    let reason = if error.is_data() { Reason::Schema } else { Reason::MalformedJson };
    Bad::new(reason, format!("{place}: {error}"))
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
