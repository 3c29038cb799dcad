//! Contract 3 with the real programs: what a partner's call becomes further on, through kills at each
//! step and a broker that is away. "A registration or payment is answered only when its site row and
//! its event are both safe" (the event is, from the commit that it shares with the row).
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    harness::{
        Bed, Ingress, PATIENCE, Program, eventually, http, messages::single, on_every_database,
    },
    model::fact::{Signup, signup},
};

on_every_database!(
    a_registered_and_paid_site_is_a_referred_user_who_paid,
    a_call_that_is_killed_anywhere_and_repeated_is_one_site_one_signup_one_payment,
    what_a_killed_call_committed_is_published_without_a_repeat,
    calls_are_answered_while_the_broker_is_away_and_their_events_follow,
);

const PARTNER_EMAIL: &str = "alice@example.com";
/// A month of the shipped catalogue's first tariff, and what it costs.
pub const PRODUCT: i64 = 11;
const PRICE_MINOR: i64 = 600;

/// Where a call that registers and pays may be killed, and whether it is committed by then.
const POINTS: [(&str, bool); 4] = [
    ("sites::before-commit", false),
    ("sites::after-commit", true),
    ("sites::before-answer", true),
    ("sites::after-publish", true),
];

/// A partner's login and code, as form fields.
pub async fn partner(bed: &Bed) -> String {
    let create = ["partner", "create", "acme", "--domain", "default", "--email", PARTNER_EMAIL];
    let told = bed.referral(&create, "").await;
    let (login, code) = told.split_once('\t').unwrap();
    format!("partner={login}&code={code}")
}

/// One call; an error where the ingress did not answer it.
pub async fn call(ingress: &Program, form: &str) -> Result<Value, String> {
    answer(request(ingress, form)).await
}

/// A call that is still to be made.
pub fn request(ingress: &Program, form: &str) -> reqwest::RequestBuilder {
    let request = http::client().post(ingress.url("/partnerapi.php")).body(form.to_owned());
    request.header("content-type", "application/x-www-form-urlencoded")
}

/// What comes of it.
pub async fn answer(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let answer = answer.text().await.map_err(|error| error.to_string())?;
    let told = format!("{status}: {answer}");
    if status != 200 {
        return Err(told);
    }
    let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{told}"));
    assert!(answer.get("errors").is_none(), "{told}");
    Ok(answer["result"].clone())
}

/// How many rows this has.
pub async fn rows(bed: &Bed, what: &str) -> i64 {
    let count = format!("SELECT {{as int COUNT(*)}} AS n FROM {what}");
    bed.store.one(&count, Vec::new()).await.unwrap().unwrap().int("n").unwrap()
}

/// Waits until nothing is left to be published.
pub async fn all_is_told(bed: &Bed) {
    eventually("all events have left", PATIENCE, async || match rows(bed, "site_event").await {
        0 => Ok(()),
        left => Err(format!("{left} are left")),
    })
    .await;
}

async fn a_registered_and_paid_site_is_a_referred_user_who_paid(bed: Arc<Bed>) {
    let workers = bed.start_workers(1, &[]).await;
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    let terms =
        json!({"name": "Sites", "credit_value": 1, "target_value": 6, "reward_percent": 10});
    assert_eq!(ingress.post("/program/", terms).await.0, 201);
    let partner = partner(&bed).await;
    let both = format!("{partner}&host=Shop.example&email=anna%40example.com&product={PRODUCT}");
    let registered = call(&ingress.program, &both).await.unwrap();
    assert_eq!(registered["host"], "shop.example");
    // The partner's own user comes later, and finds it all.
    let alice = Signup { email: Some(PARTNER_EMAIL.to_owned()), ..Signup::default() };
    bed.publish(vec![single(&signup("alice", alice), "default")]).await;
    let statement = eventually("Alice has it", PATIENCE, async || {
        match ingress.get("/statement/alice/").await {
            (200, statement) if statement["acquired_credit"] == json!(6.0) => Ok(statement),
            (status, answer) => Err(format!("{status} {answer}")),
        }
    })
    .await;
    assert_eq!(statement["reward"], json!(0.6), "{statement}");
    let entry = &statement["entries"].as_array().unwrap()[0];
    assert_eq!(entry["referred_user_hash"], "shop.example", "{statement}");
    // The link's record has the registration, as with every signup through a code.
    eventually("the record has the address", PATIENCE, async || {
        match ingress.get("/v1/referral?email=alice%40example.com").await.1 {
            records if records["items"][0]["emails"] == json!(["anna@example.com"]) => Ok(()),
            records => Err(records.to_string()),
        }
    })
    .await;
    all_is_told(&bed).await;
    bed.drain(workers).await;
    assert_eq!([rows(&bed, "signup").await, rows(&bed, "payment").await], [2, 1]);
}

