//! Contract 6 with the whole pipeline: whatever the receiver does, each credit is charged once; and the
//! operator's look at the way there, `referral deliveries test`.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    deliveries::{house, refer},
    harness::{
        Bed, Database, Program,
        bed::run,
        eventually, on_every_database,
        program::free_address,
        receiver::amount,
        sink::{Answer, Post, Sink},
        state,
    },
};

on_every_database!(whatever_the_receiver_does_each_credit_is_charged_once);

const ENDPOINT: &str = "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const USERS: usize = 10;
/// Everything may take so long on a busy machine; the lease of a killed process alone takes 11 s.
const END: Duration = Duration::from_secs(180);

/// A billing system that deduplicates on `webhook-id`: what it charged, and what it answered.
#[derive(Default)]
struct Charging {
    charged: BTreeMap<String, (i64, String)>,
    answers: BTreeMap<&'static str, usize>,
}

impl Charging {
    /// Each call fails in another way at first; in two of them it was charged all the same.
    fn take(&mut self, post: &Post, before: usize) -> Answer {
        let (name, charges, answer) = match before {
            0 => ("500", false, Answer::Status(500)),
            1 => ("429", false, Answer::With(429, "retry-after", "1".to_owned())),
            2 => ("reset", true, Answer::Reset),
            3 => ("drips", true, Answer::Drip(503)),
            _ => ("200", true, Answer::Status(200)),
        };
        *self.answers.entry(name).or_default() += 1;
        if charges {
            let charge = (amount(&post.body), post.body.clone());
            let first = self.charged.entry(post.id.clone()).or_insert_with(|| charge.clone());
            assert_eq!(*first, charge, "the same bytes each time");
        }
        answer
    }
}

/// "with a receiver that answers 500, 429, resets after processing, drips, and is down for a while, in
/// turn, every credit is charged exactly once by a receiver that deduplicates on `webhook-id`, and Σ
/// charged = Σ entries" (issue 6); of three workers one is killed meanwhile.
async fn whatever_the_receiver_does_each_credit_is_charged_once(bed: Arc<Bed>) {
    const REFUSED: &str = "SELECT COUNT(*) AS n FROM attempt WHERE error LIKE '%refused%'";
    const OWED: &str =
        "SELECT {as int SUM(amount_minor)} AS n FROM entry WHERE kind <> 'potential_credit'";
    let number = async |select: &str| {
        let row = bed.store.one(select, Vec::new()).await.unwrap();
        row.unwrap().int("n").unwrap()
    };
    let charging = Arc::new(Mutex::new(Charging::default()));
    let taking = charging.clone();
    let sink = Sink::start(move |post, before| taking.lock().unwrap().take(post, before));
    let (ingress, _credits) = house(&bed).await;
    let plan = bed
        .plan("billing")
        .set(ENDPOINT, &sink.url())
        .set("BILLING_CONCURRENCY", "4")
        .set("BILLING_TIMEOUT", "1s")
        .set("BILLING_RETRY_INITIAL", "100ms")
        .set("BILLING_RETRY_MAX", "500ms")
        .set("BILLING_CIRCUIT_AFTER", "5")
        .set("BILLING_PROBE", "50ms");
    let mut workers: Vec<Program> =
        (0..3).map(|_| bed.spawn(plan.clone().set("OPS_ADDR", &free_address()))).collect();
    for n in 0..USERS {
        refer(&ingress, &format!("user-{n}")).await;
    }
    for n in 0..USERS / 2 {
        let paid = json!({"total_amount_paid": 25});
        assert_eq!(ingress.put(&format!("/invoice/user/user-{n}/"), paid).await.0, 200);
    }
    let seen = async |posts: usize| {
        eventually("posts", END, async || match sink.count() {
            count if count >= posts => Ok(()),
            count => Err(format!("{count} of {posts}")),
        })
        .await;
    };
    seen(USERS).await;
    workers[0].kill().await;
    seen(2 * USERS).await;
    sink.be_up(false);
    eventually("attempts while it is down", END, async || match number(REFUSED).await {
        0 => Err("none was refused".to_owned()),
        _ => Ok(()),
    })
    .await;
    sink.be_up(true);
    let owed = (USERS + USERS / 2) as i64;
    eventually("all is delivered", END, async || match state::deliveries(&bed.store, 1).await {
        states if states == BTreeMap::from([("delivered".to_owned(), owed)]) => Ok(()),
        states => Err(format!("{states:?}")),
    })
    .await;
    for worker in &mut workers[1..] {
        worker.stop().await;
    }
    let ids = bed.store.all("SELECT id FROM delivery", None, Vec::new()).await.unwrap();
    let ids: BTreeSet<String> = ids.iter().map(|row| row.text("id").unwrap()).collect();
    let owed = number(OWED).await;
    let charging = charging.lock().unwrap();
    assert_eq!(charging.charged.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let charged: i64 = charging.charged.values().map(|(amount, _)| amount).sum();
    assert_eq!(charged, owed, "Σ charged = Σ entries");
    let answers: Vec<_> = charging.answers.keys().copied().collect();
    assert_eq!(answers, ["200", "429", "500", "drips", "reset"], "each had its turn");
}

/// "none set: unsigned, with a warning at start".
#[test]
fn without_secrets_the_start_warns() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        for (secrets, warns) in [("", true), (SECRET, false)] {
            let nobody = format!("http://{}/credit", free_address());
            let plan = bed.plan("billing").set(ENDPOINT, &nobody).set("WEBHOOK_SECRETS", secrets);
            let mut billing = bed.start_planned(plan).await;
            billing.stop().await;
            let log = std::fs::read_to_string(billing.log()).unwrap();
            assert_eq!(log.contains("WEBHOOK_SECRETS is not set"), warns, "{log}");
            assert!(!log.contains(SECRET));
        }
    });
}

