//! Contract 1, promise 2: "Order does not matter … the final state is the same. Where the facts
//! themselves disagree the first processed wins."
//!
//! The property test runs `PROPTEST_CASES` cases on each database (24 where that is not set), all
//! of a database through the same running workers, each case in a domain of its own.
use std::{sync::Arc, time::Duration};

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::{
    harness::{
        Bed, PATIENCE, Tenant, environment, eventually,
        messages::{batch, cut, single},
        on_every_database, state,
    },
    model::{
        cases::{Case, Journey, Size, cases, code, journeys},
        fact::{Fact, Signup, payment, signup},
        outcome,
        world::RegisteredCode,
    },
};

on_every_database!(
    any_order_copies_and_batches_end_in_the_models_state,
    a_code_registered_later_settles_who_waited,
    the_first_of_two_signups_that_disagree_wins,
    a_long_chain_that_settles_at_once_pays_for_what_was_paid_before,
);

/// Any permutation, duplication and batch split of a set of events ends in the model's state.
async fn any_order_copies_and_batches_end_in_the_models_state(bed: Arc<Bed>) {
    const SIZE: Size = Size { users: 8, payments: 10, clicks: 8 };
    let number = environment::number("PROPTEST_CASES").unwrap_or(24);
    let config = Config {
        cases: u32::try_from(number).unwrap(),
        max_shrink_iters: 200,
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..Config::default()
    };
    let programs = bed.start_workers(1, &[]).await;
    let runtime = tokio::runtime::Handle::current();
    let told = tokio::task::block_in_place(|| {
        let done = TestRunner::new(config).run(&(cases(SIZE), journeys()), |(case, journey)| {
            runtime.block_on(travels(&bed, &case, &journey)).map_err(TestCaseError::fail)
        });
        match done {
            Ok(()) => None,
            Err(TestError::Abort(told)) => Some(told.to_string()),
            Err(TestError::Fail(told, found)) => Some(format!("{told}\n{found:#?}")),
        }
    });
    if let Some(told) = told {
        panic!("{:?}: {told}", bed.database);
    }
    bed.drain(programs).await;
    for queue in ["referral.daily-records.dead", "referral.credits.dead", "referral.unrouted"] {
        assert!(bed.broker.is_empty(queue).await, "{queue}");
    }
}

async fn travels(bed: &Bed, case: &Case, journey: &Journey) -> Result<(), String> {
    // Longer than what waits may take to be settled; a case that passes takes far less.
    const SETTLED_WITHIN: Duration = Duration::from_secs(15);
    let tenant = Tenant::of_case(bed, case).await;
    let facts = case.facts(&tenant.world);
    let order = journey.order(&facts);
    bed.publish(cut(&order, &journey.sizes, &tenant.name)).await;
    let expected = outcome(&tenant.world, order);
    state::reached(bed, &tenant, &expected, SETTLED_WITHIN).await
}

