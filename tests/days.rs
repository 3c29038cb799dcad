//! Contract 2: "the day is the event's `time` in the domain's time zone", end to end, where days
//! have 23 and 25 hours and offsets change.
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    harness::{Bed, Ingress, PATIENCE, eventually, messages::single, on_every_database},
    model::fact::{Fact, Signup, click, signup},
};

on_every_database!(
    a_day_of_23_and_one_of_25_hours_count_right,
    a_domain_is_in_utc_where_nothing_else_is_said,
);

const CODE: &str = "b4b9e071006f409d8e6d";

/// A click and a signup of this instant; the signup's address says which.
fn both(time: &str) -> [Fact; 2] {
    let email = format!("{}@example.com", time.replace(':', "-").to_lowercase());
    let known = Signup { code: Some(CODE.to_owned()), email: Some(email), ..Signup::default() };
    [click(CODE).at(time), signup(&format!("at-{time}"), known).at(time)]
}

async fn publish(bed: &Bed, facts: &[Fact]) {
    bed.publish(facts.iter().map(|fact| single(fact, "default")).collect()).await;
}

/// (date, number of addresses, clicks) of each record, oldest first, once there are so many clicks
/// and signups in all.
async fn records(ingress: &Ingress, facts: usize) -> Vec<Value> {
    eventually("all is counted", PATIENCE, async || {
        let (_, page) = ingress.get("/v1/referral?limit=1000").await;
        let items: Vec<Value> = page["items"].as_array().cloned().unwrap_or_default();
        let emails = |item: &Value| item["emails"].as_array().map_or(0, Vec::len);
        let all = items.iter().map(|item| emails(item) as u64 + item["clicks"].as_u64().unwrap());
        if all.sum::<u64>() < facts as u64 {
            return Err(page.to_string());
        }
        let shown = items.iter().rev();
        Ok(shown.map(|item| json!([item["date"], emails(item), item["clicks"]])).collect())
    })
    .await
}

/// Berlin: 2026-03-29 begins at 23:00 UTC and ends 23 hours later; 2026-10-25 begins at 22:00 UTC
/// and ends 25 hours later; its hour from 2 to 3 comes twice.
async fn a_day_of_23_and_one_of_25_hours_count_right(bed: Arc<Bed>) {
    bed.referral(&["domain", "set", "default", "--timezone", "Europe/Berlin"], "").await;
    let _worker = bed.start("daily-records").await;
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    let path = format!("/v1/referral/{CODE}");
    let (status, today) = ingress.put(&path, json!({"email": "ann@example.com"})).await;
    assert_eq!(status, 201, "{today}");
    let days = [
        ("2025-10-25", vec!["2025-10-24T22:00:00Z", "2025-10-25T21:59:59.999999Z"]),
        (
            "2025-10-26",
            vec![
                "2025-10-25T22:00:00Z",
                "2025-10-26T00:30:00Z", // 2:30 in summer time
                "2025-10-26T01:30:00Z", // 2:30 once more
                "2025-10-26T22:59:59.999999Z",
            ],
        ),
        ("2025-10-27", vec!["2025-10-26T23:00:00Z"]),
        ("2026-03-28", vec!["2026-03-28T22:59:59.999999Z"]),
        (
            "2026-03-29",
            vec![
                "2026-03-28T23:00:00Z",
                "2026-03-29T00:59:59.999999Z", // 1:59
                "2026-03-29T01:00:00Z",        // 3:00
                "2026-03-29T21:59:59.999999Z",
            ],
        ),
        ("2026-03-30", vec!["2026-03-29T22:00:00Z"]),
    ];
    let times = days.iter().flat_map(|(_, times)| times);
    let facts: Vec<Fact> = times.flat_map(|time| both(time)).collect();
    publish(&bed, &facts).await;
    let found = records(&ingress, facts.len()).await;
    let expected: Vec<Value> =
        days.iter().map(|(day, times)| json!([day, times.len(), times.len()])).collect();
    assert_eq!(found, expected);

    // Filters go by the same days, and a record's own times have the zone's offset of then.
    let (_, page) = ingress.get("/v1/referral?date=2026-03-29").await;
    assert_eq!((&page["total"], &page["items"][0]["clicks"]), (&json!(1), &json!(4)));
    for (instant, offset) in [("1774745999999999", "+01:00"), ("1774746000000000", "+02:00")] {
        let set = format!("UPDATE daily_record SET mtime_us = {instant} WHERE day = '2026-03-29'");
        bed.store.run(&set, None, Vec::new()).await.unwrap();
        let (_, page) = ingress.get("/v1/referral?date=2026-03-29").await;
        let mtime = page["items"][0]["mtime"].as_str().unwrap();
        assert!(mtime.starts_with("2026-03-29T") && mtime.ends_with(offset), "{mtime}");
    }
}

/// "IANA name, default `UTC`".
async fn a_domain_is_in_utc_where_nothing_else_is_said(bed: Arc<Bed>) {
    bed.referral(&["domain", "create", "shop", "--currency", "EUR"], "").await;
    let listed = bed.referral(&["domain", "list", "--json"], "").await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let zone = |name: &str| {
        let found = listed.as_array().unwrap().iter().find(|domain| domain["name"] == name);
        found.unwrap()["timezone"].clone()
    };
    assert_eq!((zone("shop"), zone("default")), (json!("UTC"), json!("UTC")));
    let _worker = bed.start("daily-records").await;
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    let path = format!("/v1/referral/{CODE}");
    let (_, empty) = ingress.put(&path, json!({"email": "ann@example.com"})).await;
    assert!(empty["ctime"].as_str().is_some_and(|time| time.ends_with("+00:00")), "{empty}");
    let facts: Vec<Fact> = ["2025-06-01T23:59:59.999999Z", "2025-06-02T00:00:00Z"]
        .iter()
        .flat_map(|time| both(time))
        .collect();
    publish(&bed, &facts).await;
    let expected = [json!(["2025-06-01", 1, 1]), json!(["2025-06-02", 1, 1])];
    assert_eq!(records(&ingress, facts.len()).await, expected);
}
