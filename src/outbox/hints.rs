//! Hints: the messages of a worker's queue, which only say that there is something to do.
//!
//! Owns the broker's session: decoding, parking what is no hint, acknowledging what the claiming
//! loop has dealt with. Refuses to believe a hint: the truth is in the row, and without any
//! message, or any broker, the sweep finds it.
use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, SecondsFormat};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Outbox;
use crate::{
    broker::{Broker, BrokerError, Lost, Message, ParkBody, Publisher, Session, parked},
    clock::Clock,
    domain::{Bad, Micros, Reason},
    lifecycle::Context,
};

/// Messages in hand without an ack. Each may name a whole batch of the worker before.
pub const PREFETCH: u16 = 32;
/// The longest id, as the table has it.
const ID_MAX_BYTES: usize = 36;
/// Pause between tries to park.
const PARK_PAUSE: Duration = Duration::from_secs(1);

/// Which message of which session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Sessions are numbered; tags mean nothing in another one.
    pub session: u64,
    /// The delivery tag.
    pub tag: u64,
}

/// One message's ids, to be claimed, and its place, to be acknowledged after that.
#[derive(Debug)]
pub struct Hint {
    /// Acknowledges this message and those before it.
    pub place: Place,
    /// Items that are said to be due. Empty for a message that was parked.
    pub ids: Vec<String>,
}

/// The listening side.
pub struct Listener {
    /// Whose hints they are.
    pub outbox: &'static Outbox,
    /// The way to the broker.
    pub broker: Broker,
    /// Tells when a message was seen.
    pub clock: Clock,
    /// Readiness and counts.
    pub context: Context,
    /// Larger messages are parked.
    pub message_bytes_max: usize,
    /// To the claiming loop.
    pub hints: mpsc::Sender<Hint>,
    /// From the claiming loop: done up to here.
    pub done: mpsc::UnboundedReceiver<Place>,
}

