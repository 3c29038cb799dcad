//! From a message's bytes to checked events: the three forms of contract 1's envelope, and every
//! rule that needs neither database nor broker.
//!
//! This is the one shared check of validity: both workers of a message come to the same verdict
//! here, and the one that answers for the message's key parks what is bad.
use std::{
    borrow::Cow,
    ops::{Deref, Range},
};

use serde::{Deserialize, Deserializer, de::Visitor, forward_to_deserialize_any};
use serde_json::value::RawValue;

use super::topology::KEY_BATCH;
use crate::domain::{
    Bad, Data, Event, EventKey, EventType, Micros, Reason, Trace,
    event::{DEFAULT_DOMAIN, TEXT_MAX_CHARS},
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
    let essence = essence(incoming.content_type);
    if essence.eq_ignore_ascii_case(SINGLE) {
        Decoded::Events(vec![single(text, incoming, now)])
    } else if essence.eq_ignore_ascii_case(BATCH) {
        batch(text, incoming, now)
    } else if essence.eq_ignore_ascii_case(BINARY) {
        Decoded::Events(vec![binary(text, incoming, now)])
    } else {
        let detail = format!("content-type must be {SINGLE}, {BATCH} or {BINARY}");
        Decoded::Whole(Bad::new(Reason::Schema, detail))
    }
}

/// A content type without its parameters.
pub(super) fn essence(content_type: Option<&str>) -> &str {
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

/// Reads the event and its data at once; only what cannot be read so is read one after the other, to say
/// what is wrong with it, or to find that it was in a member that its type does not have.
fn single(text: &str, incoming: &Incoming<'_>, now: Micros) -> Item {
    match serde_json::from_str(text) {
        Ok(Object(envelope)) => item(Ok::<WholeEnvelope<'_>, _>(envelope), None, incoming, now),
        Err(_) => single_slowly(text, incoming, now),
    }
}

fn single_slowly(text: &str, incoming: &Incoming<'_>, now: Micros) -> Item {
    item(parse::<Envelope<'_>>(text, ""), None, incoming, now)
}

/// The same with each event of a batch.
fn batch(text: &str, incoming: &Incoming<'_>, now: Micros) -> Decoded {
    let read = |place, envelope| item(Ok(envelope), Some(place), incoming, now);
    batch::at_once(text, read).map_or_else(|| batch_slowly(text, incoming, now), Decoded::Events)
}

fn batch_slowly(text: &str, incoming: &Incoming<'_>, now: Micros) -> Decoded {
    match batch::one_by_one(text) {
        Ok(elements) => {
            let items = elements.into_iter();
            let items = items.map(|(place, envelope)| item(envelope, Some(place), incoming, now));
            Decoded::Events(items.collect())
        }
        Err(bad) => Decoded::Whole(bad),
    }
}

/// A text that is borrowed from the body where nothing in it is escaped. (An `Option<Cow<str>>`
/// would be copied always.)
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

/// Is read from an object only: a derived structure would take an array of its members too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(AsMap(deserializer)).map(Self)
    }
}

struct AsMap<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for AsMap<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// An event with its data, read at once.
type WholeEnvelope<'a> = Envelope<'a, Object<data::Members<'a>>>;

/// The data of an event, as it was read.
trait Given {
    /// What it says of this type.
    fn facts(&self, event_type: EventType) -> Result<Data, Bad>;
}

impl Given for &RawValue {
    fn facts(&self, event_type: EventType) -> Result<Data, Bad> {
        data::facts(&data::read(self.get(), event_type)?, event_type)
    }
}

impl Given for Object<data::Members<'_>> {
    fn facts(&self, event_type: EventType) -> Result<Data, Bad> {
        data::facts(&self.0, event_type)
    }
}

/// The members of an event in JSON format.
#[derive(Deserialize)]
struct Envelope<'a, D = &'a RawValue> {
    #[serde(borrow)]
    specversion: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    domain: Option<Text<'a>>,
    #[serde(borrow)]
    traceparent: Option<Text<'a>>,
    #[serde(borrow)]
    tracestate: Option<Text<'a>>,
    data: Option<D>,
}

/// An event in JSON format, as it was read.
fn item<D: Given>(
    envelope: Result<Envelope<'_, D>, Bad>,
    raw: Option<Range<usize>>,
    incoming: &Incoming<'_>,
    now: Micros,
) -> Item {
    let mut envelope = match envelope {
        Ok(envelope) => envelope,
        Err(bad) => return Item { checked: Err(bad), raw, named: None },
    };
    if envelope.traceparent.is_none() {
        envelope.traceparent = (incoming.header)("traceparent").map(Text::from);
        envelope.tracestate = (incoming.header)("tracestate").map(Text::from);
    }
    let checked = check(&envelope, incoming.routing_key, now);
    let named = if checked.is_err() { envelope.named() } else { None };
    Item { checked, raw, named }
}

/// An attribute of an event in binary mode.
pub(super) fn attribute(name: &str, header: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    header(&format!("cloudEvents:{name}")).or_else(|| header(&format!("cloudEvents_{name}")))
}

