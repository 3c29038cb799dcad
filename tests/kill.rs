//! Contract 1, promises 1, 3 and 4: whatever is killed, at whatever moment, nothing is lost and
//! nothing counts twice; "a failure of the database or the broker loses nothing and needs no
//! operator".
//!
//! The seed of every run is printed; `KILL_SEED` repeats it, `KILL_EVENTS` sets the number of
//! events.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use referral::broker::Outgoing;

use crate::{
    harness::{
        Bed, Database, Program, Receiver, Tenant, bed::run_on, environment, eventually,
        messages::cut, on_every_database, receiver::amount, services::Services, state,
    },
    model::{
        cases::{Size, journeys, large_cases},
        outcome,
        state::State,
    },
};

on_every_database!(
    kill_9_of_any_program_at_any_moment_ends_in_the_models_state,
    crashes_between_commit_and_ack_count_once,
);

/// How long everything may take to come to its end, on a busy machine.
const END: Duration = Duration::from_secs(240);
/// Messages in flight between publisher and broker.
const PUBLISHED_AT_ONCE: usize = 64;

/// "`kill -9` of any program at any moment during a run of 20,000 mixed events, then restart: the
/// state equals the model's." 20,000 on PostgreSQL, 5,000 on the others, unless told otherwise.
async fn kill_9_of_any_program_at_any_moment_ends_in_the_models_state(bed: Arc<Bed>) {
    let default = if bed.database == Database::Postgres { 20_000 } else { 5_000 };
    let events = environment::number("KILL_EVENTS").unwrap_or(default) as usize;
    let mut random = Random::seeded(&bed, "kill -9");
    let run = Run::prepare(&bed, events, &mut random).await;
    let receiver = Receiver::start().await;
    let mut programs = bed.start_workers(2, &[]).await;
    for _ in 0..2 {
        programs.push(bed.start_planned(billing(&bed, &receiver)).await);
    }
    let published = AtomicBool::new(false);
    let publish = async {
        run.publish(&bed).await;
        published.store(true, Ordering::Relaxed);
    };
    let kill = async {
        let mut kills = 0;
        // Also a while after the last publish, into what is still queued.
        while !published.load(Ordering::Relaxed) || kills < 12 {
            tokio::time::sleep(Duration::from_millis(random.below(700))).await;
            let victim = random.below(programs.len() as u64) as usize;
            eprintln!("kill -9 {victim}: {}", programs[victim].name());
            programs[victim].kill().await;
            tokio::time::sleep(Duration::from_millis(random.below(200))).await;
            programs[victim].start_again();
            kills += 1;
        }
    };
    tokio::join!(publish, kill);
    run.ends_well(&bed, &receiver, programs).await;
}

