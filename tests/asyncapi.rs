//! `docs/asyncapi.yaml` says what the code does: names, members and limits are the code's, its examples decode, and
//! published as they stand they take effect.
use std::sync::Arc;

use referral::{
    broker::{
        Outgoing,
        envelope::{BATCH, BATCH_EVENTS_MAX, Decoded, Incoming, SINGLE, decode},
        parking::MAX_DETAIL_CHARS,
        topology::{CREDITS_DEAD, EVENTS, PARKED, topology},
    },
    domain::{Micros, Reason},
};
use serde_json::{Value, json};

use crate::harness::{Bed, Database, PATIENCE, bed::run, eventually, yaml};

const CHANNELS: [&str; 4] = ["click", "signup", "payment", "batch"];
const MESSAGE_MAX: usize = 4 << 20;

fn document() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/asyncapi.yaml");
    yaml(&std::fs::read_to_string(path).unwrap())
}

/// What the one shared check says of a body under this key.
fn refusal(key: &str, content_type: &str, body: &Value) -> Option<(Reason, String)> {
    let body = body.to_string();
    let incoming = Incoming {
        content_type: Some(content_type),
        routing_key: key,
        body: body.as_bytes(),
        header: &|_| None,
    };
    let now = Micros::parse("2026-12-01T00:00:00Z").unwrap();
    match decode(&incoming, now, MESSAGE_MAX) {
        Decoded::Whole(bad) => Some((bad.reason, bad.detail)),
        Decoded::Events(items) => items
            .into_iter()
            .find_map(|item| item.checked.err())
            .map(|bad| (bad.reason, bad.detail)),
    }
}

fn examples<'a>(document: &'a Value, channel: &str) -> impl Iterator<Item = &'a Value> {
    let message = &document["components"]["messages"][channel];
    message["examples"].as_array().unwrap().iter().map(|example| &example["payload"])
}