fn binary(text: &str, incoming: &Incoming<'_>, now: Micros) -> Item {
    let attribute = |name: &str| attribute(name, incoming.header).map(Text::from);
    let mut envelope: Envelope<'_> = Envelope {
        specversion: attribute("specversion"),
        id: attribute("id"),
        source: attribute("source"),
        kind: attribute("type"),
        time: attribute("time"),
        domain: attribute("domain"),
        traceparent: attribute("traceparent")
            .or_else(|| (incoming.header)("traceparent").map(Text::from)),
        tracestate: attribute("tracestate")
            .or_else(|| (incoming.header)("tracestate").map(Text::from)),
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

impl<D> Envelope<'_, D> {
    /// The pair that names the event, where both are there.
    fn named(&self) -> Option<(String, String)> {
        let (id, source) = (self.id.as_deref()?, self.source.as_deref()?);
        Some((id.to_owned(), source.to_owned()))
    }
}

fn check<D: Given>(
    envelope: &Envelope<'_, D>,
    routing_key: &str,
    now: Micros,
) -> Result<Event, Bad> {
    if envelope.specversion.as_deref() != Some("1.0") {
        return Err(Bad::new(Reason::Schema, "specversion must be \"1.0\""));
    }
    let id = required("id", envelope.id.as_deref())?;
    let source = required("source", envelope.source.as_deref())?;
    let kind = required("type", envelope.kind.as_deref())?;
    let Some(event_type) = EventType::parse(kind) else {
        return Err(Bad::new(Reason::UnknownType, format!("type {kind:?} is not known")));
    };
    if routing_key != KEY_BATCH && routing_key != event_type.routing_key() {
        let detail = format!("type {kind} does not belong under the routing key {routing_key:?}");
        return Err(Bad::new(Reason::WrongKey, detail));
    }
    let time = required("time", envelope.time.as_deref())?;
    let time = Micros::parse(time).map_err(|e| invalid(Reason::Schema, "time", e))?;
    if time > now.plus_ms(FUTURE_MAX_MS) {
        return Err(Bad::new(Reason::TimeInFuture, "time lies more than 24 h in the future"));
    }
    let domain =
        text("domain", envelope.domain.as_deref())?.unwrap_or_else(|| DEFAULT_DOMAIN.to_owned());
    let trace = Trace {
        parent: text("traceparent", envelope.traceparent.as_deref())?,
        state: text("tracestate", envelope.tracestate.as_deref())?,
    };
    let data = envelope.data.as_ref();
    let data = data.ok_or_else(|| Bad::new(Reason::Schema, "data is required"))?;
    let data = data.facts(event_type)?;
    let key = EventKey::new(source, id);
    let (id, source) = (id.to_owned(), source.to_owned());
    Ok(Event { key, id, source, time, domain, trace, data })
}

fn required<'t>(field: &str, value: Option<&'t str>) -> Result<&'t str, Bad> {
    given(field, value)?.ok_or_else(|| Bad::new(Reason::Schema, format!("{field} is required")))
}

/// The same as [`given`], to be kept.
fn text(field: &str, value: Option<&str>) -> Result<Option<String>, Bad> {
    Ok(given(field, value)?.map(str::to_owned))
}

/// An optional text: an empty one counts as missing, as many publishers send it so.
fn given<'t>(field: &str, value: Option<&'t str>) -> Result<Option<&'t str>, Bad> {
    let Some(value) = value.filter(|text| !text.is_empty()) else { return Ok(None) };
    // Bytes are an upper bound of characters: counting is for the rare long text.
    if value.len() > TEXT_MAX_CHARS && value.chars().count() > TEXT_MAX_CHARS {
        let detail = format!("{field} must be at most {TEXT_MAX_CHARS} characters");
        return Err(Bad::new(Reason::Schema, detail));
    }
    if value.as_bytes().contains(&0) {
        return Err(Bad::new(Reason::Schema, format!("{field} must not contain U+0000")));
    }
    Ok(Some(value))
}

fn invalid(reason: Reason, field: &str, error: Invalid) -> Bad {
    Bad::new(reason, format!("{field} {error}"))
}

/// Reads JSON; only a failure is read again, slowly, to name the member it is in.
fn parse<'a, T: Deserialize<'a>>(text: &'a str, prefix: &str) -> Result<T, Bad> {
    // A derived structure would take an array of its members too: an event is an object.
    if text.trim_start().starts_with('[') {
        let place = place_of(prefix, ".");
        return Err(Bad::new(Reason::Schema, format!("{place}: must be an object, not an array")));
    }
    serde_json::from_str(text).map_err(|_| {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(error) => {
                let place = place_of(prefix, &error.path().to_string());
                json_error(&place, error.inner())
            }
            Ok(_) => Bad::new(
                Reason::MalformedJson,
                "the event: there is more text after the JSON value",
            ),
        }
    })
}

/// How a sentence names the member at `path` below `prefix`. Members that nobody knows may be called anything.
fn place_of(prefix: &str, path: &str) -> String {
    let place = if path == "." || path.contains('?') {
        prefix.trim_end_matches('.').to_owned()
    } else {
        format!("{prefix}{}", path.escape_debug())
    };
    if place.is_empty() { "the event".to_owned() } else { place }
}

fn json_error(place: &str, error: &serde_json::Error) -> Bad {
    let reason = if error.is_data() { Reason::Schema } else { Reason::MalformedJson };
    Bad::new(reason, format!("{place}: {error}"))
}

#[path = "envelope_batch.rs"]
mod batch;
#[path = "envelope_data.rs"]
mod data;

#[cfg(test)]
#[path = "envelope_properties.rs"]
mod properties;
#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
