//! What travels: [`Message`] in, [`Outgoing`] out, and their headers.
//!
//! Owns the translation to and from lapin's types. Refuses to look into a body.

use std::borrow::Cow;

use bytes::Bytes;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::topology;

/// The largest AMQP short string (routing key, message id, header name and so on), in bytes.
pub const MAX_SHORT_BYTES: usize = 255;

/// The most that all headers of an outgoing message may take together, in bytes. Properties travel
/// in one frame, 128 KiB on RabbitMQ's defaults; a larger one costs the whole connection.
pub const MAX_HEADERS_BYTES: usize = 64 * 1024;

/// The header in which a quorum queue counts the earlier, failed deliveries of a message.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// One header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// UTF-8 text.
    Text(String),
    /// Any of AMQP's integers that fits.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// Anything else (bytes, floats, tables, arrays, …): the name of its kind only. Never sent.
    Other(&'static str),
}

/// The headers of a received message: name and value, ordered by name. Most messages have none, and
/// then nothing is allocated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, HeaderValue)>);

impl Headers {
    /// The value of the header with exactly this name.
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The value of the header with exactly this name, if it is text.
    pub fn get_text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(HeaderValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// All headers, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn from_table(table: &FieldTable) -> Self {
        Self(
            table
                .inner()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), HeaderValue::from_amqp(value)))
                .collect(),
        )
    }
}

impl FromIterator<(String, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, HeaderValue)>>(iter: I) -> Self {
        let mut list: Vec<_> = iter.into_iter().collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        Self(list)
    }
}

impl HeaderValue {
    fn from_amqp(value: &AMQPValue) -> Self {
        match value {
            AMQPValue::LongString(s) => match std::str::from_utf8(s.as_bytes()) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::Other("bytes"),
            },
            AMQPValue::ShortString(s) => Self::Text(s.as_str().to_owned()),
            AMQPValue::Boolean(b) => Self::Bool(*b),
            AMQPValue::ShortShortInt(n) => Self::Int(i64::from(*n)),
            AMQPValue::ShortShortUInt(n) => Self::Int(i64::from(*n)),
            AMQPValue::ShortInt(n) => Self::Int(i64::from(*n)),
            AMQPValue::ShortUInt(n) => Self::Int(i64::from(*n)),
            AMQPValue::LongInt(n) => Self::Int(i64::from(*n)),
            AMQPValue::LongUInt(n) => Self::Int(i64::from(*n)),
            AMQPValue::LongLongInt(n) => Self::Int(*n),
            AMQPValue::Float(_) | AMQPValue::Double(_) => Self::Other("float"),
            AMQPValue::DecimalValue(_) => Self::Other("decimal"),
            AMQPValue::FieldArray(_) => Self::Other("array"),
            AMQPValue::Timestamp(_) => Self::Other("timestamp"),
            AMQPValue::FieldTable(_) => Self::Other("table"),
            AMQPValue::ByteArray(_) => Self::Other("bytes"),
            AMQPValue::Void => Self::Other("void"),
        }
    }

    fn to_amqp(&self) -> Option<AMQPValue> {
        match self {
            Self::Text(text) => Some(AMQPValue::LongString(text.as_str().into())),
            Self::Int(n) => Some(AMQPValue::LongLongInt(*n)),
            Self::Bool(b) => Some(AMQPValue::Boolean(*b)),
            Self::Other(_) => None,
        }
    }

    /// What it takes on the wire, in bytes, roughly and never less.
    fn wire_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 5,
            _ => 9,
        }
    }
}

/// A message held by a [`Session`](super::Session), not yet acknowledged.
#[derive(Debug, Clone)]
pub struct Message {
    /// The delivery tag: grows by one a message, means something to the session it came from only.
    pub tag: u64,
    /// The body, as it came. May be larger than `MAX_MESSAGE`: whoever decodes it checks.
    pub body: Bytes,
    /// The exchange it was published to.
    pub exchange: String,
    /// The routing key it was published with (contract 1: `click`, `signup`, `payment`, `batch`).
    pub routing_key: String,
    /// `content-type`, as it came.
    pub content_type: Option<String>,
    /// `message-id`, as it came.
    pub message_id: Option<String>,
    /// `correlation-id`, to be repeated in a reply.
    pub correlation_id: Option<String>,
    /// `reply-to`: the queue that waits for a reply.
    pub reply_to: Option<String>,
    /// All headers.
    pub headers: Headers,
    /// How often it was delivered before without being acknowledged (`x-delivery-count`, 0 when
    /// absent).
    pub delivery_count: u32,
    /// The broker's flag: it may have been delivered before.
    pub redelivered: bool,
}

