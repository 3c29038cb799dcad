//! A broker in trouble (faults 7, 8 and 9): a private node, broken on purpose.

use std::{
    collections::HashSet,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use referral::broker::{PublishError, Publisher, topology::CREDITS};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::harness::environment;

use super::{PATIENCE, Site, event, take, until};

/// A broker of its own, gone at the end.
struct Node {
    script: PathBuf,
    dir: tempfile::TempDir,
}

impl Node {
    fn up() -> Self {
        let script = environment::services();
        let dir = tempfile::Builder::new().prefix("referral-faults").tempdir();
        let node = Self { script, dir: dir.expect("a directory") };
        node.run("up", &["rabbitmq"]);
        node
    }

    fn run(&self, verb: &str, args: &[&str]) {
        let mut command = Command::new(&self.script);
        command.arg(verb).arg(self.dir.path()).args(args);
        let done = command.stdin(Stdio::null()).output().expect("services.sh");
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{verb} {args:?}: {error}");
    }

    fn ctl(&self, args: &[&str]) {
        self.run("ctl", args);
    }

    async fn site(&self) -> Site {
        let text = std::fs::read_to_string(self.dir.path().join("env")).expect("env");
        let value = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in env")).to_owned()
        };
        Site::on(&value("AMQP_URL="), &value("RABBITMQ_API=")).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut command = Command::new(&self.script);
        let _ = command.arg("down").arg(self.dir.path()).arg("--purge").output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_in_trouble_loses_nothing() {
    let node = Node::up();
    let site = node.site().await;
    connections_are_closed_by_force(&node, &site).await;
    an_alarm_stops_publishing_but_no_acknowledgement(&node, &site).await;
    half_open_connections_are_noticed(&node, &site).await;
    the_broker_restarts(&node, &site, "stop").await;
    the_broker_restarts(&node, &site, "kill").await;
}

/// Publishes `p0`, `p1`, … from 50 callers until stopped, repeating what failed; the numbers confirmed.
async fn load(publisher: Publisher, prefix: &'static str, stop: CancellationToken) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let (publisher, count, stop) = (publisher.clone(), Arc::clone(&count), stop.clone());
        callers.spawn(async move {
            while !stop.is_cancelled() {
                let id = format!("{prefix}{}", count.fetch_add(1, Ordering::Relaxed));
                while publisher.publish(event("payment", &id)).await.is_err() {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    while callers.join_next().await.is_some() {}
    count.load(Ordering::Relaxed)
}

/// Everything of `0..n` is in the queue; then it is empty.
async fn all_there(site: &Site, prefix: &str, n: usize) {
    let mut session = site.consume(CREDITS, 500).await;
    let mut missing: HashSet<String> = (0..n).map(|i| format!("{prefix}{i}")).collect();
    let mut copies = 0;
    loop {
        let Ok(next) = timeout(Duration::from_secs(2), session.next()).await else {
            break;
        };
        let message = next.expect("the session lasts");
        session.ack_through(message.tag).await.expect("written");
        copies += usize::from(!missing.remove(&message.message_id.expect("an id")));
    }
    assert!(missing.is_empty(), "{} of {n} confirmed messages lost", missing.len());
    println!("{prefix}: {n} confirmed, {copies} copies");
    session.close().await;
}

async fn connections_are_closed_by_force(node: &Node, site: &Site) {
    let publisher = site.publisher().await;
    let mut session = site.consume(CREDITS, 10).await;
    let stop = CancellationToken::new();
    let loading = tokio::spawn(load(publisher.clone(), "closed-", stop.clone()));
    for _ in 0..3 {
        sleep(Duration::from_millis(500)).await;
        node.ctl(&["close_all_connections", "--vhost", &site.vhost, "for the test"]);
    }
    let lost = async { while session.next().await.is_ok() {} };
    timeout(PATIENCE, lost).await.expect("the session notices");
    drop(session);
    until("connected again", async || publisher.is_ready()).await;
    stop.cancel();
    let n = loading.await.expect("no panic");
    all_there(site, "closed-", n).await;
}

async fn the_broker_restarts(node: &Node, site: &Site, how: &'static str) {
    let publisher = site.publisher().await;
    let stop = CancellationToken::new();
    let loading = tokio::spawn(load(publisher.clone(), how, stop.clone()));
    sleep(Duration::from_secs(1)).await;
    tokio::task::block_in_place(|| node.run(how, &["rabbitmq"]));
    until("noticed", async || !publisher.is_ready()).await;
    let refused = publisher.publish(event("payment", &format!("{how}-down"))).await;
    assert!(
        matches!(refused, Err(PublishError::Unavailable(_) | PublishError::TimedOut)),
        "{refused:?}"
    );
    tokio::task::block_in_place(|| node.run("start", &["rabbitmq"]));
    until("connected again", async || publisher.is_ready()).await;
    sleep(Duration::from_secs(1)).await;
    stop.cancel();
    let n = loading.await.expect("no panic");
    all_there(site, how, n).await;
}

async fn an_alarm_stops_publishing_but_no_acknowledgement(node: &Node, site: &Site) {
    let publisher = site.publisher().await;
    let mut session = site.consume(CREDITS, 10).await;
    for i in 0..3 {
        publisher.publish(event("payment", &format!("held-{i}"))).await.expect("confirmed");
    }
    let held = take(&mut session, 3).await;
    node.ctl(&["set_vm_memory_high_watermark", "0"]);
    // The broker blocks a connection only when it publishes; a first one may still pass.
    until("publishing times out", async || {
        let start = Instant::now();
        let blocked = publisher.publish(event("payment", "blocked")).await;
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        blocked == Err(PublishError::TimedOut)
    })
    .await;
    session.ack_through(held[2].tag).await.expect("written");
    session.close().await;
    let mut session = site.consume(CREDITS, 10).await;
    while let Ok(next) = timeout(Duration::from_secs(1), session.next()).await {
        let message = next.expect("the session lasts");
        assert_eq!(message.message_id.as_deref(), Some("blocked"), "the others were settled");
        session.ack_through(message.tag).await.expect("written");
    }
    // Longer than the heartbeat's patience: a blocked connection is not a dead one.
    sleep(Duration::from_secs(25)).await;
    assert!(publisher.is_ready());
    node.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    until("publishing again", async || publisher.publish(event("payment", "after")).await.is_ok())
        .await;
    session.close().await;
    all_there(site, "none", 0).await;
}

async fn half_open_connections_are_noticed(node: &Node, site: &Site) {
    let publisher = site.publisher().await;
    let mut session = site.consume(CREDITS, 10).await;
    tokio::task::block_in_place(|| node.run("pause", &["rabbitmq"]));
    let start = Instant::now();
    let stuck = publisher.publish(event("payment", "stuck")).await;
    assert_eq!(stuck, Err(PublishError::TimedOut));
    let end = timeout(PATIENCE, session.next()).await.expect("the session notices");
    assert!(end.is_err());
    until("the publisher notices", async || !publisher.is_ready()).await;
    // Two heartbeats of ten seconds, and one to look.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    tokio::task::block_in_place(|| node.run("resume", &["rabbitmq"]));
    let again = timeout(PATIENCE * 3, async {
        while publisher.publish(event("payment", "again")).await.is_err() {}
    });
    again.await.expect("publishing again");
    drop(session);
    all_there(site, "none", 0).await;
}
