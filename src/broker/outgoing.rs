//! What goes out: [`Outgoing`].
//!
//! Owns what AMQP can carry and the translation to lapin's types. Refuses to send what would cost the
//! connection.

use std::borrow::Cow;

use lapin::{BasicProperties, types::FieldTable};

use super::{HeaderValue, topology};

/// The largest AMQP short string (routing key, message id, header name and so on), in bytes.
pub const MAX_SHORT_BYTES: usize = 255;

/// The most that all headers of an outgoing message may take together, in bytes. Properties travel
/// in one frame, 128 KiB by default; a larger one costs the whole connection.
pub const MAX_HEADERS_BYTES: usize = 64 * 1024;

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
        self.headers.push((name.into(), HeaderValue::Text(value.into())));
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
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + 2 + value.wire_bytes()).sum();
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
            ("at the cap", Outgoing { body: vec![0; 8], ..fine.clone() }, true),
            ("over the cap", Outgoing { body: vec![0; 9], ..fine.clone() }, false),
            ("parked whole", Outgoing { body: vec![0; 9], any_size: true, ..fine.clone() }, true),
            ("key", Outgoing { routing_key: long.clone(), ..fine.clone() }, false),
            ("id", fine.clone().with_message_id(long.clone()), false),
            ("correlation", fine.clone().with_correlation_id(long.clone()), false),
            ("reply-to", Outgoing { reply_to: Some(long.clone()), ..fine.clone() }, false),
            ("header name", fine.clone().with_header(long.clone(), "v"), false),
            ("long header", fine.clone().with_header("x", long.clone()), true),
            ("huge header", fine.with_header("x", "v".repeat(MAX_HEADERS_BYTES)), false),
        ];
        for (name, message, fits) in cases {
            assert_eq!(message.fits(8), fits, "{name}");
        }
    }
}