async fn a_call_that_is_killed_anywhere_and_repeated_is_one_site_one_signup_one_payment(
    bed: Arc<Bed>,
) {
    let partner = partner(&bed).await;
    for (n, (point, _)) in POINTS.iter().enumerate() {
        let both = format!(
            "{partner}&host=s{n}.example&email=anna%40example.com&product={PRODUCT}&request_id=r{n}"
        );
        let failing = bed.plan("ingress").set("FAILPOINTS", &format!("{point}=return"));
        let mut ingress = bed.start_planned(failing).await;
        // Killed by its answer or, after that, by what it does next.
        let answer = call(&ingress, &both).await;
        assert!(answer.is_err() || *point == "sites::after-publish", "{point}: {answer:?}");
        let end = ingress.exit(PATIENCE).await;
        assert!(!end.success(), "{point}: {end}");
        let ingress = bed.start("ingress").await;
        for again in 0..2 {
            let answer = call(&ingress, &both).await.unwrap_or_else(|e| panic!("{point}: {e}"));
            assert_eq!(answer["login"], "anna@example.com", "{point} {again}");
        }
        all_is_told(&bed).await;
    }
    let workers = bed.start_workers(1, &[]).await;
    bed.drain(workers).await;
    for table in ["site", "purchase", "signup", "payment", "account", "letter"] {
        assert_eq!(rows(&bed, table).await, POINTS.len() as i64, "{table}");
    }
    for n in 0..POINTS.len() {
        let paid = format!("payer WHERE user_hash = 's{n}.example' AND sum_minor = {PRICE_MINOR}");
        assert_eq!(rows(&bed, &paid).await, 1, "{paid}");
    }
}

async fn what_a_killed_call_committed_is_published_without_a_repeat(bed: Arc<Bed>) {
    let partner = partner(&bed).await;
    for (n, (point, is_committed)) in POINTS.iter().enumerate() {
        let both =
            format!("{partner}&host=s{n}.example&email=anna%40example.com&product={PRODUCT}");
        let failing = bed.plan("ingress").set("FAILPOINTS", &format!("{point}=return"));
        let mut ingress = bed.start_planned(failing).await;
        drop(call(&ingress, &both).await);
        assert!(!ingress.exit(PATIENCE).await.success(), "{point}");
        let sites = rows(&bed, &format!("site WHERE host = 's{n}.example'")).await;
        assert_eq!(sites, i64::from(*is_committed), "{point}: both or neither");
    }
    let ingress = bed.start("ingress").await;
    all_is_told(&bed).await;
    drop(ingress);
    let workers = bed.start_workers(1, &[]).await;
    bed.drain(workers).await;
    let committed = POINTS.iter().filter(|(_, is_committed)| *is_committed).count() as i64;
    for table in ["site", "purchase", "signup", "payment", "account", "letter"] {
        assert_eq!(rows(&bed, table).await, committed, "{table}");
    }
}

async fn calls_are_answered_while_the_broker_is_away_and_their_events_follow(bed: Arc<Bed>) {
    let partner = partner(&bed).await;
    let nowhere = bed.plan("ingress").set("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f");
    let mut lonely = bed.spawn(nowhere);
    let both = format!("{partner}&host=s.example&email=anna%40example.com&product={PRODUCT}");
    let answer = eventually("it is answered", PATIENCE, async || call(&lonely, &both).await).await;
    assert_eq!(answer["login"], "anna@example.com");
    assert_eq!(rows(&bed, "site_event").await, 2);
    lonely.kill().await;
    let mut ingress = bed.start("ingress").await;
    all_is_told(&bed).await;
    ingress.stop().await;
    let workers = bed.start_workers(1, &[]).await;
    bed.drain(workers).await;
    for table in ["site", "signup", "payment"] {
        assert_eq!(rows(&bed, table).await, 1, "{table}");
    }
}