/// The two moments that matter most, by failpoints: committed and not acknowledged, parked or
/// replied and not acknowledged. Whoever crashes is started again.
async fn crashes_between_commit_and_ack_count_once(bed: Arc<Bed>) {
    let mut random = Random::seeded(&bed, "failpoints");
    let run = Run::prepare(&bed, 1000, &mut random).await;
    let receiver = Receiver::start().await;
    // Billing's other side fails at first, so that deliveries are tried again.
    receiver.answer(503);
    let points = [
        ("daily-records", "worker::after-commit=10%return"),
        ("daily-records", "worker::before-ack=10%return;daily-records::before-commit=10%return"),
        ("credits", "worker::after-commit=10%return"),
        ("credits", "worker::before-ack=10%return;credits::before-commit=10%return"),
    ];
    let mut crashing: Vec<Program> = points
        .iter()
        .map(|(name, points)| {
            bed.spawn(bed.plan(name).set("FAILPOINTS", points).set("BATCH_MAX", "100"))
        })
        .collect();
    let mut biller = billing(&bed, &receiver).set("FAILPOINTS", "billing::after-post=5%return");
    biller = biller.set("BILLING_CONCURRENCY", "4");
    crashing.push(bed.spawn(biller));
    let published = AtomicBool::new(false);
    let publish = async {
        run.publish(&bed).await;
        published.store(true, Ordering::Relaxed);
        receiver.answer(200);
    };
    let mut crashes = 0;
    let watch = async {
        while !published.load(Ordering::Relaxed) || crashes < 8 {
            for program in &mut crashing {
                if program.ended().is_some() {
                    crashes += 1;
                    program.start_again();
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::join!(publish, watch);
    for program in &mut crashing {
        program.kill().await;
    }
    let mut programs = bed.start_workers(1, &[]).await;
    programs.push(bed.start_planned(billing(&bed, &receiver)).await);
    run.ends_well(&bed, &receiver, programs).await;
}

/// "Broker stopped and started, database restarted in between: the same."
mod broker_and_database_restarted_in_between {
    use super::{Database, restarted};

    #[test]
    fn sqlite() {
        restarted(Database::Sqlite);
    }

    #[test]
    fn postgres() {
        restarted(Database::Postgres);
    }

    #[test]
    fn mariadb() {
        restarted(Database::Mariadb);
    }
}

fn restarted(database: Database) {
    let services = Services::up(database);
    let test = async |bed: Arc<Bed>| {
        let mut random = Random::seeded(&bed, "restart");
        let run = Run::prepare(&bed, 4000, &mut random).await;
        let receiver = Receiver::start().await;
        let mut programs = bed.start_workers(1, &[]).await;
        programs.push(bed.start_planned(billing(&bed, &receiver)).await);
        let restart = async {
            for how in ["stop", "kill"] {
                for service in ["rabbitmq"].into_iter().chain(services.database()) {
                    tokio::time::sleep(Duration::from_millis(random.below(1000))).await;
                    eprintln!("{how} {service}");
                    services.act(how, service).await;
                    tokio::time::sleep(Duration::from_millis(random.below(1000))).await;
                    services.act("start", service).await;
                }
            }
        };
        tokio::join!(run.publish(&bed), restart);
        for program in &programs {
            program.ready().await;
        }
        run.ends_well(&bed, &receiver, programs).await;
    };
    run_on(database, || services.servers(), test);
}

fn billing(bed: &Bed, receiver: &Receiver) -> crate::harness::Plan {
    bed.plan("billing")
        .set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &receiver.endpoint())
        .set("BILLING_RETRY_INITIAL", "200ms")
        .set("BILLING_RETRY_MAX", "1s")
        // A killed biller's lease outlasts this by 10 s.
        .set("BILLING_TIMEOUT", "2s")
}

/// A run of many mixed events, and the state that it must end in.
struct Run {
    tenant: Tenant,
    messages: Vec<Outgoing>,
    expected: State,
}

impl Run {
    /// About as many events, a fifth of them signups; half are sent twice.
    async fn prepare(bed: &Bed, events: usize, random: &mut Random) -> Self {
        let each = |share: usize| (events * share / 100).max(1);
        let size = Size { users: each(20), payments: each(40), clicks: each(40) };
        let case = random.sample(&large_cases(size));
        let journey = random.sample(&journeys());
        let tenant = Tenant::of_case(bed, &case).await;
        let facts = case.facts(&tenant.world);
        let order = journey.order(&facts);
        let messages = cut(&order, &journey.sizes, &tenant.name);
        let expected = outcome(&tenant.world, order);
        eprintln!("{} events in {} messages", facts.len(), messages.len());
        Self { tenant, messages, expected }
    }

    /// Publishes all; what is not confirmed is published again, as any publisher must.
    async fn publish(&self, bed: &Bed) {
        for some in self.messages.chunks(PUBLISHED_AT_ONCE) {
            let mut left = some.to_vec();
            eventually("the broker confirms", END, async || {
                let results = bed.publisher.publish_all(left.clone()).await;
                let failed = std::mem::take(&mut left).into_iter().zip(results);
                left = failed.filter(|(_, result)| result.is_err()).map(|(m, _)| m).collect();
                if left.is_empty() { Ok(()) } else { Err(format!("{} are not", left.len())) }
            })
            .await;
        }
    }

    /// The model's state; nothing parked; every delivery that is owed was made, none that is not.
    async fn ends_well(&self, bed: &Bed, receiver: &Receiver, programs: Vec<Program>) {
        let domain_id = self.tenant.world.domain_id;
        if let Err(told) = state::reached(bed, &self.tenant, &self.expected, END).await {
            panic!("{:?}: the state is not the model's; {told}", bed.database);
        }
        let owed = self.expected.deliveries.values().sum::<i64>();
        eventually("all is billed", END, async || {
            let states = state::deliveries(&bed.store, domain_id).await;
            match states.get("delivered") {
                Some(delivered) if *delivered == owed => Ok(()),
                None if owed == 0 => Ok(()),
                _ => Err(format!("{states:?} of {owed}")),
            }
        })
        .await;
        bed.drain(programs).await;
        state::expect_now(bed, &self.tenant, &self.expected).await;
        for queue in ["referral.daily-records.dead", "referral.credits.dead", "referral.unrouted"] {
            assert!(bed.broker.is_empty(queue).await, "{queue}");
        }
        let ledger = receiver.ledger();
        assert_eq!(ledger.len() as i64, owed, "one body for each delivery that is owed");
        let billed: i64 = ledger.values().map(|call| amount(&call.body)).sum();
        assert_eq!(billed, self.expected.owed(), "Σ billing calls = Σ credits");
    }
}

/// Randomness that a printed seed repeats.
struct Random(TestRunner);

impl Random {
    fn seeded(bed: &Bed, what: &str) -> Self {
        let fresh = || getrandom::u64().unwrap();
        let seed = environment::number("KILL_SEED").unwrap_or_else(fresh);
        eprintln!("{what} on {:?}: KILL_SEED={seed}", bed.database);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self(TestRunner::new_with_rng(Config::default(), rng))
    }

    fn sample<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        strategy.new_tree(&mut self.0).unwrap().current()
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.sample(&(0..limit))
    }
}
