//! Contract 5, `POST /emailindication`, and contract 1, "attributed through an earlier e-mail
//! indication of `email`": what a claimed address is worth when its owner signs up.
use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Bed, Ingress, PATIENCE, Tenant, eventually, messages::single, on_every_database},
    model::fact::{Signup, signup},
};

on_every_database!(
    an_earlier_indication_attributes_a_signup_that_names_nobody,
    of_claims_that_race_for_one_address_one_saves_it,
);

/// "Neither `code` nor `user_indicator`: attributed through an earlier e-mail indication of
/// `email`"; "An e-mail indication counts for signups processed after it."
async fn an_earlier_indication_attributes_a_signup_that_names_nobody(bed: Arc<Bed>) {
    let _worker = bed.start("credits").await;
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    let elsewhere = Tenant::create(&bed, "UTC").await;
    let programme = json!({"name": "Default", "credit_value": 10, "target_value": 25});
    assert_eq!(ingress.post("/program/", programme).await.0, 201);
    for user in ["alice", "carol"] {
        signs_up(&bed, &ingress, user, Signup::default()).await;
    }
    let with = |email: &str| Signup { email: Some(email.to_owned()), ..Signup::default() };
    let by_carol =
        Signup { user_indicator: Some("carol".to_owned()), ..with("second@example.com") };
    let (_, carol) = ingress.get("/statement/carol/").await;
    let code = carol["code"].as_str().map(str::to_owned);
    let by_code = Signup { code, ..with("third@example.com") };

    let emails = "First@Example.com, second@example.com, third@example.com, fourth@example.com";
    let claim = json!({"user_indicator": "alice", "emails": emails});
    let (status, saved) = ingress.post("/emailindication", claim).await;
    assert_eq!((status, saved["saved_emails"].as_array().map(Vec::len)), (201, Some(4)), "{saved}");

    signs_up(&bed, &ingress, "first", with("first@EXAMPLE.com")).await;
    signs_up(&bed, &ingress, "second", by_carol).await;
    signs_up(&bed, &ingress, "third", by_code).await;
    signs_up(&bed, &ingress, "late", with("late@example.com")).await;
    let late = json!({"user_indicator": "alice", "emails": "late@example.com"});
    assert_eq!(
        ingress.post("/emailindication", late).await.1,
        json!({"saved_emails": ["late@example.com"]})
    );
    signs_up(&bed, &ingress, "late", with("late@example.com")).await;
    // The same address in another domain is another person's.
    bed.publish(vec![single(&signup("fourth", with("fourth@example.com")), &elsewhere.name)]).await;

    let expected = [
        ("first", Some("alice")),
        ("second", Some("carol")),
        ("third", Some("carol")),
        ("late", None),
        ("fourth", None),
    ];
    let expected = expected.map(|(user, by)| (user.to_owned(), by.map(str::to_owned))).into();
    eventually("everybody is settled", PATIENCE, async || {
        let found = referrers(&bed).await;
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    let sums = async |user: &str| {
        let (_, statement) = ingress.get(&format!("/statement/{user}/")).await;
        ["signup_credit", "potencial_credit"].map(|sum| statement[sum].clone())
    };
    assert_eq!(sums("first").await, [10.0, 0.0]);
    assert_eq!(sums("alice").await, [0.0, 25.0], "for the first alone");
    assert_eq!(sums("carol").await, [0.0, 50.0], "for those who named Carol");
    assert_eq!(sums("late").await, [0.0, 0.0]);
}

/// "First claim wins."
async fn of_claims_that_race_for_one_address_one_saves_it(bed: Arc<Bed>) {
    let _worker = bed.start("credits").await;
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    for user in ["alice", "bob"] {
        signs_up(&bed, &ingress, user, Signup::default()).await;
    }
    let claims = (0..12).map(|n| {
        let user = ["alice", "bob"][n % 2];
        // In both directions, so that locks taken one by one would meet.
        let mut emails: Vec<String> = (0..20).map(|n| format!("u{n}@example.com")).collect();
        emails.rotate_left(n);
        let claim = json!({"user_indicator": user, "emails": emails});
        let ingress = &ingress;
        async move { (user, ingress.post("/emailindication", claim).await) }
    });
    let mut saved = BTreeMap::new();
    for (user, (status, answer)) in join_all(claims).await {
        assert_eq!(status, 201, "{answer}");
        for email in answer["saved_emails"].as_array().unwrap() {
            let before = saved.insert(email.as_str().unwrap().to_owned(), Value::from(user));
            assert_eq!(before, None, "{email} was saved twice");
        }
    }
    let emails: Vec<&String> = saved.keys().collect();
    let (_, told) = ingress.post("/emailverification", json!({"emails": emails})).await;
    assert_eq!((emails.len(), &told), (20, &json!({"emails": saved})));
}

/// Publishes a signup to the domain `default` and waits for what became of it.
async fn signs_up(bed: &Bed, ingress: &Ingress, user: &str, known: Signup) {
    let message = single(&signup(user, known), "default");
    let reply = bed.publisher.request(message, PATIENCE).await.expect("confirmed");
    assert!(reply.is_some(), "a reply");
    let (status, _) = ingress.get(&format!("/statement/{user}/")).await;
    assert_eq!(status, 200, "{user}");
}

/// Everybody but the first two, with their referrers, once settled.
async fn referrers(bed: &Bed) -> BTreeMap<String, Option<String>> {
    const FIND: &str = "SELECT user_hash, referrer_hash FROM account \
        WHERE settled_us IS NOT NULL AND user_hash NOT IN ('alice', 'carol')";
    let rows = bed.store.all(FIND, None, Vec::new()).await.unwrap();
    let read = |row: &referral::store::Row| {
        (row.text("user_hash").unwrap(), row.text_or_null("referrer_hash").unwrap())
    };
    rows.iter().map(read).collect()
}
