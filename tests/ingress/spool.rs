//! Clicks while the broker, or the database, is away (contract 2): "an answered click is never lost".
use std::collections::HashMap;

use futures_util::future::join_all;
use referral::store::{Store, StoreSettings};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Answer, House, client, conform,
    link::{CODE, QUEUE, follow, register},
    until,
};

/// Nobody listens there.
const NOWHERE: &str = "amqp://guest:guest@127.0.0.1:9/%2f";

async fn visit(house: &House, path: &str) -> Answer {
    follow(house, Method::GET, path, &[("user-agent", "Firefox")]).await
}

/// What lies in the house's spool, in order.
async fn spooled(house: &House) -> Vec<Value> {
    let path = house.settings.ingress().unwrap().spool_path;
    let url = format!("sqlite://{path}?mode=ro");
    let store = Store::connect(&StoreSettings { url, connections_max: 1, migrate: false }).await;
    let rows = store.unwrap().all("SELECT event FROM spooled ORDER BY number", None, vec![]).await;
    let texts = rows.unwrap().into_iter().map(|row| row.text("event").unwrap());
    texts.map(|text| serde_json::from_str(&text).unwrap()).collect()
}

#[tokio::test]
async fn a_click_is_answered_like_any_other_while_the_broker_is_away() {
    let settings = [("REGISTER_URL", "https://example.com/join"), ("LANDING_URL", "/go/{code}")];
    let house = House::at(NOWHERE, &settings).await;
    register(&house).await;
    let answer = visit(&house, &format!("/register?ref_code={CODE}&x=1")).await;
    let expected = format!("https://example.com/join?ref_code={CODE}");
    assert_eq!((answer.status, answer.header("location")), (303, expected.as_str()));
    let answer = visit(&house, &format!("/ref/{CODE}/?cur_from=A")).await;
    let expected = format!("/go/{CODE}");
    assert_eq!((answer.status, answer.header("location")), (302, expected.as_str()));
    assert_eq!(visit(&house, "/register?ref_code=nope").await.status, 303);

    let spooled = spooled(&house).await;
    assert_eq!((spooled.len(), house.spool.events()), (2, 2), "no click, nothing to keep");
    for (event, query) in spooled.iter().zip([format!("ref_code={CODE}&x=1"), "cur_from=A".into()])
    {
        let mut expected = json!({
            "specversion": "1.0", "type": "referral.click.v1", "source": "/referral/ingress",
            "time": "2024-07-29T09:00:00.000000+00:00", "domain": "shop",
            "datacontenttype": "application/json",
            "data": {"code": CODE, "ip": "127.0.0.1", "user_agent": "Firefox", "query_string": query},
        });
        expected["id"] = event["id"].clone();
        assert_eq!(*event, expected);
    }
    let text = house.metrics.text();
    assert!(text.contains("referral_spool_events{program=\"ingress\"} 2"), "{text}");

    // Who has to wait for a worker is still told to come again.
    house.user("alice", "aaaaaaaaaaaaaaaaaaaa", None).await;
    let body = "user_indicator=alice&user_indicated=bob";
    let answer = house.call(Method::POST, "/register/", body).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
}

#[tokio::test]
async fn a_full_spool_answers_503_and_loses_nothing() {
    let house = House::at(NOWHERE, &[("SPOOL_MAX_BYTES", "1048576")]).await;
    register(&house).await;
    let long = "x".repeat(2048);
    let path = format!("/register?ref_code={CODE}&{long}");
    let (client, url) = (client(), format!("{}{path}", house.base));
    let mut kept = 0;
    let refused = loop {
        let request = client.get(&url).header("referer", &long).header("user-agent", &long);
        let answer = Answer::of(request.send().await.unwrap()).await;
        conform::check("GET", &path, &answer);
        match answer.status {
            200 => kept += 1,
            _ => break answer,
        }
        assert!(kept < 1000, "there is a bound");
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert!(refused.text.contains("the spool is full"), "{}", refused.text);
    assert!(kept > 100, "{kept} of 6 KiB in 1 MiB");
    assert_eq!(spooled(&house).await.len(), kept);
    assert!(house.metrics.text().contains("result=\"full\"} 1"));
    let file = std::fs::metadata(house.settings.ingress().unwrap().spool_path).unwrap().len();
    assert!(file < 2 << 20, "{file} bytes for 1 MiB of clicks");
    assert_eq!(visit(&house, "/register?ref_code=nope").await.status, 200, "no click to keep");
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_is_never_said_to_have_kept_a_click() {
    let link = format!("/register?ref_code={CODE}");
    let away = House::at(NOWHERE, &[]).await;
    register(&away).await;
    away.spool_file.close().await.unwrap();
    let answer = visit(&away, &link).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert!(answer.text.contains("the spool cannot be written"), "{}", answer.text);

    let late = House::new(&[("CLICK_CONFIRM", "0ms")]).await;
    register(&late).await;
    late.spool_file.close().await.unwrap();
    assert_eq!(visit(&late, &link).await.status, 200, "a late confirm is as good");
    assert_eq!(late.taken(QUEUE, 1).await.1.len(), 1);
}

/// The broker is there and confirms too late for every click.
#[tokio::test]
async fn a_late_confirm_and_the_spool_publish_the_same_event() {
    let house = House::new(&[("CLICK_CONFIRM", "0ms")]).await;
    register(&house).await;
    let link = format!("/register?ref_code={CODE}");
    for _ in 0..3 {
        let answers = join_all((0..20).map(|_| visit(&house, &link))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
    }
    until("the spool is empty", async || house.spool.events() == 0).await;
    let (_, events) = house.taken(QUEUE, 60).await;
    let mut by_id: HashMap<&str, Vec<&Value>> = HashMap::new();
    for event in &events {
        by_id.entry(event["id"].as_str().unwrap()).or_default().push(event);
    }
    assert_eq!(by_id.len(), 60, "of {} copies", events.len());
    for copies in by_id.values() {
        assert!(copies.iter().all(|copy| *copy == copies[0]), "{copies:?}");
    }
    let text = house.metrics.text();
    assert!(text.contains("referral_spool_published_total"), "{text}");
}

#[tokio::test]
async fn a_link_that_was_followed_lately_goes_on_without_the_database() {
    let house = House::new(&[]).await;
    register(&house).await;
    let link = format!("/register?ref_code={CODE}");
    assert_eq!(visit(&house, &link).await.status, 200);
    house.store.connection().clone().close().await.unwrap();
    assert_eq!(visit(&house, &link).await.status, 200);
    let other = visit(&house, "/register?ref_code=zzzzzzzzzzzzzzzzzzzz").await;
    assert_eq!(
        (other.status, other.header("retry-after")),
        (503, "1"),
        "whose it is, nobody knows"
    );
    let (_, events) = house.taken(QUEUE, 2).await;
    assert!(events.iter().all(|event| event["domain"] == "shop"), "{events:?}");
    assert_eq!(events.len(), 2);
}
