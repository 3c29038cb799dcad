//! Contract 4, "Reward": the share of each payment of a referred user that accrues to the referrer,
//! from the events to what the partner reads.
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    harness::{Bed, messages::single, on_every_database},
    model::fact::{Fact, Paid, Payment, Signup, What, payment, signup},
    partner::{data, house, key, publish, referred},
};

on_every_database!(each_payment_accrues_its_share_once_rounded_half_even_to_cents);

fn of(paid: Paid, currency: Option<&str>, success: Option<bool>) -> Fact {
    let currency = currency.map(str::to_owned);
    Fact::new(What::Payment(Payment { user: "bob".to_owned(), currency, paid, success }))
}

/// 2.5 percent. What counts is in the second column in minor units; nothing: it accrues nothing.
fn payments() -> Vec<(Fact, Option<i64>)> {
    vec![
        (payment("bob", 1000), Some(25)),
        (payment("bob", 20), Some(0)),  // 0.5 of a cent, to the even 0
        (payment("bob", 60), Some(2)),  // 1.5 cents, to the even 2
        (payment("bob", 100), Some(2)), // 2.5 cents, to the even 2
        (payment("bob", 140), Some(4)), // 3.5 cents, to the even 4
        (payment("bob", 1999), Some(50)),
        (payment("bob", 100_000_000_000_000), Some(2_500_000_000_000)),
        (of(Paid::Amount(1000), Some("USD"), Some(true)), Some(25)),
        (of(Paid::Amount(1000), Some("EUR"), None), None),
        (of(Paid::Amount(1000), None, Some(false)), None),
        (of(Paid::Total(500_000), None, None), None),
        (payment("alice", 1000), None), // referred by nobody: not listed
        (payment("carol", 2000), Some(50)),
    ]
}

async fn each_payment_accrues_its_share_once_rounded_half_even_to_cents(bed: Arc<Bed>) {
    let (ingress, workers) = house(&bed).await;
    let key = key(&bed).await;
    let payments = payments();
    // Carol pays before she and her referrer are known; everything comes twice, in two orders.
    publish(&bed, &[payments[12].0.clone()]).await;
    publish(&bed, &referred(&["bob"])).await;
    let facts: Vec<Fact> = payments.iter().map(|(fact, _)| fact.clone()).collect();
    publish(&bed, &facts).await;
    let carol = Signup { user_indicator: Some("alice".to_owned()), ..Signup::default() };
    publish(&bed, &[signup("carol", carol)]).await;
    bed.drain(workers).await;
    let terms = json!({"reward_percent": 100});
    assert_eq!(ingress.put("/program/1/", terms).await.0, 200, "of those who come from now on");
    let workers = bed.start_workers(1, &[]).await;
    publish(&bed, &facts.iter().rev().cloned().collect::<Vec<_>>()).await;
    let late = payment("bob", 1000);
    bed.publish(vec![single(&late, "default")]).await;
    bed.drain(workers).await;

    let shown = data(&ingress.program, &key, "get_exchanges").await;
    let items = shown["items"].as_object().unwrap();
    let reward = |item: &Value| {
        let minor = (item["partner_reward"].as_f64().unwrap() * 100.0).round() as i64;
        (item["accrued"].clone(), minor)
    };
    let mut found: Vec<(Value, i64)> = items.values().map(reward).collect();
    let listed = payments.iter().enumerate().filter(|(number, _)| *number != 11);
    let mut expected: Vec<(Value, i64)> = listed
        .map(|(_, (_, minor))| (json!(u8::from(minor.is_some())), minor.unwrap_or_default()))
        .chain([(json!(1), 25)])
        .collect();
    let by_reward = |(accrued, minor): &(Value, i64)| (*minor, accrued.to_string());
    found.sort_by_key(by_reward);
    expected.sort_by_key(by_reward);
    assert_eq!(found, expected, "{shown}");
    let sum: i64 = expected.iter().map(|(_, minor)| minor).sum();
    let info = data(&ingress.program, &key, "get_info").await;
    let balance = format!("{}.{:02}", sum / 100, sum % 100);
    assert_eq!(info["balance"].to_string().trim_end_matches('0'), balance.trim_end_matches('0'));
    // The books of contract 5 know nothing of it.
    let (_, statement) = ingress.get("/statement/alice/").await;
    assert_eq!(statement["reward"].as_f64(), info["balance"].as_f64(), "{statement}");
}
