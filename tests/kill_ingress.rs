//! Contract 5: "Only what the broker has confirmed is answered 2xx". Contract 2: "an answered click
//! is never lost". The ingress is killed under load, again and again.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::sync::RwLock;

use crate::{
    harness::{Bed, Ingress, PATIENCE, eventually, messages::single, on_every_database},
    model::fact::{Signup, signup},
};

on_every_database!(a_killed_ingress_loses_nothing_it_answered_and_repeats_count_once);

const CODE: &str = "b4b9e071006f409d8e6d";
const KILLS: usize = 6;
const ANSWERS_BETWEEN_KILLS: usize = 40;
const VISITORS: usize = 8;
const REGISTRARS: usize = 4;
/// Pause of a caller who was cut off, as the ingress is not there at that moment.
const BREATH: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Seen {
    clicks_tried: AtomicUsize,
    clicks_answered: AtomicUsize,
    registered: AtomicUsize,
    over: AtomicBool,
}

impl Seen {
    fn answers(&self) -> usize {
        self.clicks_answered.load(Relaxed) + self.registered.load(Relaxed)
    }
}

async fn a_killed_ingress_loses_nothing_it_answered_and_repeats_count_once(bed: Arc<Bed>) {
    let workers = bed.start_workers(1, &[]).await;
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    let programme = json!({"name": "Default", "credit_value": 10, "target_value": 25});
    assert_eq!(ingress.post("/program/", programme).await.0, 201);
    let path = format!("/v1/referral/{CODE}");
    assert_eq!(ingress.put(&path, json!({"email": "a@example.com"})).await.0, 201);
    bed.publish(vec![single(&signup("alice", Signup::default()), "default")]).await;
    eventually("Alice is known", PATIENCE, async || match ingress.get("/statement/alice/").await {
        (200, _) => Ok(()),
        (status, answer) => Err(format!("{status} {answer}")),
    })
    .await;

    let (ingress, seen) = (RwLock::new(ingress), Seen::default());
    let visitors = join_all((0..VISITORS).map(|_| visit(&ingress, &seen)));
    let registrars = join_all((0..REGISTRARS).map(|number| register(&ingress, &seen, number)));
    tokio::join!(visitors, registrars, kill(&ingress, &seen));

    let mut ingress = ingress.into_inner();
    ingress.spool_is_empty(PATIENCE).await;
    ingress.program.stop().await;
    bed.drain(workers).await;
    let counted = async |what: &str| {
        let row = bed.store.one(&format!("SELECT COUNT(*) AS n FROM {what}"), Vec::new()).await;
        row.unwrap().unwrap().int("n").unwrap() as usize
    };
    let clicks = counted("click").await;
    assert!(seen.clicks_answered.load(Relaxed) <= clicks, "an answered click is lost");
    assert!(clicks <= seen.clicks_tried.load(Relaxed), "a click counts twice");
    let record = "SELECT clicks FROM daily_record";
    let days = bed.store.all(record, None, Vec::new()).await.unwrap();
    let shown: i64 = days.iter().map(|row| row.int("clicks").unwrap()).sum();
    assert_eq!(shown as usize, clicks);
    let registered = seen.registered.load(Relaxed);
    assert!(registered > 0 && clicks > 0);
    assert_eq!(counted("account").await, registered + 1, "everybody, and Alice");
    for kind in ["signup_credit", "potential_credit"] {
        assert_eq!(counted(&format!("entry WHERE kind = '{kind}'")).await, registered, "{kind}");
    }
    assert_eq!(counted("delivery").await, registered);
}

async fn visit(ingress: &RwLock<Ingress>, seen: &Seen) {
    while !seen.over.load(Relaxed) {
        let path = format!("/register?ref_code={CODE}");
        let request = ingress.read().await.request(Method::GET, &path, None);
        seen.clicks_tried.fetch_add(1, Relaxed);
        match request.send().await {
            Ok(answer) if answer.status() == 200 => {
                seen.clicks_answered.fetch_add(1, Relaxed);
            }
            _ => tokio::time::sleep(BREATH).await,
        }
    }
}

/// Registers one user after the other, each again until it is answered.
async fn register(ingress: &RwLock<Ingress>, seen: &Seen, number: usize) {
    for user in 0.. {
        let user = format!("user-{number}-{user}");
        let body = json!({"user_indicator": "alice", "user_indicated": user});
        loop {
            let body = Some(body.clone());
            let request = ingress.read().await.request(Method::POST, "/register/", body);
            match request.send().await {
                Ok(answer) if answer.status().is_success() => break,
                Ok(answer) if answer.status() != 503 => panic!("{user}: {}", answer.status()),
                _ => tokio::time::sleep(BREATH).await,
            }
        }
        seen.registered.fetch_add(1, Relaxed);
        if seen.over.load(Relaxed) {
            return;
        }
    }
}

async fn kill(ingress: &RwLock<Ingress>, seen: &Seen) {
    for _ in 0..KILLS {
        let enough = seen.answers() + ANSWERS_BETWEEN_KILLS;
        eventually("the ingress answers", PATIENCE, async || match seen.answers() {
            answers if answers >= enough => Ok(()),
            answers => Err(format!("{answers} of {enough}")),
        })
        .await;
        // Requests are under way: nobody waits for the lock but those who are about to ask.
        let mut ingress = ingress.write().await;
        ingress.program.kill().await;
        ingress.program.start_again();
        ingress.program.ready().await;
    }
    seen.over.store(true, Relaxed);
}
