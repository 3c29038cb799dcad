//! The record of today that registering a code answers, and the offsets that times show (contract 2).
use reqwest::Method;
use serde_json::json;

use super::{House, token};
use crate::ingress::NOON;
use referral::domain::Micros;

const CODE: &str = "b4b9e071006f409d8e6d";
const RECORD: &str = "INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, \
    mtime_us) VALUES ({?}, {?}, {?}, {?}, 3, 1722253945426324, 1722253945428960)";

async fn put(house: &House, code: &str) -> super::Answer {
    let body = json!({"email": "ann@example.com"}).to_string();
    house.call(Method::PUT, &format!("/v1/referral/{code}"), &body).await
}

/// The record's id, a UUID of the day: 2024-0728.
fn id(day: &str) -> String {
    let (month, date) = day.rsplit_once('-').unwrap();
    format!("00000000-{month}{date}-8000-000000000000")
}

async fn happened(house: &House, domain: &str, day: &str) {
    let domain_id = house.domain_id(domain).await;
    let id = id(day);
    house.sql(RECORD, vec![domain_id.into(), day.into(), CODE.into(), id.as_str().into()]).await;
    const SIGNUP: &str = "INSERT INTO daily_signup (event_key, domain_id, code, day, time_us, \
        email, email_key, seen_us) VALUES ({?}, {?}, {?}, {?}, 1, 'B@example.com', 'b@example.com', 1)";
    house.sql(SIGNUP, vec![id.as_str().into(), domain_id.into(), CODE.into(), day.into()]).await;
}

#[tokio::test]
async fn registering_a_code_answers_its_record_of_today_or_an_empty_one_that_is_not_stored() {
    let house = House::new(&[]).await;
    happened(&house, "shop", "2024-07-28").await;
    let empty = put(&house, CODE).await;
    assert_eq!((empty.status, &empty.json()["clicks"]), (201, &json!(0)), "yesterday's is another");
    assert_eq!(
        (&empty.json()["date"], &empty.json()["emails"]),
        (&json!("2024-07-29"), &json!([]))
    );
    assert_eq!(house.get("/v1/referral").await.json()["total"], 1, "not stored");
    assert_eq!(put(&house, CODE).await.text, empty.text, "the same again");

    happened(&house, "shop", "2024-07-29").await;
    let today = put(&house, CODE).await;
    let expected = format!(
        r#"{{"id":"{}","ctime":"2024-07-29T14:52:25.426324+03:00","mtime":"2024-07-29T14:52:25.428960+03:00","date":"2024-07-29","code":"{CODE}","emails":["B@example.com"],"clicks":3}}"#,
        id("2024-07-29")
    );
    assert_eq!((today.status, today.text), (200, expected));

    // Midnight in Moscow, where this domain is.
    house.clock.set(Micros::parse("2024-07-29T21:00:00Z").unwrap());
    let tomorrow = put(&house, CODE).await.json();
    assert_eq!((&tomorrow["date"], &tomorrow["clicks"]), (&json!("2024-07-30"), &json!(0)));
    assert_eq!(tomorrow["ctime"], "2024-07-30T00:00:00.000000+03:00");
}

#[tokio::test]
async fn times_show_microseconds_and_the_domains_offset_which_is_plus_nought_for_utc() {
    let house = House::new(&[]).await;
    house.clock.set(Micros::parse(NOON).unwrap());
    // `default` is in UTC from the start.
    let key = token(&house.store, "default", &house.clock).await;
    happened(&house, "default", "2024-07-28").await;
    let body = r#"{"email":"ann@example.com"}"#;
    let path = format!("/v1/referral/{CODE}");
    let empty = house.call_as(&key, Method::PUT, &path, body).await.json();
    assert_eq!(empty["ctime"], "2024-07-29T09:00:00.000000+00:00");
    let page = house.call_as(&key, Method::GET, "/v1/referral", "").await.json();
    let record = &page["items"][0];
    assert_eq!(record["ctime"], "2024-07-29T11:52:25.426324+00:00");
    assert_eq!(record["mtime"], "2024-07-29T11:52:25.428960+00:00");

    // The offset is the zone's at that instant: summer and winter of one domain differ.
    house
        .sql("UPDATE domain SET timezone = 'Europe/Berlin' WHERE name = 'default'", Vec::new())
        .await;
    house.sql("UPDATE daily_record SET ctime_us = 1706529145000000", Vec::new()).await;
    let page = house.call_as(&key, Method::GET, "/v1/referral", "").await.json();
    let record = &page["items"][0];
    assert_eq!(record["ctime"], "2024-01-29T12:52:25.000000+01:00");
    assert_eq!(record["mtime"], "2024-07-29T13:52:25.428960+02:00");
}
