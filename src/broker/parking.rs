//! What a parked message looks like (contract 1, "A parked message keeps …").
//!
//! Owns its form and its stable id. Refuses to decide what is parked, and to publish it.

use super::{HeaderValue, Message, Outgoing, envelope::SINGLE, topology};
use crate::domain::key;

/// The most characters of `x-detail`; a longer sentence is cut.
pub const MAX_DETAIL_CHARS: usize = 1_024;

/// The longest trace header that is kept, in bytes (a `tracestate` is 512 by the standard). What is
/// longer would endanger the parking itself.
const MAX_TRACE_BYTES: usize = 8 * 1024;

/// Which part of a message is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkBody<'a> {
    /// All of it, byte for byte: a single event, or something that is no event.
    Whole,
    /// One event of a batch, as its JSON text.
    Event(&'a [u8]),
}

/// The parked form of `original`, or of one event of it: on `referral.dead`, under the name of the
/// worker's queue.
///
/// - `reason`: the stable `snake_case` code (contract 1), header `x-reason`.
/// - `detail`: one sentence naming the field, header `x-detail`, cut at 1,024 characters.
/// - `worker`: `daily-records`, `credits`, `billing` or `mail`, header `x-worker`; its queue's name
///   is the routing key.
/// - `first_seen`: RFC 3339, header `x-first-seen`.
///
/// Parked again after a crash it has the same `message-id`: the original's, or one made from the
/// bytes (always so for one event of a batch).
pub fn parked(
    original: &Message,
    reason: &str,
    detail: &str,
    worker: &str,
    first_seen: &str,
    body: ParkBody<'_>,
) -> Outgoing {
    let (bytes, content_type, message_id) = match body {
        ParkBody::Whole => (
            &original.body[..],
            original.content_type.clone().unwrap_or_default(),
            original.message_id.clone().filter(|id| !id.is_empty()),
        ),
        ParkBody::Event(event) => (event, SINGLE.to_owned(), None),
    };
    let kept = original.headers.iter().filter_map(|(name, value)| match value {
        HeaderValue::Text(text) if keeps(name, body) && text.len() <= MAX_TRACE_BYTES => {
            Some((name.to_owned(), HeaderValue::Text(text.clone())))
        }
        _ => None,
    });
    let mut headers: Vec<_> = kept.take(32).collect();
    let detail: String = detail.chars().take(MAX_DETAIL_CHARS).collect();
    headers.extend(
        [
            ("x-reason", reason.to_owned()),
            ("x-detail", detail),
            ("x-worker", worker.to_owned()),
            ("x-first-seen", first_seen.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), HeaderValue::Text(value))),
    );
    Outgoing {
        message_id: Some(message_id.unwrap_or_else(|| key::stable_id(bytes))),
        headers,
        any_size: true,
        ..Outgoing::new(topology::DEAD, format!("referral.{worker}"), content_type, bytes)
    }
}

/// Trace context always; the attributes of binary mode where the body is still theirs.
fn keeps(header: &str, body: ParkBody<'_>) -> bool {
    let attribute =
        header.strip_prefix("cloudEvents:").or_else(|| header.strip_prefix("cloudEvents_"));
    match (attribute, body) {
        (Some(_), ParkBody::Whole) => true,
        (Some(_), ParkBody::Event(_)) => false,
        (None, _) => matches!(header, "traceparent" | "tracestate"),
    }
}
