//! Contract 2, the daily record, end to end: what makes one, what is on it, and when it changes.
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    harness::{Bed, Ingress, PATIENCE, Program, eventually, messages::single, on_every_database},
    model::fact::{Click, Fact, Signup, What, click, signup},
};

on_every_database!(
    a_record_appears_with_the_first_click_or_signup_of_its_day,
    addresses_are_in_order_of_time_each_once_in_the_spelling_of_the_first,
    bots_clicks_are_kept_and_marked_and_make_no_record,
    events_of_an_unregistered_code_show_once_it_is_registered,
    mtime_moves_whenever_the_record_changes_and_not_otherwise,
);

const CODE: &str = "b4b9e071006f409d8e6d";
/// Says that everything published before it is done: one worker takes them in order.
const LAST: &str = "zzzzzzzzzzzzzzzzzzzz";

/// The worker and an ingress, with `CODE` registered.
async fn house(bed: &Bed) -> (Ingress, Program) {
    let worker = bed.start("daily-records").await;
    let ingress = Ingress::of(bed, bed.start("ingress").await).await;
    register(&ingress, CODE).await;
    (ingress, worker)
}

async fn register(ingress: &Ingress, code: &str) {
    let path = format!("/v1/referral/{code}");
    assert_eq!(ingress.put(&path, json!({"email": "ann@example.com"})).await.0, 201);
}

