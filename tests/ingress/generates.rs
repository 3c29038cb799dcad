//! `is_generates_even` (contract 5, `POST /register/`): true while a user's referral may still
//! generate its credit, false once it has; with the real credits worker.
use reqwest::Method;

use super::{House, until};
use crate::{
    harness::messages::single,
    model::fact::{Fact, Signup, payment, signup},
};

/// A house with programmes 1 (target 25) and 2 (target 0), and Alice, whom nobody referred.
async fn with_programmes() -> House {
    let house = House::new(&[("REPLY_TIMEOUT", "30s"), ("PUBLISH_TIMEOUT", "30s")]).await;
    house.credits();
    for target in ["25", "0"] {
        let form = format!("name=P&credit_value=10&target_value={target}");
        assert_eq!(house.call(Method::POST, "/program/", &form).await.status, 201);
    }
    publish(&house, &signup("alice", Signup::default())).await;
    until("Alice is known", async || house.get("/statement/alice/").await.status == 200).await;
    house
}

async fn publish(house: &House, fact: &Fact) {
    for confirmed in house.publisher.publish_all(vec![single(fact, "shop")]).await {
        confirmed.unwrap();
    }
}

/// The user's and the referrer's, as registering (again) tells them.
async fn generates(house: &House, by: &str, user: &str, more: &str) -> (bool, bool) {
    let form = format!("user_indicator={by}&user_indicated={user}{more}");
    let answer = house.call(Method::POST, "/register/", &form).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
    let user = answer.json();
    let of = |user: &serde_json::Value| user["is_generates_even"].as_bool().unwrap();
    (of(&user), of(&user["user_indicator"]))
}

async fn pay(house: &House, user: &str, total: &str) -> String {
    let (path, form) = (format!("/invoice/user/{user}/"), format!("total_amount_paid={total}"));
    house.call(Method::PUT, &path, &form).await.text
}

#[tokio::test]
async fn it_is_false_for_the_payer_alone_once_the_payments_have_reached_the_target() {
    let house = with_programmes().await;
    assert_eq!(generates(&house, "alice", "bob", "").await, (true, true), "registered");
    assert_eq!(generates(&house, "bob", "carol", "").await, (true, true));
    assert_eq!(pay(&house, "bob", "24.99").await, r#"{"acquired_credit":0}"#);
    assert_eq!(generates(&house, "alice", "bob", "").await, (true, true), "below the target");
    assert_eq!(pay(&house, "bob", "25").await, r#"{"acquired_credit":25.0}"#);
    assert_eq!(generates(&house, "alice", "bob", "").await, (false, true), "at the target");
    assert_eq!(pay(&house, "bob", "99").await, r#"{"acquired_credit":25.0}"#);
    assert_eq!(generates(&house, "alice", "bob", "").await, (false, true), "and ever after");
    assert_eq!(generates(&house, "bob", "carol", "").await, (true, false), "Carol's still may");
    assert_eq!(generates(&house, "alice", "dave", "").await, (true, true), "others' too");
}

#[tokio::test]
async fn it_is_false_at_registration_where_the_credit_is_acquired_at_registration() {
    let house = with_programmes().await;
    let under_nought = "&referral_program_id=2";
    assert_eq!(generates(&house, "alice", "bob", under_nought).await, (false, true));
    // What was paid before counts too.
    publish(&house, &payment("carol", 2500)).await;
    let paid = "SELECT COUNT(*) AS n FROM payment";
    until("the payment is kept", async || {
        house.store.one(paid, Vec::new()).await.unwrap().unwrap().int("n").unwrap() == 1
    })
    .await;
    assert_eq!(generates(&house, "alice", "carol", "").await, (false, true));
}

/// Nobody referred Alice, so there is no referral of hers that could have generated anything.
#[tokio::test]
async fn it_stays_true_for_an_unreferred_user_whatever_they_pay() {
    let house = with_programmes().await;
    assert_eq!(pay(&house, "alice", "9999").await, r#"{"acquired_credit":0}"#);
    assert_eq!(generates(&house, "alice", "bob", "").await, (true, true));
}
