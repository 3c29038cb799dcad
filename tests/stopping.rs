//! "SIGTERM stops taking work, finishes what it holds within `SHUTDOWN_GRACE`, exits 0" (contract 7), also
//! while the broker stands still and answers nothing.
use std::{sync::Arc, time::Duration};

use crate::{
    harness::{Bed, Database, Receiver, bed::run_on, services::Services},
    trial::billing,
};

#[test]
fn workers_stop_while_the_broker_stands_still() {
    let services = Services::up(Database::Sqlite);
    let test = async |bed: Arc<Bed>| {
        let receiver = Receiver::start().await;
        let mut workers = bed.start_workers(1, &[]).await;
        workers.push(bed.start_planned(billing(&bed, &receiver.endpoint())).await);
        services.act("pause", "rabbitmq").await;
        for worker in &workers {
            worker.signal("TERM").await;
        }
        for worker in &mut workers {
            // The grace is 25 s, and an exit after it is none with 0.
            let exit = worker.exit(Duration::from_secs(60)).await;
            assert_eq!(exit.code(), Some(0), "{}", worker.name());
        }
        services.act("resume", "rabbitmq").await;
    };
    run_on(Database::Sqlite, || services.servers(), test);
}
