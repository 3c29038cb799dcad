//! Contract 3 under load: the ingress is killed again and again while partners register and pay, and
//! repeat each call until it is answered.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::RwLock;

use crate::{
    harness::{Bed, PATIENCE, Program, eventually, on_every_database},
    sites::{all_is_told, answer, partner, request, rows},
};

on_every_database!(killed_calls_that_are_repeated_count_once);

const KILLS: usize = 5;
const ANSWERS_BETWEEN_KILLS: usize = 12;
const CALLERS: usize = 4;
/// Pause of a caller who was cut off, as the ingress is not there at that moment.
const BREATH: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Seen {
    answers: AtomicUsize,
    over: AtomicBool,
}

async fn killed_calls_that_are_repeated_count_once(bed: Arc<Bed>) {
    let partner = partner(&bed).await;
    let workers = bed.start_workers(1, &[]).await;
    let (ingress, seen) = (RwLock::new(bed.start("ingress").await), Seen::default());
    let callers = join_all((0..CALLERS).map(|caller| register(&ingress, &partner, &seen, caller)));
    tokio::join!(callers, kill(&ingress, &seen));
    all_is_told(&bed).await;
    ingress.into_inner().stop().await;
    bed.drain(workers).await;
    let sites = seen.answers.load(Relaxed) as i64 / 2;
    for table in ["site", "signup", "account", "letter"] {
        assert_eq!(rows(&bed, table).await, sites, "{table}");
    }
    // One with the registration, one under a request_id.
    for table in ["purchase", "payment"] {
        assert_eq!(rows(&bed, table).await, 2 * sites, "{table}");
    }
    let sum = async |what: &str| {
        let row = bed.store.one(&format!("SELECT {{as int {what}"), Vec::new()).await;
        row.unwrap().unwrap().int("minor").unwrap()
    };
    let charged = sum("SUM(price_minor)} AS minor FROM purchase").await;
    assert_eq!(sum("SUM(sum_minor)} AS minor FROM payer").await, charged);
    assert!(charged > 0);
}

/// Registers and pays one site after the other, then pays each once more, each call again until it is
/// answered.
async fn register(ingress: &RwLock<Program>, partner: &str, seen: &Seen, caller: usize) {
    for n in 0.. {
        let host = format!("s{n}.c{caller}.example");
        let both = format!("{partner}&host={host}&email=a%40example.com&password=p&product=11");
        let pay = format!("{partner}&host={host}&product=12&request_id={host}");
        for form in [both, pay] {
            loop {
                let request = request(&*ingress.read().await, &form);
                if answer(request).await.is_ok() {
                    break;
                }
                tokio::time::sleep(BREATH).await;
            }
            seen.answers.fetch_add(1, Relaxed);
        }
        if seen.over.load(Relaxed) {
            return;
        }
    }
}

async fn kill(ingress: &RwLock<Program>, seen: &Seen) {
    for _ in 0..KILLS {
        let enough = seen.answers.load(Relaxed) + ANSWERS_BETWEEN_KILLS;
        eventually("the ingress answers", PATIENCE, async || match seen.answers.load(Relaxed) {
            answers if answers >= enough => Ok(()),
            answers => Err(format!("{answers} of {enough}")),
        })
        .await;
        // Calls are under way: nobody waits for the lock but those who are about to make one.
        let mut ingress = ingress.write().await;
        ingress.kill().await;
        ingress.start_again();
        ingress.ready().await;
    }
    seen.over.store(true, Relaxed);
}