/// "`referral deliveries … test`": what billing's sender sends, of a credit that nobody was granted, with
/// an id of its own; no database is needed.
#[test]
fn a_test_call_is_sent_as_billing_sends_and_shows_what_came_back() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let sink = Sink::start(|post, _| match post.path.as_str() {
            "/credit/nobody" => Answer::Status(204),
            "/credit/test" => Answer::Body(500, "no \u{1b}[31m way".into()),
            path => panic!("{path}"),
        });
        let test = async |more: &[&str], settings: &[(&str, &str)]| {
            let arguments = [&["deliveries", "test"], more].concat();
            let nowhere = ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
            bed.operate(&arguments, &[settings, &[nowhere]].concat(), "").await
        };
        let url = sink.url();
        let signed = [(ENDPOINT, url.as_str()), ("WEBHOOK_SECRETS", SECRET)];
        let told = test(&["--user-hash", "nobody"], &signed).await;
        assert_eq!(told.code, Some(0), "{}", told.errors);
        let post = &sink.posts()[0];
        assert!(told.output.starts_with("204 after "), "{}", told.output);
        assert!(told.output.ends_with(&format!("webhook-id {}", post.id)), "{}", told.output);
        assert_eq!(post.body, "amount=0.00&program_name=Test&user_indicator_hash=test-referrer");
        assert_eq!(post.header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(post.header("idempotency-key"), post.id);
        assert_eq!(post.header("traceparent").len(), 55);
        let webhook = standardwebhooks::Webhook::new(SECRET).unwrap();
        webhook.verify(post.body.as_bytes(), &post.headers).unwrap();

        let told = test(&[], &[signed[0], ("BILLING_FORMAT", "json")]).await;
        assert_eq!(told.code, Some(1), "{}", told.errors);
        assert!(told.output.ends_with(r"no \u{1b}[31m way"), "{}", told.output);
        assert!(told.errors.contains("not signed"), "{}", told.errors);
        let unsigned = &sink.posts()[1];
        assert!(unsigned.id != post.id && unsigned.header("webhook-signature").is_empty());
        let body: Value = serde_json::from_str(&unsigned.body).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]["user_hash"]),
            (&json!("credit.granted"), &json!("test"))
        );

        let told = test(&["--json"], &signed).await;
        let shown: Value = serde_json::from_str(&told.output).unwrap();
        let id = sink.posts()[2].id.clone();
        let expected = json!({"webhook_id": id, "duration_ms": shown["duration_ms"], "status": 500,
            "error": null, "answer": "no \u{1b}[31m way"});
        assert_eq!((told.code, &shown), (Some(1), &expected));
        assert!(shown["duration_ms"].is_u64());
    });
}

#[test]
fn a_test_call_that_cannot_be_made_says_why() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let nobody = format!("http://{}/credit", free_address());
        let cases = [
            (vec![(ENDPOINT, nobody.as_str())], Some(1), "no answer after"),
            (Vec::new(), Some(2), ENDPOINT),
            (
                vec![(ENDPOINT, &*nobody), ("WEBHOOK_SECRETS", "whsec_!")],
                Some(2),
                "WEBHOOK_SECRETS",
            ),
            (vec![(ENDPOINT, &*nobody), ("BILLING_TIMEOUT", "0s")], Some(2), "BILLING_TIMEOUT"),
        ];
        for (settings, code, words) in cases {
            let told = bed.operate(&["deliveries", "test"], &settings, "").await;
            assert_eq!(told.code, code, "{settings:?}: {}", told.errors);
            let text = format!("{}{}", told.output, told.errors);
            assert!(text.contains(words) && !text.contains("whsec_!"), "{settings:?}: {text}");
        }
    });
}