/// Publishes in this order, and waits until all of it is in the database.
async fn publish(bed: &Bed, facts: &[Fact]) {
    const COUNT: &str = "SELECT COUNT(*) AS n FROM click WHERE code = {?}";
    let count = async || {
        let row = bed.store.one(COUNT, vec![LAST.into()]).await.unwrap().unwrap();
        row.int("n").unwrap()
    };
    let before = count().await;
    let last = click(LAST);
    let all = facts.iter().chain([&last]).map(|fact| single(fact, "default"));
    bed.publish(all.collect()).await;
    eventually("all is counted", PATIENCE, async || {
        if count().await > before { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
}

/// The records of a code: (date, emails, clicks), newest first.
async fn records(ingress: &Ingress, code: &str) -> Vec<Value> {
    let (status, page) = ingress.get(&format!("/v1/referral?code={code}")).await;
    assert_eq!(status, 200, "{page}");
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| json!([item["date"], item["emails"], item["clicks"]])).collect()
}

fn came(user: &str, email: Option<&str>, code: Option<&str>) -> Fact {
    let text = |text: &str| text.to_owned();
    let known = Signup { email: email.map(text), code: code.map(text), ..Signup::default() };
    signup(user, known)
}

fn bot(code: &str) -> Fact {
    Fact::new(What::Click(Click { code: code.to_owned(), bot: true }))
}

/// "A record appears with the first click *or* signup of its day, with `emails: []` or `clicks: 0`
/// for what has not happened"; "without a `code` or an `email` on no record"; "A signup counts on
/// the `code` it carries, whatever its outcome in credits".
async fn a_record_appears_with_the_first_click_or_signup_of_its_day(bed: Arc<Bed>) {
    let (ingress, _worker) = house(&bed).await;
    assert_eq!(records(&ingress, CODE).await, [json!(null); 0], "nothing has happened");
    let by_another = Signup {
        user_indicator: Some("bob".to_owned()),
        code: Some(CODE.to_owned()),
        email: Some("bob@example.com".to_owned()),
        ..Signup::default()
    };
    publish(
        &bed,
        &[
            click(CODE).at("2025-06-01T10:00:00Z"),
            came("anna", Some("anna@example.com"), Some(CODE)).at("2025-06-02T10:00:00Z"),
            came("silent", None, Some(CODE)).at("2025-06-03T10:00:00Z"),
            came("quiet", None, Some(CODE)).at("2025-06-01T10:00:00Z"),
            came("nowhere", Some("n@example.com"), None).at("2025-06-04T10:00:00Z"),
            // Names himself, and then once more another way: to credits a self-referral and a conflict.
            signup("bob", by_another.clone()).at("2025-06-05T10:00:00Z"),
            signup("bob", Signup { email: Some("b2@example.com".to_owned()), ..by_another })
                .at("2025-06-05T11:00:00Z"),
        ],
    )
    .await;
    let expected = [
        json!(["2025-06-05", ["bob@example.com", "b2@example.com"], 0]),
        json!(["2025-06-02", ["anna@example.com"], 0]),
        json!(["2025-06-01", [], 1]),
    ];
    assert_eq!(records(&ingress, CODE).await, expected);
}

/// "Addresses of those who registered that day through the code, each once per record, in order of
/// the events' `time`, then of the address; compared without regard to case, in the spelling of the
/// first."
async fn addresses_are_in_order_of_time_each_once_in_the_spelling_of_the_first(bed: Arc<Bed>) {
    let (ingress, _worker) = house(&bed).await;
    let at = |time: &str, email: &str| {
        came(email, Some(email), Some(CODE)).at(&format!("2025-06-01T{time}Z"))
    };
    // Not published in the order of their times.
    publish(
        &bed,
        &[
            at("12:00:00", "late@example.com"),
            at("11:00:00", "ANNA@Example.com"),
            at("09:00:00", "c@example.com"),
            at("09:00:00", "B@example.com"),
            at("10:00:00", "Anna@example.com"),
            at("13:00:00", "anna@example.com"),
            came("next", Some("anna@EXAMPLE.com"), Some(CODE)).at("2025-06-02T00:00:00Z"),
        ],
    )
    .await;
    let first = ["B@example.com", "c@example.com", "Anna@example.com", "late@example.com"];
    let expected =
        [json!(["2025-06-02", ["anna@EXAMPLE.com"], 0]), json!(["2025-06-01", first, 0])];
    assert_eq!(records(&ingress, CODE).await, expected);
}

/// "Clicks by bots … are kept and marked, do not count and make no record."
async fn bots_clicks_are_kept_and_marked_and_make_no_record(bed: Arc<Bed>) {
    let (ingress, _worker) = house(&bed).await;
    let day = |fact: Fact, day: u8| fact.at(&format!("2025-06-0{day}T10:00:00Z"));
    publish(&bed, &[day(bot(CODE), 1), day(click(CODE), 2), day(bot(CODE), 2)]).await;
    assert_eq!(records(&ingress, CODE).await, [json!(["2025-06-02", [], 1])]);
    const KEPT: &str =
        "SELECT COUNT(*) AS n, {as int SUM(bot)} AS bots FROM click WHERE code = {?}";
    let kept = bed.store.one(KEPT, vec![CODE.into()]).await.unwrap().unwrap();
    assert_eq!((kept.int("n").unwrap(), kept.int("bots").unwrap()), (3, 2));
}

/// "Events for a code that nobody has registered yet are kept and counted; they show once the code
/// is registered."
async fn events_of_an_unregistered_code_show_once_it_is_registered(bed: Arc<Bed>) {
    let (ingress, _worker) = house(&bed).await;
    let later = "nnnnnnnnnnnnnnnnnnnn";
    let facts = [click(later), click(later), came("anna", Some("a@example.com"), Some(later))];
    publish(&bed, &facts).await;
    assert_eq!(records(&ingress, later).await, [json!(null); 0]);
    assert_eq!(ingress.get("/v1/referral").await.1["total"], 0);
    register(&ingress, later).await;
    let expected = [json!(["2025-06-01", ["a@example.com"], 2])];
    assert_eq!(records(&ingress, later).await, expected);
}

/// "`mtime` moves whenever the record changes."
async fn mtime_moves_whenever_the_record_changes_and_not_otherwise(bed: Arc<Bed>) {
    let (ingress, _worker) = house(&bed).await;
    let times = async || {
        let (_, page) = ingress.get(&format!("/v1/referral?code={CODE}")).await;
        let time = |name: &str| page["items"][0][name].as_str().unwrap_or_default().to_owned();
        (time("ctime"), time("mtime"))
    };
    let first = click(CODE);
    publish(&bed, std::slice::from_ref(&first)).await;
    let (ctime, mut mtime) = times().await;
    assert_eq!(ctime, mtime);
    let email = |user: &str, email: &str, hour: u8| {
        came(user, Some(email), Some(CODE)).at(&format!("2025-06-01T{hour:02}:00:00Z"))
    };
    let steps = [
        ("a click", click(CODE), true),
        ("a signup", email("bob", "bob@example.com", 12), true),
        ("a click delivered again", first, false),
        ("a bot's click", bot(CODE), false),
        ("a signup without an address", came("carl", None, Some(CODE)), false),
        ("a signup without a code", came("dora", Some("d@example.com"), None), false),
        ("an address that is there", email("bert", "BOB@example.com", 13), false),
        ("its earlier spelling", email("ben", "Bob@example.com", 11), true),
        ("another address", email("eve", "eve@example.com", 10), true),
        ("a click of another day", click(CODE).at("2025-05-31T12:00:00Z"), false),
    ];
    for (what, fact, moves) in steps {
        publish(&bed, &[fact]).await;
        let now = times().await;
        assert_eq!((now.0.as_str(), now.1 > mtime), (ctime.as_str(), moves), "{what}");
        assert!(moves || now.1 == mtime, "{what}");
        mtime = now.1;
    }
    // Also where another worker's clock is ahead.
    let ahead = "UPDATE daily_record SET mtime_us = mtime_us + 3600000000";
    bed.store.run(ahead, None, Vec::new()).await.unwrap();
    let (_, before) = times().await;
    publish(&bed, &[click(CODE)]).await;
    assert!(times().await.1 > before);
}
