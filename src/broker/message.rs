//! What comes in: [`Message`] and its [`Headers`].
//!
//! Owns the translation from lapin's types. Refuses to look into a body.

use bytes::Bytes;
use lapin::{
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};

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

    pub(super) fn to_amqp(&self) -> Option<AMQPValue> {
        match self {
            Self::Text(text) => Some(AMQPValue::LongString(text.as_str().into())),
            Self::Int(n) => Some(AMQPValue::LongLongInt(*n)),
            Self::Bool(b) => Some(AMQPValue::Boolean(*b)),
            Self::Other(_) => None,
        }
    }

    /// What it takes on the wire, in bytes, roughly and never less.
    pub(super) fn wire_bytes(&self) -> usize {
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
        let headers = properties.headers().as_ref().map(Headers::from_table).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

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
