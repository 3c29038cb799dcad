//! The three forms of the envelope, by this house's publisher and by clients that nobody here
//! wrote (contract 1, "Envelope").
use std::sync::Arc;

use referral::broker::{HeaderValue, Outgoing};

use crate::{
    harness::{
        Bed, Tenant,
        clients::{Foreign, amqp_publish, pika},
        messages::{batch, binary, single},
        on_every_database, state,
    },
    model::{
        cases::code,
        fact::{Fact, Signup, click, payment, signup},
        outcome,
    },
};

on_every_database!(every_form_of_every_client_counts);

/// Contract 1: "Every event is a CloudEvents 1.0 event in the JSON format": one event, an array,
/// or the data alone with headers, "also accepted with `_` for `:`".
async fn every_form_of_every_client_counts(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "Europe/Berlin").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let programs = bed.start_workers(1, &[]).await;
    let mut sent = Vec::new();

    // One's own publisher.
    for (client, form) in [("own", form as Form), ("own-underscore", form_underscore as Form)] {
        let facts = story(&tenant, client);
        bed.publish(form(&facts, &tenant.name)).await;
        sent.extend(facts);
    }
    // Python's pika.
    let facts = story(&tenant, "pika");
    let messages: Vec<Foreign> = form(&facts, &tenant.name).iter().map(foreign).collect();
    pika(&bed, &messages).await;
    sent.extend(facts);
    // amqp-publish of Debian's amqp-tools.
    let facts = story(&tenant, "amqp-publish");
    for message in form_underscore(&facts, &tenant.name) {
        amqp_publish(&bed, &foreign(&message)).await;
    }
    sent.extend(facts);

    let expected = outcome(&tenant.world, &sent);
    assert_eq!(expected.accounts.len(), 12);
    state::expect(&bed, &tenant, &expected).await;
    bed.drain(programs).await;
    state::expect_now(&bed, &tenant, &expected).await;
}

type Form = fn(&[Fact], &str) -> Vec<Outgoing>;

/// Three clicks, signups and payments, so that each can go in each of the three forms.
fn story(tenant: &Tenant, client: &str) -> Vec<Fact> {
    let link = code(&tenant.world, client.len());
    (0..3)
        .flat_map(|number| {
            let user = format!("{client}-{number}");
            let known = Signup {
                user_indicator: (number > 0).then(|| format!("{client}-0")),
                code: Some(link.clone()),
                email: Some(format!("{user}@example.com")),
                ..Signup::default()
            };
            [click(&link), signup(&user, known), payment(&user, 2500)]
        })
        .collect()
}

/// The first three singly, the next three in a batch, the last three in binary mode.
fn form(facts: &[Fact], domain: &str) -> Vec<Outgoing> {
    in_forms(facts, domain, ':')
}

fn form_underscore(facts: &[Fact], domain: &str) -> Vec<Outgoing> {
    in_forms(facts, domain, '_')
}

fn in_forms(facts: &[Fact], domain: &str, separator: char) -> Vec<Outgoing> {
    let together: Vec<&Fact> = facts[3..6].iter().collect();
    let mut messages: Vec<_> = facts[..3].iter().map(|fact| single(fact, domain)).collect();
    messages.push(batch(&together, domain));
    messages.extend(facts[6..].iter().map(|fact| binary(fact, domain, separator)));
    messages
}

fn foreign(message: &Outgoing) -> Foreign {
    let header = |(name, value): &(String, HeaderValue)| match value {
        HeaderValue::Text(text) => (name.clone(), text.clone()),
        other => panic!("{name} is no text: {other:?}"),
    };
    Foreign {
        key: message.routing_key.clone(),
        content_type: message.content_type.clone(),
        headers: message.headers.iter().map(header).collect(),
        body: String::from_utf8(message.body.clone()).unwrap(),
    }
}