impl Message {
    pub(super) fn from_delivery(delivery: Delivery) -> Self {
        let properties = &delivery.properties;
        let headers = properties
            .headers()
            .as_ref()
            .map(Headers::from_table)
            .unwrap_or_default();
        let delivery_count = match headers.get(DELIVERY_COUNT) {
            Some(HeaderValue::Int(n)) => u32::try_from(*n).unwrap_or(0),
            _ => 0,
        };
        Self {
            tag: delivery.delivery_tag,
            content_type: text(properties.content_type().as_ref()),
            message_id: text(properties.message_id().as_ref()),
            correlation_id: text(properties.correlation_id().as_ref()),
            reply_to: text(properties.reply_to().as_ref()),
            headers,
            delivery_count,
            redelivered: delivery.redelivered,
            body: Bytes::from(delivery.data),
            exchange: delivery.exchange.into(),
            routing_key: delivery.routing_key.into(),
        }
    }
}

fn text(value: Option<&ShortString>) -> Option<String> {
    value.map(|s| s.as_str().to_owned())
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The exchange; `""` is the default one, which routes to the queue named by the key.
    pub exchange: Cow<'static, str>,
    /// The routing key, at most 255 bytes.
    pub routing_key: String,
    /// The body.
    pub body: Vec<u8>,
    /// `content-type`.
    pub content_type: String,
    /// `message-id`: set it wherever a repeat must be recognisable.
    pub message_id: Option<String>,
    /// `correlation-id`.
    pub correlation_id: Option<String>,
    /// `reply-to`; [`Publisher::request`](super::Publisher::request) sets it by itself.
    pub reply_to: Option<String>,
    /// Headers; values of the kind `Other` are left out.
    pub headers: Vec<(String, HeaderValue)>,
    /// Whether no queue to route to is an error ([`PublishError::Unroutable`](super::PublishError)).
    pub mandatory: bool,
    /// Whether it is written to disk.
    pub persistent: bool,
    /// Whether it may be larger than `MAX_MESSAGE`: parked messages only, which came from the broker
    /// and have to go back whole.
    pub any_size: bool,
}