/// A schema of the document, with the others that it refers to.
fn validator(document: &Value, name: &str) -> jsonschema::Validator {
    let mut schema = document.clone();
    schema["$ref"] = format!("#/components/schemas/{name}").into();
    jsonschema::draft7::new(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn names_and_limits_are_the_codes() {
    let document = document();
    let (channels, schemas) = (&document["channels"], &document["components"]["schemas"]);
    for name in CHANNELS {
        let channel = &channels[name];
        assert_eq!(channel["address"], name);
        assert_eq!(channel["bindings"]["amqp"]["exchange"]["name"], EVENTS);
        assert_eq!(channel["bindings"]["amqp"]["exchange"]["durable"], true);
        assert!(topology().bindings.iter().any(|b| b.exchange == EVENTS && b.key == name));
        let content_type = if name == "batch" { BATCH } else { SINGLE };
        assert_eq!(document["components"]["messages"][name]["contentType"], content_type);
    }
    assert_eq!(channels["parked"]["address"], CREDITS_DEAD);
    assert_eq!(schemas["batch"]["maxItems"], BATCH_EVENTS_MAX);
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(schemas["reason"]["enum"], json!(reasons));
    let headers = &schemas["parkedHeaders"]["properties"];
    assert_eq!(headers["x-detail"]["maxLength"], MAX_DETAIL_CHARS);
    assert_eq!(headers["x-worker"]["enum"], json!(PARKED.map(|parked| parked.worker)));
}

#[test]
fn examples_decode_and_fit_their_schemas() {
    let document = document();
    for channel in CHANNELS {
        let message = &document["components"]["messages"][channel];
        let schema = message["payload"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let content_type = message["contentType"].as_str().unwrap();
        for example in examples(&document, channel) {
            assert_eq!(refusal(channel, content_type, example), None, "{example}");
            let validator = validator(&document, schema);
            assert!(validator.is_valid(example), "{:?}", validator.validate(example));
            let mut broken = example.clone();
            let one = if channel == "batch" { &mut broken[0] } else { &mut broken };
            one.as_object_mut().unwrap().remove("time");
            assert!(!validator.is_valid(&broken), "{channel}: without a time");
        }
    }
}

/// Each member that the document names is one that the code reads, required where it says so, and as long as it
/// says and no longer.
#[test]
fn members_are_read_and_bounded_as_the_document_says() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let mut tried = 0;
    for channel in ["click", "signup", "payment"] {
        let mut base = examples(&document, channel).next().unwrap().clone();
        // A state without a parent is nobody's.
        base["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
        for (schema, place) in [("attributes", None), (channel, Some("data"))] {
            let required = schemas[schema]["required"].as_array().unwrap();
            for (member, rule) in schemas[schema]["properties"].as_object().unwrap() {
                let refused = |value: Option<Value>| {
                    let mut event = base.clone();
                    if place.is_some() && channel == "payment" {
                        // Of the two sums only one may be there.
                        event["data"].as_object_mut().unwrap().remove("amount");
                        if member != "total_amount_paid" {
                            event["data"]["amount"] = "1.00".into();
                        }
                    }
                    let object = match place {
                        Some(place) => &mut event[place],
                        None => &mut event,
                    };
                    match value {
                        Some(value) => object[member] = value,
                        None => drop(object.as_object_mut().unwrap().remove(member)),
                    }
                    refusal(channel, SINGLE, &event)
                };
                let of_two = ["amount", "total_amount_paid"].contains(&member.as_str());
                let is_required = required.iter().any(|name| name == member) || of_two;
                assert_eq!(refused(None).is_some(), is_required, "{channel} {member} left out");
                let read = refused(Some(json!([])));
                if member != "datacontenttype" {
                    let (_, detail) = read.unwrap_or_else(|| panic!("{member}: nobody reads it"));
                    assert!(detail.contains(member), "{member}: {detail}");
                }
                let rule = rule["$ref"].as_str().map_or(rule, |reference| {
                    document.pointer(reference.trim_start_matches('#')).unwrap()
                });
                if let Some(most) = rule["maxLength"].as_u64() {
                    let text = |length: u64| match member.as_str() {
                        "email" => format!("{}@b.example", "a".repeat(length as usize - 10)),
                        _ => "a".repeat(length as usize),
                    };
                    assert_eq!(refused(Some(text(most).into())), None, "{member} of {most}");
                    let longer = refused(Some(text(most + 1).into()));
                    let (reason, _) =
                        longer.unwrap_or_else(|| panic!("{channel} {member} may be longer"));
                    assert_eq!(reason, Reason::Schema, "{member} of {}", most + 1);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 20, "{tried}");
    // What nobody knows is ignored.
    let mut event = examples(&document, "click").next().unwrap().clone();
    event["data"]["whatever"] = json!({"more": 1});
    assert_eq!(refusal("click", SINGLE, &event), None);
    let many: Vec<&Value> = vec![&event; BATCH_EVENTS_MAX + 1];
    assert_eq!(refusal("batch", BATCH, &json!(many)).unwrap().0, Reason::TooLarge);
    assert_eq!(refusal("batch", BATCH, &json!([])).unwrap().0, Reason::Schema);
}

#[test]
fn examples_published_as_they_stand_take_effect() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let document = document();
        let _programs = bed.start_workers(1, &[]).await;
        let (mut clicks, mut replies) = (0, Vec::new());
        for channel in CHANNELS {
            for example in examples(&document, channel) {
                let content_type = if channel == "batch" { BATCH } else { SINGLE };
                let message = Outgoing::event(channel, content_type, example.to_string());
                if channel == "click" {
                    bed.publish(vec![message]).await;
                } else {
                    let reply = bed.publisher.request(message, PATIENCE).await.unwrap().unwrap();
                    let reply: Value = serde_json::from_slice(&reply).unwrap();
                    let schema = validator(&document, "reply");
                    assert!(schema.is_valid(&reply), "{:?}", schema.validate(&reply));
                    assert!(!schema.is_valid(&json!([{"outcome": "made up"}])));
                    replies.extend(reply.as_array().unwrap().clone());
                }
                clicks += example.to_string().matches("referral.click.v1").count() as i64;
            }
        }
        let outcomes: Vec<&str> =
            replies.iter().map(|one| one["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["pending", "created", "accepted", "accepted", "accepted"]);
        eventually("all clicks are there", PATIENCE, async || {
            const COUNT: &str = "SELECT {as int COUNT(*)} AS clicks FROM click";
            let row = bed.store.one(COUNT, Vec::new()).await.map_err(|error| error.to_string())?;
            let found = row.unwrap().int("clicks").unwrap();
            if found == clicks { Ok(()) } else { Err(format!("{found} of {clicks}")) }
        })
        .await;

        // A bad one is parked as the document says.
        let mut bad = examples(&document, "payment").next().unwrap().clone();
        bad["data"]["amount"] = "19.999".into();
        bad["id"] = "bad".into();
        let message = Outgoing::event("payment", SINGLE, bad.to_string());
        bed.publish(vec![message.with_header("x-own", "1")]).await;
        let parked = eventually("it is parked", PATIENCE, async || {
            bed.broker.look_into(CREDITS_DEAD).await.pop().ok_or("not yet".to_owned())
        })
        .await;
        let headers = validator(&document, "parkedHeaders");
        let shown = &parked.properties["headers"];
        assert!(headers.is_valid(shown), "{:?}", headers.validate(shown));
        assert_eq!(parked.header("x-reason"), "amount_invalid");
        assert_eq!(parked.body, bad.to_string().as_bytes());
    });
}
