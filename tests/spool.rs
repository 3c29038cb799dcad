//! Contract 2: "an answered click is never lost", with the broker stopped, the broker silent, and the
//! ingress killed meanwhile; through the real programs on services of their own.
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use referral::domain::EventKey;
use serde_json::json;
use tokio::sync::Mutex;

use crate::harness::{
    Bed, Database, Ingress, PATIENCE, Plan, Program, bed::run, bed::run_on, eventually,
    services::Services,
};

const CODE: &str = "b4b9e071006f409d8e6d";
/// The link that is followed.
const LINK: &str = "/ref/b4b9e071006f409d8e6d/?cur_from=A&cur_to=B";
/// Clicks while the broker is away.
const CLICKS: usize = 10_000;
/// Clicks by which the two rates are told.
const MEASURED: usize = 2_000;
const VISITORS: usize = 32;
/// Pause of a visitor who was cut off, as the ingress is not there at that moment.
const BREATH: Duration = Duration::from_millis(5);
/// Pause between two visitors of many.
const BETWEEN_VISITS: Duration = Duration::from_millis(40);
/// How long the ingress may take to find a broker again: its longest pause between tries, and some.
const BACK: Duration = Duration::from_secs(120);

/// Clicks that were answered, by their ids, and how many were tried.
#[derive(Default)]
pub struct Seen {
    pub answered: Mutex<BTreeSet<String>>,
    pub tried: AtomicUsize,
}

/// Those who follow the link, over connections that they keep.
pub struct Visitors {
    client: reqwest::Client,
    url: String,
}

/// An ingress with a registered code, and its visitors.
pub async fn link(bed: &Bed, click_confirm: &str) -> (Ingress, Visitors) {
    let plan = bed.plan("ingress").set("CLICK_CONFIRM", click_confirm);
    let ingress = Ingress::of(bed, bed.start_planned(plan).await).await;
    let path = format!("/v1/referral/{CODE}");
    assert_eq!(ingress.put(&path, json!({"email": "a@example.com"})).await.0, 201);
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let client = client.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = ingress.program.url(LINK);
    (ingress, Visitors { client, url })
}

impl Visitors {
    /// From now on they follow the link at the ingress of this plan.
    pub fn follow(&mut self, ingress: &Plan) {
        self.url = ingress.url(LINK);
    }

    /// One visitor who never gives up; the answer names the click. Any refusal is a failure.
    async fn visit(&self, seen: &Seen) {
        loop {
            seen.tried.fetch_add(1, Relaxed);
            let Ok((status, id)) = self.follow_once().await else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            assert_eq!(status, 302, "{id:?}");
            let id = id.unwrap();
            assert!(seen.answered.lock().await.insert(id.clone()), "{id} twice");
            return;
        }
    }

    /// Follows the link once; the status, and the click's id where the answer names one.
    async fn follow_once(&self) -> reqwest::Result<(reqwest::StatusCode, Option<String>)> {
        let answer = self.client.get(&self.url).send().await?;
        let location = answer.headers().get("location").map(|l| l.to_str().unwrap());
        let id = location.and_then(|location| location.split_once("click="));
        Ok((answer.status(), id.map(|(_, id)| id.to_owned())))
    }

    /// One visitor after the other until it is enough, whatever they are answered.
    pub async fn wander(&self, seen: &Seen, enough: &AtomicBool) {
        while !enough.load(Relaxed) {
            seen.tried.fetch_add(1, Relaxed);
            let followed = self.follow_once().await;
            seen.answered.lock().await.extend(followed.ok().and_then(|(_, id)| id));
            tokio::time::sleep(BETWEEN_VISITS).await;
        }
    }

    /// So many clicks by several visitors at once; clicks a second.
    pub async fn visits(&self, seen: &Seen, clicks: usize) -> f64 {
        let began = Instant::now();
        self.visits_until(seen, clicks, &AtomicBool::new(true)).await;
        clicks as f64 / began.elapsed().as_secs_f64()
    }

    /// So many clicks by several visitors at once, and more until it is enough.
    pub async fn visits_until(&self, seen: &Seen, clicks: usize, enough: &AtomicBool) {
        let begun = AtomicUsize::new(0);
        join_all((0..VISITORS).map(|_| async {
            while begun.fetch_add(1, Relaxed) < clicks || !enough.load(Relaxed) {
                self.visit(seen).await;
            }
        }))
        .await;
    }
}

