//! Connections to the database or file descriptors used up (faults 19 and 28): who asks is told 503 after
//! a bounded wait, nothing is acknowledged, and everything goes on once there are some again.
use std::sync::Arc;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    harness::{
        Bed, Database, Ingress, PATIENCE, Plan, Program, bed::run, eventually, messages::single,
    },
    model::fact::{Signup, click, signup},
};

const CODE: &str = "b4b9e071006f409d8e6d";

/// Credits, and an ingress with a programme and the user Alice, by whom everybody else is referred.
async fn house(bed: &Bed, plan: Plan) -> (Ingress, Program) {
    let ingress = Ingress::of(bed, bed.start_planned(plan).await).await;
    let programme = json!({"name": "Default", "credit_value": 10, "target_value": 25});
    assert_eq!(ingress.post("/program/", programme).await.0, 201);
    let path = format!("/v1/referral/{CODE}");
    assert_eq!(ingress.put(&path, json!({"email": "a@example.com"})).await.0, 201);
    let credits = bed.start("credits").await;
    bed.publish(vec![single(&signup("alice", Signup::default()), "default")]).await;
    eventually("Alice is known", PATIENCE, async || match ingress.get("/statement/alice/").await {
        (200, _) => Ok(()),
        (status, answer) => Err(format!("{status} {answer}")),
    })
    .await;
    (ingress, credits)
}

/// All connections of the pool wait for a table that somebody else has locked.
#[test]
fn with_its_pool_exhausted_the_ingress_answers_503_and_the_worker_acknowledges_nothing() {
    run(Database::Postgres, async |bed: Arc<Bed>| {
        let few = |name| bed.plan(name).set("DATABASE_CONNECTIONS", "2");
        let (ingress, mut credits) = house(&bed, few("ingress")).await;
        credits.stop().await;
        let mut workers = vec![bed.start_planned(few("daily-records")).await];
        let rival = bed.store.begin().await.expect("a transaction");
        for table in ["click", "account"] {
            let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
            rival.run(&lock, None, Vec::new()).await.expect("locked");
        }
        bed.publish((0..50).map(|_| single(&click(CODE), "default")).collect()).await;
        eventually("the worker has them", PATIENCE, async || {
            match bed.broker.counted_unacknowledged("referral.daily-records").await? {
                50 => Ok(()),
                n => Err(format!("{n} are held")),
            }
        })
        .await;
        // Two wait for the table, the others for one of their connections, which has its limit.
        let asked = join_all((0..6).map(|_| async {
            let request = ingress.request(Method::GET, "/statement/alice/", None);
            let answer = request.timeout(2 * PATIENCE).send();
            tokio::select! {
                answer = answer => Some(answer.unwrap().status().as_u16()),
                () = tokio::time::sleep(PATIENCE / 2) => None,
            }
        }))
        .await;
        let refused = asked.iter().flatten().filter(|status| **status == 503).count();
        assert!(refused >= 3, "{asked:?}");
        assert!(asked.iter().flatten().all(|status| *status == 503), "{asked:?}");
        let held = bed.broker.counted_unacknowledged("referral.daily-records").await;
        assert_eq!(held, Ok(50), "nothing was acknowledged");
        rival.rollback().await.expect("the rival gives way");
        eventually("the ingress answers", PATIENCE, async || {
            match ingress.get("/statement/alice/").await {
                (200, _) => Ok(()),
                (status, answer) => Err(format!("{status} {answer}")),
            }
        })
        .await;
        credits.start_again();
        credits.ready().await;
        workers.push(credits);
        bed.drain(workers).await;
        let row = bed.store.one("SELECT COUNT(*) AS n FROM click", Vec::new()).await;
        assert_eq!(row.unwrap().unwrap().int("n").unwrap(), 50);
    });
}

/// Descriptors that the ingress may have, and connections of those who take them all and say nothing.
const DESCRIPTORS: usize = 64;

#[test]
fn without_descriptors_events_are_refused_and_everything_recovers() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let plan = bed.plan("ingress").after(&format!("ulimit -n {DESCRIPTORS}"));
        let plan = plan.set("PUBLISH_TIMEOUT", "2s");
        let address = plan.url("").replace("http://", "");
        let (ingress, credits) = house(&bed, plan).await;
        // One connection that is open already: nobody else is let in.
        let known = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let ask = async |user: &str| {
            let body = json!({"user_indicator": "alice", "user_indicated": user});
            let request = known.post(ingress.program.url("/register/")).bearer_auth(ingress.key());
            request.json(&body).send().await.unwrap().status().as_u16()
        };
        assert_eq!(ask("bob").await, 201);
        let mut idle = Vec::new();
        for _ in 0..2 * DESCRIPTORS {
            idle.push(TcpStream::connect(&address).await.expect("the system's queue has room"));
        }
        eventually("there are none left", PATIENCE, async || {
            let log = std::fs::read_to_string(ingress.program.log()).unwrap();
            if log.contains("a connection could not be accepted") { Ok(()) } else { Err(log) }
        })
        .await;
        // Without its connection to the broker, and without a descriptor for another one.
        eventually("an event is refused", PATIENCE, async || {
            bed.broker.close_connections().await;
            match ask("carol").await {
                503 => Ok(()),
                status => Err(format!("{status}")),
            }
        })
        .await;
        drop(idle);
        for user in ["carol", "dave"] {
            eventually("events are taken again", PATIENCE, async || match ask(user).await {
                200..=299 => Ok(()),
                status => Err(format!("{status}")),
            })
            .await;
        }
        assert_eq!(ingress.get("/health").await.0, 200, "newcomers are let in again");
        ingress.program.ready().await;
        // Signups go there, too.
        let daily_records = bed.start("daily-records").await;
        bed.drain(vec![credits, daily_records]).await;
        let row = bed.store.one("SELECT COUNT(*) AS n FROM account", Vec::new()).await;
        assert_eq!(row.unwrap().unwrap().int("n").unwrap(), 4, "Alice, Bob, Carol, Dave");
    });
}
