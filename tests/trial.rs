//! A trial: many mixed events, and the state that they must end in whatever is done to the programs
//! meanwhile; nothing parked, everything billed once.
use std::{collections::BTreeSet, time::Duration};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use referral::broker::Outgoing;

use crate::{
    harness::{
        Bed, Plan, Program, Receiver, Tenant, environment, eventually, messages::cut,
        receiver::amount, state,
    },
    model::{
        cases::{Size, journeys, large_cases},
        outcome,
        state::State,
    },
    parking::corpus,
};

/// How long everything may take to come to its end, on a busy machine. A program with a mistake in it never
/// comes there: where that is expected `TRIAL_SECONDS` says when it is enough.
pub fn end() -> Duration {
    Duration::from_secs(environment::number("TRIAL_SECONDS").unwrap_or(240))
}
/// Larger bad messages are for a test of their own.
const POISON_BYTES_MAX: usize = 256 << 10;
/// Messages in flight between publisher and broker.
const PUBLISHED_AT_ONCE: usize = 64;

/// A biller that posts to this endpoint, and does not wait long.
pub fn billing(bed: &Bed, endpoint: &str) -> Plan {
    bed.plan("billing")
        .set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", endpoint)
        .set("BILLING_RETRY_INITIAL", "200ms")
        .set("BILLING_RETRY_MAX", "1s")
        // A killed biller's lease outlasts this by 10 s.
        .set("BILLING_TIMEOUT", "2s")
}

/// See the module.
pub struct Trial {
    tenant: Tenant,
    messages: Vec<Outgoing>,
    /// What it must come to.
    pub expected: State,
    /// How many events there are, each once.
    pub events: usize,
    poisoned: BTreeSet<String>,
}

impl Trial {
    /// About as many events, a fifth of them signups; half are sent twice.
    pub async fn prepare(bed: &Bed, events: usize, random: &mut Random) -> Self {
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
        let poisoned = BTreeSet::new();
        Self { tenant, messages, expected, events: facts.len(), poisoned }
    }

    /// Adds bad messages among the others, so many of those that there are for tests of parking.
    pub fn poison(&mut self, most: usize, random: &mut Random) {
        let mut cases = corpus::cases(&self.tenant);
        cases.retain(|case| case.message.body.len() < POISON_BYTES_MAX);
        for _ in 0..most {
            let case = cases.swap_remove(random.below(cases.len() as u64) as usize);
            let id = format!("{} in {}", case.name, self.tenant.name);
            let message = Outgoing { message_id: Some(id.clone()), ..case.message };
            let place = random.below(self.messages.len() as u64 + 1) as usize;
            self.messages.insert(place, message);
            self.poisoned.insert(id);
        }
    }

    /// The `message-id`s of the bad messages.
    pub fn poisoned(&self) -> impl Iterator<Item = String> {
        self.poisoned.iter().cloned()
    }

    /// Waits until the database has the model's state; else what is different.
    pub async fn reached(&self, bed: &Bed) -> Result<(), String> {
        state::reached(bed, &self.tenant, &self.expected, end()).await
    }

    /// What the database has.
    pub async fn found(&self, bed: &Bed) -> State {
        state::read(&bed.store, self.tenant.world.domain_id).await.expect("the state")
    }

    /// Publishes all; what is not confirmed is published again, as any publisher must.
    pub async fn publish(&self, bed: &Bed) {
        for some in self.messages.chunks(PUBLISHED_AT_ONCE) {
            let mut left = some.to_vec();
            eventually("the broker confirms", end(), async || {
                let results = bed.publisher.publish_all(left.clone()).await;
                let failed = std::mem::take(&mut left).into_iter().zip(results);
                left = failed.filter(|(_, result)| result.is_err()).map(|(m, _)| m).collect();
                if left.is_empty() { Ok(()) } else { Err(format!("{} are not", left.len())) }
            })
            .await;
        }
    }

    /// The model's state; nothing parked; every delivery that is owed was made, none that is not.
    pub async fn ends_well(&self, bed: &Bed, receiver: &Receiver, programs: Vec<Program>) {
        let domain_id = self.tenant.world.domain_id;
        if let Err(told) = self.reached(bed).await {
            panic!("{:?}: the state is not the model's; {told}", bed.database);
        }
        let owed = self.expected.deliveries.values().sum::<i64>();
        eventually("all is billed", end(), async || {
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
pub struct Random(TestRunner);

impl Random {
    /// From `KILL_SEED`, or a fresh one that is printed.
    pub fn seeded(bed: &Bed, what: &str) -> Self {
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

    /// A number from 0 to below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.sample(&(0..limit))
    }
}