/// "A click or a signup before its code is registered: what is not known yet waits in the database
/// and is settled within 10 s of the missing piece arriving."
async fn a_code_registered_later_settles_who_waited(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let link = code(&tenant.world, 0);
    let with_code = Signup { code: Some(link.clone()), ..Signup::default() };
    let email = Some("Alice@Example.com".to_owned());
    let facts = [
        payment("bob", 2500),
        signup("bob", with_code),
        signup("alice", Signup { email, ..Signup::default() }),
    ];
    let _programs = bed.start_workers(1, &[]).await;
    bed.publish(facts.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
    let waiting = outcome(&tenant.world, &facts);
    assert!(!waiting.accounts["bob"].settled && waiting.accounts["alice"].settled);
    state::expect(&bed, &tenant, &waiting).await;

    let registered =
        RegisteredCode { code: link, email: "alice@example.com".to_owned(), program_id: None };
    tenant.register(&bed, registered).await;
    let settled = outcome(&tenant.world, &facts);
    assert_eq!(settled.accounts["bob"].referrer.as_deref(), Some("alice"));
    let told = state::reached(&bed, &tenant, &settled, Duration::from_secs(10)).await;
    told.unwrap_or_else(|told| panic!("not within 10 s: {told}"));
}

/// "The first processed wins and the other is kept as a conflict: a second signup of a user with
/// another referrer …"; "An e-mail belongs to the first user who came with it".
async fn the_first_of_two_signups_that_disagree_wins(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let by =
        |referrer: &str| Signup { user_indicator: Some(referrer.to_owned()), ..Signup::default() };
    let with = |email: &str| Signup { email: Some(email.to_owned()), ..Signup::default() };
    let mut facts = vec![
        signup("alice", with("shared@example.com")),
        signup("dave", with("SHARED@example.com")),
        signup("bob", by("alice")),
        signup("bob", by("dave")),
        // Same e-mail as Alice, whom she names: nobody refers themselves.
        signup("erin", Signup { email: Some("Shared@Example.com".to_owned()), ..by("alice") }),
    ];
    let _programs = bed.start_workers(1, &[]).await;
    for number in 1..=facts.len() {
        bed.publish(vec![single(&facts[number - 1], &tenant.name)]).await;
        processed(&bed, &tenant, number).await;
        state::expect(&bed, &tenant, &outcome(&tenant.world, &facts[..number])).await;
    }
    // The code's owner is who came first with the e-mail.
    let link = code(&tenant.world, 0);
    let registered = RegisteredCode {
        code: link.clone(),
        email: "shared@example.com".to_owned(),
        program_id: None,
    };
    tenant.register(&bed, registered).await;
    facts.push(signup("frank", Signup { code: Some(link), ..Signup::default() }));
    bed.publish(vec![single(&facts[5], &tenant.name)]).await;
    let expected = outcome(&tenant.world, &facts);
    assert_eq!(expected.accounts["frank"].referrer.as_deref(), Some("alice"));
    state::expect(&bed, &tenant, &expected).await;
    let kept = signups(&bed, &tenant).await;
    assert_eq!(kept.len(), facts.len(), "a conflict is kept too");
    let outcomes: Vec<_> = facts.iter().map(|fact| kept[&fact.id].as_str()).collect();
    let told = ["created", "created", "created", "conflict", "self_referral", "created"];
    assert_eq!(outcomes, told);
}

/// "A payment before its signup, a signup before its referrer's own … the final state is the same":
/// also for users who are settled only because somebody below them signs up in that very message.
async fn a_long_chain_that_settles_at_once_pays_for_what_was_paid_before(bed: Arc<Bed>) {
    const CHAIN: usize = 24;
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let by = |number: usize| Signup {
        user_indicator: Some(format!("user-{number}")),
        ..Signup::default()
    };
    // Everybody pays, and waits for the one before; user-0 is not there yet.
    let link = |number: usize| {
        let user = format!("user-{number}");
        [payment(&user, 2500), signup(&user, by(number - 1))]
    };
    let mut facts: Vec<Fact> = (1..=CHAIN).flat_map(link).collect();
    let _programs = bed.start_workers(1, &[]).await;
    let together: Vec<&Fact> = facts.iter().collect();
    bed.publish(vec![batch(&together, &tenant.name)]).await;
    let waiting = outcome(&tenant.world, &facts);
    assert!(waiting.accounts.values().all(|account| !account.settled));
    state::expect(&bed, &tenant, &waiting).await;

    // The first of the chain, and one more at its end, arrive together.
    let last = [signup("user-0", Signup::default()), signup("user-last", by(CHAIN))];
    bed.publish(vec![batch(&[&last[0], &last[1]], &tenant.name)]).await;
    facts.extend(last);
    let settled = outcome(&tenant.world, &facts);
    assert_eq!(settled.entries.len(), 3 * CHAIN + 2);
    state::expect(&bed, &tenant, &settled).await;
}

async fn processed(bed: &Bed, tenant: &Tenant, number: usize) {
    eventually(&format!("{number} signups are processed"), PATIENCE, async || {
        match signups(bed, tenant).await.len() {
            found if found == number => Ok(()),
            found => Err(format!("{found} are")),
        }
    })
    .await;
}

/// The outcome of every signup event, by its id.
async fn signups(bed: &Bed, tenant: &Tenant) -> std::collections::BTreeMap<String, String> {
    const FIND: &str = "SELECT event_id, outcome FROM signup WHERE domain_id = {?}";
    let rows = bed.store.all(FIND, None, vec![tenant.world.domain_id.into()]).await.unwrap();
    let found = rows.iter().map(|row| {
        (row.text("event_id").unwrap(), row.text_or_null("outcome").unwrap().unwrap_or_default())
    });
    found.collect()
}

#[test]
fn journeys_lose_nothing() {
    let mut runner = TestRunner::deterministic();
    let strategy = (cases(Size { users: 5, payments: 5, clicks: 5 }), journeys());
    let done = runner.run(&strategy, |(case, journey)| {
        let facts = case.facts(&crate::model::world::World::default());
        let order = journey.order(&facts);
        let sent = |fact: &Fact| order.iter().any(|sent| sent.id == fact.id);
        assert!(facts.iter().all(sent) && order.len() >= facts.len());
        Ok(())
    });
    done.unwrap();
}
