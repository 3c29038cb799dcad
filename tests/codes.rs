//! Contract 2: "The referrer of a code is the user with its e-mail …; signups through the code are
//! credited to that user once both exist", whatever comes first.
use std::sync::Arc;

use serde_json::json;

use crate::{
    harness::{Bed, Ingress, PATIENCE, eventually, messages::single, on_every_database},
    model::fact::{Fact, Signup, signup},
};

on_every_database!(a_code_its_owner_and_a_signup_through_it_may_come_in_any_order);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The code is registered for the owner's e-mail.
    Code,
    /// The owner signs up.
    Owner,
    /// Somebody signs up through the code.
    Referred,
}
use Step::{Code, Owner, Referred};

const ORDERS: [[Step; 3]; 6] = [
    [Code, Owner, Referred],
    [Code, Referred, Owner],
    [Owner, Code, Referred],
    [Owner, Referred, Code],
    [Referred, Code, Owner],
    [Referred, Owner, Code],
];

async fn a_code_its_owner_and_a_signup_through_it_may_come_in_any_order(bed: Arc<Bed>) {
    let _worker = bed.start("credits").await;
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    let programme = json!({"name": "Default", "credit_value": 10, "target_value": 25});
    assert_eq!(ingress.post("/program/", programme).await.0, 201);
    for (number, order) in ORDERS.iter().enumerate() {
        for step in order {
            take(&bed, &ingress, number, *step).await;
        }
    }
    for (number, order) in ORDERS.iter().enumerate() {
        let sums = async |user: String| {
            let (_, statement) = ingress.get(&format!("/statement/{user}/")).await;
            [statement["signup_credit"].clone(), statement["potencial_credit"].clone()]
        };
        eventually(&format!("{order:?} is credited"), PATIENCE, async || {
            let found =
                [sums(format!("owner-{number}")).await, sums(format!("user-{number}")).await];
            let expected = [[json!(0.0), json!(25.0)], [json!(10.0), json!(0.0)]];
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
}

/// Takes one step, and waits until it is known.
async fn take(bed: &Bed, ingress: &Ingress, number: usize, step: Step) {
    let code = format!("code{number:016}");
    let email = format!("owner-{number}@example.com");
    match step {
        Code => {
            let path = format!("/v1/referral/{code}");
            assert_eq!(ingress.put(&path, json!({"email": email.to_uppercase()})).await.0, 201);
        }
        Owner => {
            let known = Signup { email: Some(email), ..Signup::default() };
            signs_up(bed, &signup(&format!("owner-{number}"), known)).await;
        }
        Referred => {
            let known = Signup { code: Some(code), ..Signup::default() };
            signs_up(bed, &signup(&format!("user-{number}"), known)).await;
        }
    }
}

async fn signs_up(bed: &Bed, fact: &Fact) {
    let reply = bed.publisher.request(single(fact, "default"), PATIENCE).await;
    assert!(reply.expect("confirmed").is_some(), "a reply");
}
