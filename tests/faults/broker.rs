//! What the broker does to a running worker (faults 9 and 10): silence, its queue deleted, its channel
//! closed for being late. It goes on by itself, does not exit, and nothing counts twice.
use std::sync::Arc;

use crate::{
    harness::{
        Bed, Database, PATIENCE, Program, bed::run, bed::run_on, eventually, messages::single,
        proxy::Proxy, services::Services,
    },
    model::fact::click,
};

const CODE: &str = "b4b9e071006f409d8e6d";
const QUEUE: &str = "referral.daily-records";

async fn publish(bed: &Bed, clicks: usize) {
    bed.publish((0..clicks).map(|_| single(&click(CODE), "default")).collect()).await;
}

async fn counted(bed: &Bed, clicks: i64) {
    eventually("all clicks count", PATIENCE, async || {
        let row = bed.store.one("SELECT COUNT(*) AS n FROM click", Vec::new()).await;
        match row.unwrap().unwrap().int("n").unwrap() {
            n if n == clicks => Ok(()),
            n => Err(format!("{n} of {clicks}")),
        }
    })
    .await;
}

async fn says(program: &Program, words: &str) {
    eventually(&format!("the log says {words}"), PATIENCE, async || {
        let log = std::fs::read_to_string(program.log()).map_err(|error| error.to_string())?;
        if log.contains(words) { Ok(()) } else { Err(log) }
    })
    .await;
}

/// Two workers, the network of one of them gone silent in both directions: what it was given is handed to
/// the other once the broker misses its heartbeats, and it comes back with the network.
#[test]
fn what_a_silent_worker_holds_goes_to_another_within_the_heartbeats() {
    run(Database::Postgres, async |bed: Arc<Bed>| {
        let proxy = Proxy::before(&bed.amqp_url).await;
        let plan = bed.plan("daily-records").set("AMQP_URL", &proxy.url(&bed.amqp_url));
        let silent = bed.start_planned(plan).await;
        let other = bed.start("daily-records").await;
        proxy.silence();
        publish(&bed, 200).await;
        counted(&bed, 200).await;
        says(&silent, "consuming anew").await;
        proxy.heal();
        silent.ready().await;
        publish(&bed, 100).await;
        counted(&bed, 300).await;
        bed.drain(vec![silent, other]).await;
        counted(&bed, 300).await;
    });
}

/// On a node of its own: deleting a work queue may take the node's supervisor of dead-lettering down.
#[test]
fn a_worker_whose_queue_is_deleted_declares_it_again_and_goes_on() {
    let services = Services::up(Database::Sqlite);
    let test = async |bed: Arc<Bed>| {
        let mut worker = bed.start("daily-records").await;
        publish(&bed, 10).await;
        counted(&bed, 10).await;
        bed.broker.delete_queue(QUEUE).await;
        says(&worker, "the broker cancelled the consumer").await;
        worker.ready().await;
        publish(&bed, 10).await;
        counted(&bed, 20).await;
        assert_eq!(worker.ended(), None);
        bed.drain(vec![worker]).await;
    };
    run_on(Database::Sqlite, || services.servers(), test);
}

/// A worker that stood still between commit and acknowledgement for longer than the broker waits.
#[test]
fn a_worker_that_acknowledges_too_late_consumes_anew_and_counts_once() {
    let services = Services::up(Database::Sqlite);
    let test = async |bed: Arc<Bed>| {
        // Read when a channel is opened, and looked at by each channel's clock.
        let set = "application:set_env(rabbit, consumer_timeout, 1000), \
            application:set_env(rabbit, channel_tick_interval, 500).";
        services.control(&["eval", set]).await;
        let plan = bed.plan("daily-records");
        let plan = plan.set("FAILPOINTS", "worker::before-ack=1*return(stall 8000)");
        let mut worker = bed.start_planned(plan).await;
        publish(&bed, 50).await;
        says(&worker, "consuming anew").await;
        counted(&bed, 50).await;
        worker.ready().await;
        publish(&bed, 10).await;
        counted(&bed, 60).await;
        assert_eq!(worker.ended(), None);
        let log = std::fs::read_to_string(worker.log()).unwrap();
        assert!(log.contains("invalid channel state: Closed"), "the broker closed it: {log}");
        bed.drain(vec![worker]).await;
        counted(&bed, 60).await;
    };
    run_on(Database::Sqlite, || services.servers(), test);
}
