//! Registration, invoices and statements (contract 5), with the real credits worker and without.
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{House, until};

const QUEUE: &str = "referral.credits";

async fn register(house: &House, who: &str) -> super::Answer {
    house.call(Method::POST, "/register/", who).await
}

async fn with_programme(settings: &[(&str, &str)]) -> House {
    let house = House::new(settings).await;
    let form = "name=Default&credit_value=10&target_value=25";
    assert_eq!(house.call(Method::POST, "/program/", form).await.status, 201);
    house.user("alice", "aaaaaaaaaaaaaaaaaaaa", Some("alice@example.com")).await;
    house
}

#[tokio::test]
async fn a_referral_is_credited_and_shown() {
    let house = with_programme(&[("REPLY_TIMEOUT", "30s"), ("PUBLISH_TIMEOUT", "30s")]).await;
    house.credits();
    let body = r#"{"user_indicator":"alice","user_indicated":"bob","email":"bob@example.com"}"#;
    let made = register(&house, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let bob = made.json();
    let programme = json!({
        "id": 1, "name": "Default", "credit_value": 10.0, "target_value": 25.0,
        "link": "http://h/program/1", "reward_percent": 0.0, "currency": "RUB",
    });
    let alice = json!({
        "id": "event-of-alice", "hash": "alice", "referral_program": null,
        "is_generates_even": true, "code": "aaaaaaaaaaaaaaaaaaaa",
    });
    let expected = json!({
        "id": bob["id"], "hash": "bob", "referral_program": programme, "user_indicator": alice,
        "is_generates_even": true, "code": bob["code"],
    });
    assert_eq!(bob, expected);
    let again = register(&house, body).await;
    assert_eq!((again.status, again.text), (200, made.text));

    let statement = house.get("/statement/bob").await.json();
    assert_eq!(
        (&statement["signup_credit"], &statement["potencial_credit"]),
        (&json!(10.0), &json!(0.0))
    );
    let pay = async |total: &str| {
        let body = format!("total_amount_paid={total}");
        house.call(Method::PUT, "/invoice/user/bob/", &body).await.text
    };
    assert_eq!(pay("24.99").await, r#"{"acquired_credit":0}"#);
    assert_eq!(house.get("/statement/alice/").await.json()["potencial_credit"], 25.0);
    assert_eq!(pay("25").await, r#"{"acquired_credit":25.0}"#);
    assert_eq!(pay("25").await, r#"{"acquired_credit":25.0}"#, "on every such call");
    let alice = house.get("/statement/alice/").await.json();
    assert_eq!(
        (&alice["potencial_credit"], &alice["acquired_credit"]),
        (&json!(0.0), &json!(25.0))
    );
    assert_eq!(
        (&alice["currency"], &alice["code"]),
        (&json!("RUB"), &json!("aaaaaaaaaaaaaaaaaaaa"))
    );
    let entries = alice["entries"].as_array().unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["potential_credit", "acquired_credit"]);
    assert_eq!(
        (&entries[1]["amount"], &entries[1]["referred_user_hash"]),
        (&json!("25.00"), &json!("bob"))
    );
    let signup = json!({"source": "/referral/ingress", "id": bob["id"]});
    assert_eq!(
        (&entries[1]["causes"][0], entries[1]["causes"].as_array().unwrap().len()),
        (&signup, 2)
    );
    let shown = register(&house, body).await.json();
    assert_eq!(shown["is_generates_even"], false);
}

#[tokio::test]
async fn racing_equal_requests_register_once() {
    let house = with_programme(&[("REPLY_TIMEOUT", "30s"), ("PUBLISH_TIMEOUT", "30s")]).await;
    house.credits();
    let body = "user_indicator=alice&user_indicated=bob";
    let answers = join_all((0..20).map(|_| register(&house, body))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 19], vec![201]].concat());
    let count = house.store.one("SELECT COUNT(*) AS n FROM entry", Vec::new()).await.unwrap();
    assert_eq!(count.unwrap().int("n").unwrap(), 2, "one signup credit, one potential");
}

#[tokio::test]
async fn what_is_refused_is_not_published() {
    let house = with_programme(&[]).await;
    house.user("bob", "bbbbbbbbbbbbbbbbbbbb", None).await;
    house
        .sql("UPDATE account SET claim_indicator = 'carol' WHERE user_hash = 'bob'", Vec::new())
        .await;
    for (body, status) in [
        ("user_indicated=dave", 412),
        ("user_indicator=alice", 412),
        ("user_indicator=nobody&user_indicated=dave", 404),
        ("user_indicator=alice&user_indicated=dave&referral_program_id=7", 404),
        ("user_indicator=alice&user_indicated=dave&referral_program_id=x", 422),
        ("user_indicator=alice&user_indicated=alice", 409),
        ("user_indicator=alice&user_indicated=dave&email=ALICE%40example.com", 409),
        ("user_indicator=alice&user_indicated=bob", 409),
    ] {
        let answer = register(&house, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert!(answer.json()["error"].is_string());
    }
    for (path, body, status) in [
        ("/invoice/user/nobody/", "total_amount_paid=1", 404),
        ("/invoice/user/bob/", "total_amount_paid=-1", 422),
        ("/invoice/user/bob", "total_amount_paid=1.001", 422),
        ("/invoice/user/bob", "total=1", 422),
    ] {
        assert_eq!(house.call(Method::PUT, path, body).await.status, status, "{path} {body}");
    }
    assert_eq!(house.get("/statement/nobody").await.status, 404);
    let (messages, _) = house.taken(QUEUE, 0).await;
    assert_eq!(messages, 0);
}

#[tokio::test]
async fn past_the_reply_timeout_it_is_accepted_and_known_later() {
    let house = with_programme(&[("REPLY_TIMEOUT", "100ms")]).await;
    let answer = register(&house, "user_indicator=alice&user_indicated=bob").await;
    assert_eq!(answer.status, 202);
    let id = answer.json()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.text, format!(r#"{{"status":"accepted","event_id":"{id}"}}"#));
    let location = answer.header("location").to_owned();
    assert_eq!(location, format!("/v1/events/{id}"));
    assert_eq!(house.get(&location).await.status, 404);
    house.credits();
    until("the outcome is known", async || house.get(&location).await.status == 200).await;
    let known = house.get(&location).await;
    let code = house.get("/statement/bob").await.json()["code"].as_str().unwrap().to_owned();
    let expected = format!(
        r#"{{"id":"{id}","source":"/referral/ingress","type":"referral.signup.v1","outcome":"created","user_hash":"bob","code":"{code}"}}"#
    );
    assert_eq!(known.text, expected);
    assert_eq!(house.call_as(&house.stranger, Method::GET, &location, "").await.status, 404);
}
