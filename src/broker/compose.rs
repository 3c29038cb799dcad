//! From an event to a message: the counterpart of [`envelope`](super::envelope), for the programs
//! that publish events (contract 1).
//!
//! Owns the JSON form and the choice between a single event and a batch. Refuses to check data:
//! whoever needs that decodes what was composed.
use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{
    Outgoing,
    envelope::{BATCH, SINGLE},
    outgoing::MAX_SHORT_BYTES,
};
use crate::domain::{EventType, Micros, Trace};

/// An event that is about to be published.
#[derive(Debug, Clone)]
pub struct Draft {
    /// CloudEvents `id`.
    pub id: String,
    /// CloudEvents `source`.
    pub source: Cow<'static, str>,
    /// CloudEvents `type`.
    pub event_type: EventType,
    /// CloudEvents `time`.
    pub time: Micros,
    /// The tenant's name.
    pub domain: Arc<str>,
    /// Distributed-tracing context.
    pub trace: Trace,
    /// An object with the members of contract 1.
    pub data: Members,
}

/// The `data` of an event, written already: an object without null members.
#[derive(Debug, Clone)]
pub struct Members(Box<RawValue>);

impl Members {
    /// Writes what says of itself which members it has.
    pub fn of(data: &impl Serialize) -> Self {
        match to_raw_value(data) {
            Ok(written) => Self(written),
            Err(error) => unreachable!("{NO_JSON}: {error}"),
        }
    }
}

/// Leaves null members out.
impl From<Value> for Members {
    fn from(mut data: Value) -> Self {
        if let Value::Object(members) = &mut data {
            members.retain(|_, value| !value.is_null());
        }
        Self::of(&data)
    }
}

const NO_JSON: &str = "texts and JSON values always become JSON";
/// What an event's JSON takes beside its texts, with some to spare.
const ENVELOPE_BYTES: usize = 256;

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<&'a str>,
    datacontenttype: &'static str,
    data: &'a RawValue,
}

impl Draft {
    /// The event in the JSON format.
    pub fn to_json(&self) -> String {
        let envelope = Envelope {
            specversion: "1.0",
            id: &self.id,
            source: &self.source,
            kind: self.event_type.as_str(),
            time: self.time.rfc3339(chrono_tz::Tz::UTC),
            domain: &self.domain,
            traceparent: self.trace.parent.as_deref(),
            tracestate: self.trace.state.as_deref(),
            datacontenttype: "application/json",
            data: &self.data.0,
        };
        let texts = self.id.len() + self.source.len() + self.domain.len();
        let mut json = Vec::with_capacity(ENVELOPE_BYTES + texts + self.data.0.get().len());
        match serde_json::to_writer(&mut json, &envelope).map(|()| String::from_utf8(json)) {
            Ok(Ok(json)) => json,
            error => unreachable!("{NO_JSON}: {error:?}"),
        }
    }
}

/// The trace context of an event in the JSON format; none in what is none.
pub fn trace_of(json: &str) -> Trace {
    #[derive(Default, Deserialize)]
    struct Context {
        traceparent: Option<String>,
        tracestate: Option<String>,
    }
    let Context { traceparent, tracestate } = serde_json::from_str(json).unwrap_or_default();
    Trace { parent: traceparent, state: tracestate }
}

/// One message under the type's own key: a lone event as a single one, several as a batch.
pub fn message(event_type: EventType, message_id: &str, events: &[&str]) -> Outgoing {
    let (content_type, body) = match events {
        [event] => (SINGLE, (*event).to_owned()),
        events => (BATCH, format!("[{}]", events.join(","))),
    };
    let message = Outgoing::event(event_type.routing_key(), content_type, body);
    // An event's id may be longer than AMQP's; then the message goes without one.
    if message_id.len() <= MAX_SHORT_BYTES { message.with_message_id(message_id) } else { message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        broker::envelope::{Decoded, Incoming, decode},
        domain::{Data, Event},
    };

    fn draft(id: &str) -> Draft {
        Draft {
            id: id.to_owned(),
            source: "/test".into(),
            event_type: EventType::Signup,
            time: Micros::parse("2026-01-02T03:04:05.000006Z").unwrap(),
            domain: "shop".into(),
            trace: Trace { parent: Some("00-a-b-01".to_owned()), state: None },
            data: json!({"user_hash": "u\"1", "code": null}).into(),
        }
    }

    #[test]
    fn the_trace_of_what_was_composed_is_read_back() {
        assert_eq!(trace_of(&draft("1").to_json()), draft("1").trace);
        assert_eq!(trace_of("no JSON"), Trace::default());
    }

    fn events(message: &Outgoing) -> Vec<Event> {
        let incoming = Incoming {
            content_type: Some(&message.content_type),
            routing_key: &message.routing_key,
            body: &message.body,
            header: &|_| None,
        };
        match decode(&incoming, Micros::parse("2026-01-03T00:00:00Z").unwrap(), 1 << 20) {
            Decoded::Events(items) => items.into_iter().map(|i| i.checked.unwrap()).collect(),
            Decoded::Whole(bad) => panic!("{bad}"),
        }
    }

    #[test]
    fn what_is_composed_is_read_back_the_same() {
        let (one, two) = (draft("1"), draft("2"));
        for ids in [vec![&one], vec![&one, &two]] {
            let texts: Vec<String> = ids.iter().map(|d| d.to_json()).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let read = events(&message(EventType::Signup, "m", &texts));
            assert_eq!(read.len(), ids.len());
            for (event, draft) in read.iter().zip(ids) {
                let Data::Signup(signup) = &event.data else { panic!("{event:?}") };
                assert_eq!(signup.user_hash.as_str(), "u\"1");
                assert_eq!(signup.code, None);
                assert_eq!((&event.id, &event.source[..]), (&draft.id, &draft.source[..]));
                assert_eq!((event.time, &event.domain[..]), (draft.time, &draft.domain[..]));
                assert_eq!(event.trace, draft.trace);
            }
        }
    }
}
