//! A trial: many mixed events, and the state that they must end in whatever is done to the programs
//! meanwhile; nothing parked, everything billed once.
use std::time::Duration;

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
};

/// How long everything may take to come to its end, on a busy machine.
const END: Duration = Duration::from_secs(240);
/// Messages in flight between publisher and broker.
const PUBLISHED_AT_ONCE: usize = 64;

/// A biller that posts to this receiver, and does not wait long.
pub fn billing(bed: &Bed, receiver: &Receiver) -> Plan {
    bed.plan("billing")
        .set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &receiver.endpoint())
        .set("BILLING_RETRY_INITIAL", "200ms")
        .set("BILLING_RETRY_MAX", "1s")
        // A killed biller's lease outlasts this by 10 s.
        .set("BILLING_TIMEOUT", "2s")
}

/// See the module.
pub struct Trial {
    tenant: Tenant,
    messages: Vec<Outgoing>,
    expected: State,
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
        Self { tenant, messages, expected }
    }

    /// Publishes all; what is not confirmed is published again, as any publisher must.
    pub async fn publish(&self, bed: &Bed) {
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
    pub async fn ends_well(&self, bed: &Bed, receiver: &Receiver, programs: Vec<Program>) {
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