/// Everything answered is on the daily record, exactly once, and the spool is empty.
pub async fn ends_well(bed: &Bed, mut ingress: Ingress, workers: Vec<Program>, seen: &Seen) {
    ingress.spool_is_empty(BACK).await;
    ingress.program.stop().await;
    bed.drain(workers).await;
    let rows = bed.store.all("SELECT event_key FROM click", None, Vec::new()).await.unwrap();
    let counted: BTreeSet<_> = rows.iter().map(|row| row.text("event_key").unwrap()).collect();
    let answered = seen.answered.lock().await;
    for id in &*answered {
        let key = EventKey::new("/referral/ingress", id);
        assert!(counted.contains(key.as_str()), "{id} was answered and is lost");
    }
    let tried = seen.tried.load(Relaxed);
    assert!((answered.len()..=tried).contains(&counted.len()), "{} of {tried}", counted.len());
    let days = bed.store.all("SELECT clicks FROM daily_record", None, Vec::new()).await.unwrap();
    let shown: i64 = days.iter().map(|row| row.int("clicks").unwrap()).sum();
    assert_eq!(shown as usize, counted.len(), "each counts once");
    for queue in ["referral.daily-records.dead", "referral.unrouted"] {
        assert!(bed.broker.is_empty(queue).await, "{queue}");
    }
}

/// "10,000 clicks with the broker away redirect at the usual speed", and with the ingress killed
/// among them all are published by the next one.
#[test]
fn an_answered_click_is_never_lost_while_the_broker_is_away() {
    let services = Services::up(Database::Sqlite);
    run_on(
        Database::Sqlite,
        || services.servers(),
        async |bed: Arc<Bed>| {
            let workers = bed.start_workers(1, &[]).await;
            let (mut ingress, visitors) = link(&bed, "100ms").await;
            let seen = Seen::default();
            let there = visitors.visits(&seen, MEASURED).await;
            services.act("stop", "rabbitmq").await;
            let away = visitors.visits(&seen, MEASURED).await;
            eprintln!("clicks a second: {there:.0} with the broker, {away:.0} without");
            assert!(away * 3.0 > there, "{away:.0}/s without the broker, {there:.0}/s with it");

            let before = seen.answered.lock().await.len();
            let killed = async {
                eventually("half of them are answered", PATIENCE, async || {
                    match seen.answered.lock().await.len() - before {
                        answered if answered >= CLICKS / 2 => Ok(()),
                        answered => Err(answered.to_string()),
                    }
                })
                .await;
                ingress.program.kill().await;
                ingress.program.start_again();
            };
            tokio::join!(visitors.visits(&seen, CLICKS), killed);
            let waiting = ingress.spooled().await.unwrap() as usize;
            assert!(waiting >= CLICKS + MEASURED, "{waiting} are in the spool");

            services.act("start", "rabbitmq").await;
            ends_well(&bed, ingress, workers, &seen).await;
            assert_eq!(seen.answered.lock().await.len(), CLICKS + 2 * MEASURED);
        },
    );
}

/// "or, after `CLICK_CONFIRM` … without": a broker that is connected and says nothing. The next ones
/// need not wait at all.
#[test]
fn a_click_is_answered_after_click_confirm_when_the_broker_says_nothing() {
    let services = Services::up(Database::Sqlite);
    run_on(
        Database::Sqlite,
        || services.servers(),
        async |bed: Arc<Bed>| {
            let workers = bed.start_workers(1, &[]).await;
            let (ingress, visitors) = link(&bed, "500ms").await;
            let seen = Seen::default();
            visitors.visit(&seen).await;
            services.act("pause", "rabbitmq").await;
            let began = Instant::now();
            visitors.visit(&seen).await;
            let first = began.elapsed();
            let began = Instant::now();
            for _ in 0..20 {
                visitors.visit(&seen).await;
            }
            let next = began.elapsed();
            services.act("resume", "rabbitmq").await;
            eprintln!("the first waits {first:?}, the next 20 together {next:?}");
            assert!(first >= Duration::from_millis(500), "{first:?}: it was not waited for");
            assert!(first < Duration::from_secs(4), "{first:?}");
            assert!(next < Duration::from_secs(10), "{next:?}: nobody waits for what is known");
            ends_well(&bed, ingress, workers, &seen).await;
        },
    );
}

/// Every ingress has a spool of its own; `kill -9` frees it.
#[test]
fn a_spool_that_cannot_be_used_ends_the_start_and_is_named() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let mut first = bed.start_planned(bed.plan("ingress").set("SPOOL_PATH", "one.db")).await;
        let refused = async |path: &str| {
            let mut program = bed.spawn(bed.plan("ingress").set("SPOOL_PATH", path));
            let exit = program.exit(PATIENCE).await;
            let log = std::fs::read_to_string(program.log()).unwrap();
            let last = log.lines().last().unwrap_or_default().to_owned();
            assert_eq!(exit.code(), Some(2), "{path}: {log}");
            assert!(last.starts_with("error: SPOOL_PATH: "), "{path}: {last}");
            last
        };
        assert!(refused("one.db").await.contains("in use by another process"));
        refused("no/such/directory/spool.db").await;
        refused("/proc").await;
        first.kill().await;
        let mut second = bed.start_planned(bed.plan("ingress").set("SPOOL_PATH", "one.db")).await;
        second.stop().await;
    });
}