impl Listener {
    /// Listens until `stop`; an error only where the broker's topology is another than ours.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), BrokerError> {
        let mut parking = None;
        let mut number = 0;
        self.context.ready.set("broker", false);
        while let Some(mut session) =
            self.broker.consume(self.outbox.hints.queue, PREFETCH, &stop).await?
        {
            number += 1;
            self.context.ready.set("broker", true);
            let lost = self.serve(&mut session, number, &mut parking, &stop).await;
            self.context.ready.set("broker", false);
            match lost {
                Ok(()) => {
                    session.stop().await;
                    session.close().await;
                    break;
                }
                Err(lost) => {
                    self.context.metrics.reconnects.inc();
                    tracing::warn!(%lost, "no hints until the broker is back; sweeping goes on");
                }
            }
        }
        Ok(())
    }

    /// Takes nothing: waits for the broker, so that the topology is there, and then for `stop`.
    pub async fn stand_by(self, stop: CancellationToken) -> Result<(), BrokerError> {
        self.context.ready.set("broker", false);
        let declared = self.broker.declare(&stop).await?;
        self.context.ready.set("broker", declared);
        stop.cancelled().await;
        Ok(())
    }

    async fn serve(
        &mut self,
        session: &mut Session,
        number: u64,
        parking: &mut Option<Publisher>,
        stop: &CancellationToken,
    ) -> Result<(), Lost> {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(place) = self.done.recv() => {
                    let mut done = (place.session == number).then_some(place.tag);
                    while let Ok(place) = self.done.try_recv() {
                        done = done.max((place.session == number).then_some(place.tag));
                    }
                    if let Some(tag) = done {
                        session.ack_through(tag).await?;
                    }
                }
                message = session.next() => {
                    let message = message?;
                    let place = Place { session: number, tag: message.tag };
                    let ids = match self.decode(&message) {
                        Ok(ids) => ids,
                        Err(bad) => {
                            let publisher =
                                parking.get_or_insert_with(|| self.broker.publisher(stop.clone()));
                            let seen = self.clock.now();
                            let worker = self.outbox.hints.key;
                            if !park(publisher, worker, seen, &message, &bad, stop).await {
                                return Ok(());
                            }
                            self.context.metrics.count_parked(bad.reason);
                            Vec::new()
                        }
                    };
                    if self.hints.send(Hint { place, ids }).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn decode(&self, message: &Message) -> Result<Vec<String>, Bad> {
        let bytes_max = self.message_bytes_max;
        if message.body.len() > bytes_max {
            let detail = format!("the message is over {bytes_max} bytes");
            return Err(Bad::new(Reason::TooLarge, detail));
        }
        ids(self.outbox.hints.member, &message.body)
    }
}

/// Parks for as long as it takes; false when stopped first.
async fn park(
    publisher: &Publisher,
    worker: &str,
    seen: Micros,
    message: &Message,
    bad: &Bad,
    stop: &CancellationToken,
) -> bool {
    let seen = DateTime::from_timestamp_micros(seen.0).unwrap_or_default();
    let seen = seen.to_rfc3339_opts(SecondsFormat::Micros, true);
    let reason = bad.reason.as_str();
    loop {
        let parked = parked(message, reason, &bad.detail, worker, &seen, ParkBody::Whole);
        match publisher.publish(parked).await {
            Ok(()) => {
                tracing::warn!(reason, detail = bad.detail, "a message that is no hint is parked");
                return true;
            }
            Err(error) => tracing::warn!(%error, "parking waits for the broker"),
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(PARK_PAUSE) => {}
        }
    }
}

/// The ids of `{"<member>":["<id>", …]}`.
fn ids(member: &str, body: &[u8]) -> Result<Vec<String>, Bad> {
    let bad = |error: serde_json::Error| {
        let reason = if error.is_data() { Reason::Schema } else { Reason::MalformedJson };
        Bad::new(reason, format!("{member}: {error}"))
    };
    let members: HashMap<String, &RawValue> = serde_json::from_slice(body).map_err(bad)?;
    let Some(ids) = members.get(member) else {
        return Err(Bad::new(Reason::Schema, format!("{member}: is missing")));
    };
    let ids: Vec<String> = serde_json::from_str(ids.get()).map_err(bad)?;
    let fits = |id: &String| {
        (1..=ID_MAX_BYTES).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
    };
    if ids.iter().all(fits) {
        Ok(ids)
    } else {
        let detail = format!("{member}: must be ids of 1 to 36 visible ASCII characters");
        Err(Bad::new(Reason::Schema, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_items() {
        let long = format!(r#"{{"deliveries":["{}"]}}"#, "x".repeat(37));
        type Read<'a> = Result<&'a [&'a str], Reason>;
        let cases: [(&[u8], Read<'_>); 13] = [
            (br#"{"deliveries":["a","b"]}"#, Ok(&["a", "b"])),
            (br#"{"deliveries":[],"more":1}"#, Ok(&[])),
            (b"", Err(Reason::MalformedJson)),
            (b"{\"deliveries\":[\"a\"", Err(Reason::MalformedJson)),
            (b"{\"deliveries\":[\"\xff\"]}", Err(Reason::MalformedJson)),
            (b"[]", Err(Reason::Schema)),
            (b"{}", Err(Reason::Schema)),
            (br#"{"letters":["a"]}"#, Err(Reason::Schema)),
            (br#"{"deliveries":null}"#, Err(Reason::Schema)),
            (br#"{"deliveries":[1]}"#, Err(Reason::Schema)),
            (br#"{"deliveries":[""]}"#, Err(Reason::Schema)),
            (br#"{"deliveries":["\u0000"]}"#, Err(Reason::Schema)),
            (long.as_bytes(), Err(Reason::Schema)),
        ];
        for (body, expected) in cases {
            let read = ids("deliveries", body).map_err(|bad| bad.reason);
            let expected = expected.map(|ids| ids.iter().map(|&id| id.to_owned()).collect());
            assert_eq!(read, expected, "{}", String::from_utf8_lossy(body));
        }
    }
}
