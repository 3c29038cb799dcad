//! A cluster of three brokers (fault 30), run by `make chaos`: the queues' leader killed under load, two of
//! three gone and back, all of them restarted one after the other. Programs and publishers are given all
//! three addresses and go on by themselves; what was acknowledged counts once.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]
#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the pipeline's tests use the rest of it"
)]
mod harness;
#[expect(dead_code, reason = "the pipeline's tests use the rest of it")]
mod model;
mod parking {
    //! The bad messages that a trial may have.
    #[expect(dead_code, reason = "the pipeline's tests use the rest of it")]
    pub mod corpus;
}
#[expect(dead_code, reason = "the pipeline's tests use the rest of it")]
mod trial;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::json;

use harness::{
    Bed, Database, Ingress, Program, Receiver, Servers, bed::run_on, eventually, messages::single,
    services::Services,
};
use model::fact::{Signup, signup};
use trial::{Random, Trial, billing};

const NODES: [&str; 3] = ["rabbitmq", "rabbitmq2", "rabbitmq3"];
const CODE: &str = "b4b9e071006f409d8e6d";
const QUEUES: [&str; 4] =
    ["referral.daily-records", "referral.credits", "referral.billing", "referral.credits.dead"];
const EVENTS: usize = 4000;
const BETWEEN_ROUNDS: Duration = Duration::from_secs(5);
/// How long a cluster may take to find itself again on a busy machine with two cores.
const TOGETHER: Duration = Duration::from_secs(240);

/// Three brokers of a test's own; the database is one of those that `make chaos` started.
fn cluster() -> (Services, Servers) {
    let services = Services::of(&NODES);
    let found = services.environment();
    let all = |names: [&str; 3]| names.map(|name| found[name].as_str()).join(",");
    let servers = Servers {
        amqp: all(["AMQP_URL", "AMQP_URL2", "AMQP_URL3"]),
        api: all(["RABBITMQ_API", "RABBITMQ_API2", "RABBITMQ_API3"]),
        database: Database::Postgres.server(),
    };
    (services, servers)
}

/// Which of the nodes the broker calls so: their names have their ports.
fn node(servers: &Servers, name: &str) -> &'static str {
    let port = |url: &str| url::Url::parse(url).unwrap().port().unwrap().to_string();
    let place = servers.amqp.split(',').position(|url| name.contains(&port(url)));
    NODES[place.unwrap_or_else(|| panic!("no node is called {name}"))]
}

/// Waits until every queue has a leader, and all three nodes as members that are there.
async fn together(bed: &Bed) {
    for queue in QUEUES {
        eventually(&format!("{queue} is on all three"), TOGETHER, async || {
            let told = bed.broker.queue(queue).await?;
            let online = told["online"].as_array().map_or(0, Vec::len);
            match (online, told["leader"].as_str()) {
                (3, Some(leader)) if !leader.is_empty() => Ok(()),
                _ => Err(told.to_string()),
            }
        })
        .await;
    }
}

/// The node that leads a queue.
async fn leader(bed: &Bed, queue: &str) -> String {
    eventually("there is a leader", TOGETHER, async || {
        let told = bed.broker.queue(queue).await?;
        let leader = told["leader"].as_str().filter(|leader| !leader.is_empty());
        leader.map(str::to_owned).ok_or_else(|| told.to_string())
    })
    .await
}

/// Two of each worker, and billing, under a load that lasts until `faults` are over.
async fn under_load(bed: Arc<Bed>, what: &str, faults: impl AsyncFnOnce(&Bed, &[Program])) {
    together(&bed).await;
    let mut random = Random::seeded(&bed, what);
    let receiver = Receiver::start().await;
    let mut programs = bed.start_workers(2, &[]).await;
    programs.push(bed.start_planned(billing(&bed, &receiver.endpoint())).await);
    let (trial, over) = (Trial::prepare(&bed, EVENTS, &mut random).await, AtomicBool::new(false));
    let load = async {
        // The same again and again: copies count once.
        let mut rounds = 0;
        while rounds == 0 || !over.load(Relaxed) {
            trial.publish(&bed).await;
            rounds += 1;
            // Nodes that start need the machine, too.
            tokio::time::sleep(BETWEEN_ROUNDS).await;
        }
        eprintln!("{what}: {rounds} rounds");
    };
    let faults = async {
        faults(&bed, &programs).await;
        over.store(true, Relaxed);
    };
    tokio::join!(load, faults);
    trial.ends_well(&bed, &receiver, programs).await;
}

async fn all_are_ready(programs: &[Program]) {
    for program in programs {
        eventually(&format!("{} is ready", program.name()), TOGETHER, async || {
            match program.ops("/ready").await? {
                (200, _) => Ok(()),
                (status, text) => Err(format!("{status} {text}")),
            }
        })
        .await;
    }
}