impl Outgoing {
    /// A mandatory, persistent message.
    pub fn new(
        exchange: impl Into<Cow<'static, str>>,
        routing_key: impl Into<String>,
        content_type: impl Into<String>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            body: body.into(),
            content_type: content_type.into(),
            message_id: None,
            correlation_id: None,
            reply_to: None,
            headers: Vec::new(),
            mandatory: true,
            persistent: true,
            any_size: false,
        }
    }

    /// Events for `referral.events`; key `click`, `signup`, `payment` or `batch` (contract 1).
    pub fn event(
        routing_key: impl Into<String>,
        content_type: impl Into<String>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self::new(topology::EVENTS, routing_key, content_type, body)
    }

    /// An internal command for `referral.work`, JSON; key `billing` or `mail` (contract 1).
    pub fn work(routing_key: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new(topology::WORK, routing_key, "application/json", body)
    }

    /// A JSON reply to `reply_to` (contract 1, "Replies"). Neither mandatory nor persistent: a
    /// requester that went away is nobody's failure.
    pub fn reply(
        reply_to: impl Into<String>,
        correlation_id: Option<String>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            correlation_id,
            mandatory: false,
            persistent: false,
            ..Self::new("", reply_to, "application/json", body)
        }
    }

    /// The same with this `message-id`.
    #[must_use]
    pub fn with_message_id(mut self, id: impl Into<String>) -> Self {
        self.message_id = Some(id.into());
        self
    }

    /// The same with this `correlation-id`.
    #[must_use]
    pub fn with_correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// The same with one more text header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers
            .push((name.into(), HeaderValue::Text(value.into())));
        self
    }

    /// Whether AMQP can carry it: every short string short, the headers within
    /// [`MAX_HEADERS_BYTES`], the body within `max_message` bytes unless it may be of any size.
    pub(super) fn fits(&self, max_message: usize) -> bool {
        let shorts = [
            Some(self.exchange.as_ref()),
            Some(self.routing_key.as_str()),
            Some(self.content_type.as_str()),
            self.message_id.as_deref(),
            self.correlation_id.as_deref(),
            self.reply_to.as_deref(),
        ];
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + 2 + value.wire_bytes())
            .sum();
        (self.any_size || self.body.len() <= max_message)
            && headers <= MAX_HEADERS_BYTES
            && shorts.iter().flatten().all(|s| s.len() <= MAX_SHORT_BYTES)
            && self.headers.iter().all(|(n, _)| n.len() <= MAX_SHORT_BYTES)
    }

    /// lapin's view of everything but exchange, key and body. Only for a message that
    /// [`fits`](Self::fits): lapin panics on a long short string.
    pub(super) fn properties(&self) -> BasicProperties {
        let mut properties = BasicProperties::default()
            .with_content_type(self.content_type.as_str().into())
            .with_delivery_mode(if self.persistent { 2 } else { 1 });
        if let Some(id) = &self.message_id {
            properties = properties.with_message_id(id.as_str().into());
        }
        if let Some(id) = &self.correlation_id {
            properties = properties.with_correlation_id(id.as_str().into());
        }
        if let Some(queue) = &self.reply_to {
            properties = properties.with_reply_to(queue.as_str().into());
        }
        if !self.headers.is_empty() {
            let mut table = FieldTable::default();
            for (name, value) in &self.headers {
                if let Some(value) = value.to_amqp() {
                    table.insert(name.as_str().into(), value);
                }
            }
            properties = properties.with_headers(table);
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_amqp_cannot_carry_does_not_fit() {
        let fine = Outgoing::event("click", "application/cloudevents+json", "{}");
        let long = "x".repeat(256);
        let cases = [
            ("fine", fine.clone(), true),
            (
                "at the cap",
                Outgoing {
                    body: vec![0; 8],
                    ..fine.clone()
                },
                true,
            ),
            (
                "over the cap",
                Outgoing {
                    body: vec![0; 9],
                    ..fine.clone()
                },
                false,
            ),
            (
                "parked whole",
                Outgoing {
                    body: vec![0; 9],
                    any_size: true,
                    ..fine.clone()
                },
                true,
            ),
            (
                "key",
                Outgoing {
                    routing_key: long.clone(),
                    ..fine.clone()
                },
                false,
            ),
            ("id", fine.clone().with_message_id(long.clone()), false),
            (
                "correlation",
                fine.clone().with_correlation_id(long.clone()),
                false,
            ),
            (
                "reply-to",
                Outgoing {
                    reply_to: Some(long.clone()),
                    ..fine.clone()
                },
                false,
            ),
            (
                "header name",
                fine.clone().with_header(long.clone(), "v"),
                false,
            ),
            (
                "long header",
                fine.clone().with_header("x", long.clone()),
                true,
            ),
            (
                "huge header",
                fine.with_header("x", "v".repeat(MAX_HEADERS_BYTES)),
                false,
            ),
        ];
        for (name, message, fits) in cases {
            assert_eq!(message.fits(8), fits, "{name}");
        }
    }

    #[test]
    fn header_values_survive_and_strange_ones_are_named() {
        let mut table = FieldTable::default();
        table.insert("a".into(), AMQPValue::LongString("text".into()));
        table.insert("b".into(), AMQPValue::LongLongInt(-5));
        table.insert("c".into(), AMQPValue::Boolean(true));
        table.insert("d".into(), AMQPValue::LongString(vec![0xff, 0xfe].into()));
        table.insert("e".into(), AMQPValue::Void);
        let headers = Headers::from_table(&table);
        assert_eq!(headers.get_text("a"), Some("text"));
        assert_eq!(headers.get_text("b"), None);
        let rest: Vec<_> = headers.iter().skip(1).map(|(_, v)| v.clone()).collect();
        assert_eq!(
            rest,
            [
                HeaderValue::Int(-5),
                HeaderValue::Bool(true),
                HeaderValue::Other("bytes"),
                HeaderValue::Other("void"),
            ]
        );
    }
}
