//! Contract 7, `referral partner create|key`, and contract 4, "Operators: `referral payout method
//! add|list`, `referral payout list|done|cancel ID`, `referral domain set NAME --min-payout N`": the
//! commands as an operator uses them, and what a partner then sees.
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    harness::{
        Bed, Ingress, PATIENCE, Program, eventually, http, messages::single, on_every_database,
    },
    model::fact::{Fact, Signup, payment, signup},
};

on_every_database!(
    partners_are_made_with_logins_unique_across_domains_and_codes_that_are_stored_hashed,
    keys_are_shown_once_rotated_by_another_and_revoked_at_once,
    payouts_are_listed_done_and_cancelled_once_and_for_all,
);

/// Of the partner in these tests, a user `alice`.
pub const EMAIL: &str = "alice@example.com";

/// What this ingress answers this key, and with which status.
pub async fn call(ingress: &Program, key: &str, method: &str) -> (u16, Value) {
    let path = format!("/service/partner/api.php?api_action=pp&api_key={key}&method={method}");
    let answer = http::client().get(ingress.url(&path)).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// The data of an answer that must be one.
pub async fn data(ingress: &Program, key: &str, method: &str) -> Value {
    let (status, answer) = call(ingress, key, method).await;
    assert_eq!((status, &answer["error"]), (200, &json!(0)), "{method}: {answer}");
    answer["data"].clone()
}

/// A new key for [`EMAIL`] in the domain `default`.
pub async fn key(bed: &Bed) -> String {
    bed.referral(&["partner", "key", "--email", EMAIL, "--domain", "default"], "").await
}

/// Ingress, workers, and a programme of the domain `default` that gives referrers 2.5 percent.
pub async fn house(bed: &Arc<Bed>) -> (Ingress, Vec<Program>) {
    let workers = bed.start_workers(1, &[]).await;
    let ingress = Ingress::of(bed, bed.start("ingress").await).await;
    let terms =
        json!({"name": "Default", "credit_value": 0, "target_value": 100, "reward_percent": "2.5"});
    let (status, made) = ingress.post("/program/", terms).await;
    assert_eq!((status, &made["reward_percent"]), (201, &json!(2.5)), "{made}");
    (ingress, workers)
}

/// Events of the domain `default`.
pub async fn publish(bed: &Bed, facts: &[Fact]) {
    bed.publish(facts.iter().map(|fact| single(fact, "default")).collect()).await;
}

/// Alice with her e-mail, and these users, whom she referred.
pub fn referred(users: &[&str]) -> Vec<Fact> {
    let alice = Signup { email: Some(EMAIL.to_owned()), ..Signup::default() };
    let by_alice = Signup { user_indicator: Some("alice".to_owned()), ..Signup::default() };
    let users = users.iter().map(|user| signup(user, by_alice.clone()));
    std::iter::once(signup("alice", alice)).chain(users).collect()
}

async fn partners_are_made_with_logins_unique_across_domains_and_codes_that_are_stored_hashed(
    bed: Arc<Bed>,
) {
    bed.referral(&["domain", "create", "other", "--currency", "EUR"], "").await;
    let create = async |login: &str, domain: &str, email: &str| {
        bed.operate(&["partner", "create", login, "--domain", domain, "--email", email], &[], "")
            .await
    };
    let told = create("acme", "default", EMAIL).await;
    let (login, code) = told.output.split_once('\t').unwrap();
    assert_eq!((login, code.len()), ("acme", 40), "{}", told.output);
    for domain in ["default", "other"] {
        let told = create("acme", domain, "bob@example.com").await;
        let refused = "error: there is a partner \"acme\" already\n".to_owned();
        assert_eq!((told.code, told.output.as_str(), told.errors), (Some(1), "", refused));
    }
    assert_eq!(create("ACME", "other", EMAIL).await.code, Some(0), "another spelling is another");
    for (login, domain, email, code, named) in [
        ("b", "nowhere", EMAIL, 1, "--domain: there is no domain \"nowhere\""),
        ("b", "default", "nobody", 2, "--email"),
        ("", "default", EMAIL, 2, "<LOGIN>"),
    ] {
        let told = create(login, domain, email).await;
        assert_eq!(told.code, Some(code), "{named}");
        assert!(told.errors.contains(named), "{}", told.errors);
    }
    let rows =
        bed.store.all("SELECT code_hash FROM partner ORDER BY id", None, vec![]).await.unwrap();
    let hash = referral::credentials::key_hash(code);
    assert_eq!((rows.len(), rows[0].text("code_hash").unwrap()), (2, hash));
}

async fn keys_are_shown_once_rotated_by_another_and_revoked_at_once(bed: Arc<Bed>) {
    let ingress = bed.start("ingress").await;
    let error = async |key: &str| call(&ingress, key, "get_info").await.1["error"].clone();
    let first = key(&bed).await;
    assert!(first.len() == 40 && first.bytes().all(|b| b.is_ascii_hexdigit()), "{first}");
    assert_eq!(error(&first).await, 0);
    let second = key(&bed).await;
    assert_eq!([error(&first).await, error(&second).await], [json!(2), json!(0)]);
    let revoke =
        ["partner", "key", "--email", "Alice@Example.com", "--domain", "default", "--revoke"];
    assert_eq!(bed.referral(&revoke, "").await, "");
    assert_eq!(error(&second).await, 2);
    let told = bed.operate(&revoke, &[], "").await;
    assert_eq!(told.code, Some(1));
    assert!(told.errors.contains("--email: \"Alice@Example.com\" has no key"), "{}", told.errors);
    let third = key(&bed).await;
    assert_eq!([error(&second).await, error(&third).await], [json!(2), json!(0)]);
    let log = std::fs::read_to_string(ingress.log()).unwrap();
    for key in [first, second, third] {
        assert!(!log.contains(&key), "a key is in the log");
    }
}

async fn payouts_are_listed_done_and_cancelled_once_and_for_all(bed: Arc<Bed>) {
    let (ingress, workers) = house(&bed).await;
    let key = key(&bed).await;
    let ask = async |method: &str| call(&ingress.program, &key, method).await.1;
    let add = ["payout", "method", "add", "PerfectMoney USD", "--domain", "default"];
    assert_eq!(bed.referral(&[&add[..], &["--commission", "0.5"]].concat(), "").await, "1");
    assert_eq!(
        bed.referral(&["payout", "method", "add", "Bank", "--domain", "default"], "").await,
        "2"
    );
    let listed =
        bed.referral(&["payout", "method", "list", "--domain", "default", "--json"], "").await;
    let methods: Value = serde_json::from_str(&listed).unwrap();
    let expected = json!([
        {"id": 1, "title": "PerfectMoney USD", "commission": 0.5},
        {"id": 2, "title": "Bank", "commission": 0.0},
    ]);
    assert_eq!(methods, expected);
    assert_eq!(ask("get_info").await["data"]["items"], json!({"1": methods[0], "2": methods[1]}));

    publish(&bed, &[referred(&["bob"]), vec![payment("bob", 10_000)]].concat()).await;
    let balance = async |expected: f64| {
        eventually(&format!("{expected} is due"), PATIENCE, async || {
            match ask("get_info").await["data"].clone() {
                info if info["balance"] == json!(expected) => Ok(info),
                info => Err(info.to_string()),
            }
        })
        .await
    };
    balance(2.5).await;
    bed.referral(&["domain", "set", "default", "--min-payout", "2.51"], "").await;
    let little = ask("add_payout&method_id=2&account=U1").await;
    let told = "balance: 2.50 is due, which is less than the least payout, 2.51";
    assert_eq!((&little["error"], &little["error_text"]), (&json!(4), &json!(told)));
    let domains = bed.referral(&["domain", "list", "--json"], "").await;
    let domains: Value = serde_json::from_str(&domains).unwrap();
    assert_eq!(domains[0]["min_payout"], json!(2.51), "{domains}");
    bed.referral(&["domain", "set", "default", "--min-payout", "0.01"], "").await;

    let payout = ask("add_payout&method_id=2&account=U1").await["data"]["items"]["1"].clone();
    assert_eq!((&payout["amount"], &payout["status"]), (&json!(2.5), &json!(0)), "{payout}");
    let list = async |more: &[&str]| -> Value {
        let arguments = [&["payout", "list", "--domain", "default", "--json"], more].concat();
        serde_json::from_str(&bed.referral(&arguments, "").await).unwrap()
    };
    let mut shown = payout;
    shown["user_hash"] = json!("alice");
    shown["currency"] = json!("USD");
    assert_eq!(list(&[]).await, json!([shown]));
    assert_eq!(list(&["--status", "pending"]).await, json!([shown]));
    assert_eq!(list(&["--status", "done"]).await, json!([]));
    let close = async |word: &str, id: &str| {
        let told = bed.operate(&["payout", word, id], &[], "").await;
        (told.code, told.errors)
    };
    assert_eq!(close("cancel", "1").await, (Some(0), String::new()));
    assert_eq!(balance(2.5).await["totalReceived"], json!(0.0), "due again");
    for (word, id, told) in [
        ("cancel", "1", "the payout 1 is cancelled already, which is final"),
        ("done", "1", "the payout 1 is cancelled already, which is final"),
        ("done", "7", "there is no payout 7"),
    ] {
        assert_eq!(close(word, id).await, (Some(1), format!("error: {told}\n")));
    }
    assert_eq!(ask("add_payout&method_id=1&account=U2").await["error"], json!(0));
    assert_eq!(close("done", "2").await, (Some(0), String::new()));
    assert_eq!(balance(0.0).await["totalReceived"], json!(2.5));
    assert_eq!(close("cancel", "2").await.0, Some(1), "done is final");
    let statuses = ask("get_payouts").await["data"]["items"].clone();
    assert_eq!([&statuses["1"]["status"], &statuses["2"]["status"]], [&json!(2), &json!(1)]);
    let text =
        bed.referral(&["payout", "list", "--domain", "default", "--status", "done"], "").await;
    assert!(text.starts_with("2\t") && text.ends_with("\tdone\t2.50 USD\talice\t1\tU2"), "{text}");
    bed.drain(workers).await;
}