#[test]
fn when_a_queues_leader_is_killed_confirms_and_consumers_go_on_at_the_next() {
    let (services, servers) = cluster();
    run_on(
        Database::Postgres,
        || servers.clone(),
        async |bed| {
            under_load(bed, "leader killed", async |bed, programs| {
                for queue in ["referral.credits", "referral.daily-records"] {
                    let old = leader(bed, queue).await;
                    let node = node(&servers, &old);
                    eprintln!("kill {node}, the leader of {queue}");
                    services.act("kill", node).await;
                    eventually("another one leads", TOGETHER, async || {
                        match leader(bed, queue).await {
                            new if new != old => Ok(()),
                            _ => Err(format!("{old} still does")),
                        }
                    })
                    .await;
                    all_are_ready(programs).await;
                    services.act("start", node).await;
                    together(bed).await;
                }
            })
            .await;
        },
    );
}

#[test]
fn all_nodes_may_be_restarted_one_after_the_other_under_load() {
    let (services, servers) = cluster();
    run_on(
        Database::Postgres,
        || servers.clone(),
        async |bed| {
            under_load(bed, "rolling restart", async |bed, programs| {
                for node in NODES {
                    eprintln!("restart {node}");
                    services.act("stop", node).await;
                    services.act("start", node).await;
                    together(bed).await;
                    all_are_ready(programs).await;
                }
            })
            .await;
        },
    );
}

#[test]
fn with_two_of_three_gone_events_are_refused_clicks_are_kept_and_all_goes_on_by_itself() {
    let (services, servers) = cluster();
    run_on(
        Database::Postgres,
        || servers.clone(),
        async |bed: Arc<Bed>| {
            together(&bed).await;
            let workers = bed.start_workers(1, &[]).await;
            let plan =
                bed.plan("ingress").set("PUBLISH_TIMEOUT", "3s").set("CLICK_CONFIRM", "200ms");
            let mut ingress = Ingress::of(&bed, bed.start_planned(plan).await).await;
            let programme = json!({"name": "Default", "credit_value": 10, "target_value": 25});
            assert_eq!(ingress.post("/program/", programme).await.0, 201);
            let path = format!("/v1/referral/{CODE}");
            assert_eq!(ingress.put(&path, json!({"email": "a@example.com"})).await.0, 201);
            bed.publish(vec![single(&signup("alice", Signup::default()), "default")]).await;
            eventually("Alice is known", TOGETHER, async || {
                match ingress.get("/statement/alice/").await {
                    (200, _) => Ok(()),
                    (status, answer) => Err(format!("{status} {answer}")),
                }
            })
            .await;
            for round in 0..2 {
                // Once with the first node left, once with the last.
                let gone = if round == 0 { &NODES[1..] } else { &NODES[..2] };
                for node in gone {
                    services.act("kill", node).await;
                }
                for user in 0..5 {
                    let status = register(&ingress, &format!("refused-{round}-{user}")).await;
                    assert_eq!(status, 503, "nobody has kept it");
                }
                for _ in 0..50 {
                    let request = ingress.request(Method::GET, &format!("/ref/{CODE}/"), None);
                    assert_eq!(request.send().await.unwrap().status(), 302);
                }
                assert!(ingress.spooled().await.unwrap() >= 50);
                for node in gone {
                    services.act("start", node).await;
                }
                for user in 0..5 {
                    let user = format!("user-{round}-{user}");
                    eventually("events are taken again", TOGETHER, async || {
                        match register(&ingress, &user).await {
                            200..=299 => Ok(()),
                            status => Err(format!("{status}")),
                        }
                    })
                    .await;
                }
                together(&bed).await;
                all_are_ready(&workers).await;
            }
            ingress.spool_is_empty(TOGETHER).await;
            ingress.program.stop().await;
            bed.drain(workers).await;
            let number = async |what: &str| {
                let row =
                    bed.store.one(&format!("SELECT COUNT(*) AS n FROM {what}"), Vec::new()).await;
                row.unwrap().unwrap().int("n").unwrap()
            };
            assert_eq!(number("click").await, 100, "each once");
            assert_eq!(number("account WHERE user_hash LIKE 'user-%'").await, 10, "each once");
            let credits = "entry WHERE kind = 'signup_credit' AND user_hash LIKE 'user-%'";
            assert_eq!(number(credits).await, 10, "each once");
        },
    );
}

/// The status of the answer, which there always is.
async fn register(ingress: &Ingress, user: &str) -> u16 {
    let body = json!({"user_indicator": "alice", "user_indicated": user});
    ingress.post("/register/", body).await.0
}
