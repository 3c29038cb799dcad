//! Somebody follows a referral link and registers on the built-in page (contract 2), through the
//! real programs: their address is on the code's record of today, and they are referred.
use std::sync::Arc;

use referral::store::Row;
use serde_json::{Value, json};

use crate::{
    harness::{
        Bed, Ingress, PATIENCE, Program, eventually, http, messages::single, on_every_database,
    },
    model::fact::{Signup, signup},
};

on_every_database!(who_registers_on_the_page_is_on_the_record_and_referred);

/// The referral code of Alice.
pub const CODE: &str = "b4b9e071006f409d8e6d";

async fn who_registers_on_the_page_is_on_the_record_and_referred(bed: Arc<Bed>) {
    let (ingress, workers) = house(&bed).await;
    let link = ingress.program.url(&format!("/register?ref_code={CODE}"));
    let page = http::client().get(link).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(CODE), "{page}");
    // Twice: a double click, in another spelling.
    for email in ["Bob@example.com", "bob@example.com"] {
        let body = format!("ref_code={CODE}&email={}", email.replace('@', "%40"));
        let request = http::client().post(ingress.program.url("/register/form")).body(body);
        let form = "application/x-www-form-urlencoded";
        let answer = request.header("content-type", form).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    // Both are done, so that what the second one would have changed is to be seen.
    bed.drain(workers).await;
    registered(&bed, &ingress, "Bob@example.com").await;
}

/// All programs but billing, a programme, and Alice with her code.
pub async fn house(bed: &Arc<Bed>) -> (Ingress, Vec<Program>) {
    let workers = bed.start_workers(1, &[]).await;
    let ingress = Ingress::of(bed, bed.start("ingress").await).await;
    let programme = json!({"name": "Default", "credit_value": 10, "target_value": 25});
    assert_eq!(ingress.post("/program/", programme).await.0, 201);
    let email = "alice@example.com";
    let alice = Signup { email: Some(email.to_owned()), ..Signup::default() };
    bed.publish(vec![single(&signup("alice", alice), "default")]).await;
    let (status, _) = ingress.put(&format!("/v1/referral/{CODE}"), json!({"email": email})).await;
    assert_eq!(status, 201);
    (ingress, workers)
}

/// Waits until somebody with this address is on the code's record of today, next to one click, and
/// is credited, as is Alice.
pub async fn registered(bed: &Bed, ingress: &Ingress, email: &str) {
    let record = eventually("the record is there", PATIENCE, async || {
        let (status, page) = ingress.get(&format!("/v1/referral?code={CODE}")).await;
        let record = &page["items"][0];
        let is_whole = record["clicks"] == 1 && record["emails"] != json!([]);
        if is_whole { Ok(record.clone()) } else { Err(format!("{status} {page}")) }
    })
    .await;
    assert_eq!(record["emails"], json!([email]), "{record}");
    let hash = eventually("the user is there", PATIENCE, async || {
        const FIND: &str = "SELECT user_hash FROM account \
            WHERE email_key = {?} AND referrer_hash = {?} AND settled_us IS NOT NULL";
        let params = vec![email.to_lowercase().into(), "alice".into()];
        let row: Option<Row> = bed.store.one(FIND, params).await.unwrap();
        row.map(|row| row.text("user_hash").unwrap()).ok_or("no account".to_owned())
    })
    .await;
    let (_, statement) = ingress.get(&format!("/statement/{hash}/")).await;
    let kinds: Vec<(&Value, &Value)> = entries(&statement);
    assert_eq!(kinds, [(&json!("signup_credit"), &json!("10.00"))], "{statement}");
    let (_, alice) = ingress.get("/statement/alice/").await;
    assert_eq!(alice["potencial_credit"], json!(25.0), "{alice}");
}

fn entries(statement: &Value) -> Vec<(&Value, &Value)> {
    let entries = statement["entries"].as_array().map_or(&[][..], Vec::as_slice);
    entries.iter().map(|entry| (&entry["kind"], &entry["amount"])).collect()
}
