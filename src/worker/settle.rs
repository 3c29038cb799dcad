//! What leaves a worker after its commit: parked events, replies, wake-ups; then the ack.
use serde_json::{Map, Value, json};

use super::{
    Applied, End, Tools, Worker,
    check::{Answer, BadEvent, Checked},
    collect::{Batch, Held},
};
use crate::{
    broker::{Outgoing, ParkBody, envelope::Decoded, parked},
    domain::{Micros, Reason},
};

/// Messages to publish before the batch is acknowledged.
#[derive(Default)]
pub struct Outbox {
    /// Must be confirmed: the ack would lose them otherwise.
    pub parked: Vec<Outgoing>,
    /// Why, of each of them.
    pub reasons: Vec<Reason>,
    /// May be lost: a reply's asker repeats, a wake-up's row is swept.
    pub light: Vec<Outgoing>,
}

/// Writes the messages of a batch that was applied.
pub fn outbox<W: Worker>(
    batch: &Batch,
    checked: &Checked,
    applied: Applied,
    now: Micros,
) -> Outbox {
    let first_seen = now.rfc3339(chrono_tz::Tz::UTC);
    let park = |bad: &BadEvent| {
        let held = &batch.held[bad.message];
        let reason = bad.bad.reason.as_str();
        tracing::warn!(reason, detail = bad.bad.detail, worker = W::NAME, "event parked");
        parked(&held.message, reason, &bad.bad.detail, W::NAME, &first_seen, body(held, bad))
    };
    let parked = checked.bad.iter().map(park).collect();
    let reasons = checked.bad.iter().map(|bad| bad.bad.reason).collect();
    let mut light = applied.after_commit;
    for (place, answers) in &checked.replies {
        let message = &batch.held[*place].message;
        if let Some(reply_to) = &message.reply_to {
            let answers: Vec<Value> =
                answers.iter().map(|answer| element(answer, &applied.outcomes)).collect();
            let body = Value::Array(answers).to_string();
            light.push(Outgoing::reply(reply_to.clone(), message.correlation_id.clone(), body));
        }
    }
    Outbox { parked, reasons, light }
}

fn body<'a>(held: &'a Held, bad: &BadEvent) -> ParkBody<'a> {
    let raw = match (&held.decoded, bad.item) {
        (Decoded::Events(items), Some(item)) => items[item].raw.clone(),
        _ => None,
    };
    raw.map_or(ParkBody::Whole, |range| ParkBody::Event(&held.message.body[range]))
}

fn element(
    answer: &Answer,
    outcomes: &std::collections::HashMap<crate::domain::EventKey, Map<String, Value>>,
) -> Value {
    match answer {
        Answer::Applied { id, source, event_type, key } => {
            let mut members = Map::new();
            members.insert("id".into(), id.as_str().into());
            members.insert("source".into(), source.as_str().into());
            members.insert("type".into(), (*event_type).into());
            members.extend(outcomes.get(key).cloned().unwrap_or_default());
            Value::Object(members)
        }
        Answer::Invalid { named, bad } => {
            let (id, source) = named.clone().unzip();
            json!({
                "id": id, "source": source, "outcome": "invalid",
                "reason": bad.reason.as_str(), "detail": bad.detail,
            })
        }
    }
}

/// Publishes an outbox. What is parked must be confirmed before the ack may follow.
pub async fn publish(tools: &Tools, outbox: Outbox) -> Result<(), End> {
    if !outbox.light.is_empty() {
        let publisher = tools.publisher.clone();
        tokio::spawn(async move {
            for result in publisher.publish_all(outbox.light).await {
                if let Err(error) = result {
                    tracing::debug!(%error, "reply or wake-up not sent");
                }
            }
        });
    }
    for result in tools.publisher.publish_all(outbox.parked).await {
        result.map_err(|error| End::Again(format!("parking failed: {error}")))?;
    }
    let metrics = &tools.context.metrics;
    metrics.count_events("parked", outbox.reasons.len());
    outbox.reasons.into_iter().for_each(|reason| metrics.count_parked(reason));
    Ok(())
}
