//! Contract 7, `referral rebuild [--check]`: "recomputes the daily records and the credit entries from the
//! stored events and repairs or, with `--check`, reports differences and exits 1 when there are any";
//! "`rebuild` leaves the records of pruned days as they are".
mod corruptions;
mod told;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, TestRunner},
};
use referral::store::Param;
use serde_json::Value;

use self::corruptions::{Corruption, corruptions};
use crate::{
    harness::{
        Bed, Tenant, Told,
        messages::{cut, single},
        on_every_database, state,
    },
    model::{
        cases::{Size, cases, code, journeys},
        fact::{Fact, Signup, click, payment, signup},
        outcome,
        state::State,
    },
};

on_every_database!(
    what_the_workers_made_has_no_differences,
    each_corruption_is_reported_and_repaired,
    running_workers_are_no_difference_and_lose_nothing,
    days_that_were_pruned_or_had_another_zone_stay_as_they_are,
);

async fn rebuild(bed: &Bed, more: &[&str]) -> Told {
    bed.operate(&[&["rebuild"], more].concat(), &[], "").await
}

/// Nothing is found, and nothing is changed.
async fn no_differences(bed: &Bed) {
    for more in [&["--check"][..], &[]] {
        let told = rebuild(bed, more).await;
        assert_eq!(
            (told.code, told.output.as_str(), told.errors.as_str()),
            (Some(0), "no differences", "")
        );
    }
}

/// The differences that a run tells.
fn differences(told: &Told) -> Vec<Value> {
    let found: Result<Vec<Value>, _> = serde_json::from_str(&told.output);
    found.unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

async fn run(bed: &Bed, sql: &str, params: Vec<Param<'_>>) {
    let done = bed.store.run(sql, None, params).await;
    assert!(done.unwrap_or_else(|error| panic!("{sql}: {error}")) > 0, "{sql}: changed nothing");
}

async fn what_the_workers_made_has_no_differences(bed: Arc<Bed>) {
    const SIZE: Size = Size { users: 10, payments: 14, clicks: 12 };
    no_differences(&bed).await;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let programs = bed.start_workers(1, &[]).await;
    let mut expected = Vec::new();
    for _ in 0..8 {
        let (case, journey) = (cases(SIZE), journeys()).new_tree(&mut runner).unwrap().current();
        let tenant = Tenant::of_case(&bed, &case).await;
        let facts = case.facts(&tenant.world);
        let order = journey.order(&facts);
        bed.publish(cut(&order, &journey.sizes, &tenant.name)).await;
        let state = outcome(&tenant.world, order);
        expected.push((tenant, state));
    }
    for (tenant, state) in &expected {
        state::expect(&bed, tenant, state).await;
    }
    bed.drain(programs).await;
    no_differences(&bed).await;
    for (tenant, state) in &expected {
        state::expect_now(&bed, tenant, state).await;
    }
}

/// A domain with something of everything, as the workers left it.
async fn house(bed: &Arc<Bed>, zone: &str) -> (Tenant, State) {
    let mut tenant = Tenant::create(bed, zone).await;
    tenant.rewarding_programme(bed, "Default", 1000, 2500, 25_000).await;
    let (link, other) = (code(&tenant.world, 0), code(&tenant.world, 1));
    let by = |by: &str, code: &str, email: &str| Signup {
        user_indicator: Some(by.to_owned()),
        code: Some(code.to_owned()),
        email: Some(email.to_owned()),
        ..Signup::default()
    };
    let facts: Vec<Fact> = vec![
        signup("alice", Signup::default()),
        signup("bob", by("alice", &link, "bob@example.com")),
        signup("carol", by("alice", &other, "carol@example.com")).at("2025-06-02T21:59:59Z"),
        payment("bob", 1000),
        payment("bob", 1999),
        payment("carol", 600),
        click(&link).at("2025-06-01T21:59:59Z"),
        click(&link).at("2025-06-01T22:00:00Z"),
        click(&link).at("2025-06-01T22:00:01Z"),
        click(&other).at("2025-06-03T12:00:00Z"),
    ];
    let programs = bed.start_workers(1, &[]).await;
    bed.publish(facts.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
    let expected = outcome(&tenant.world, &facts);
    state::expect(bed, &tenant, &expected).await;
    bed.drain(programs).await;
    (tenant, expected)
}

async fn each_corruption_is_reported_and_repaired(bed: Arc<Bed>) {
    let (tenant, expected) = house(&bed, "Europe/Berlin").await;
    let (other, untouched) = house(&bed, "UTC").await;
    no_differences(&bed).await;
    for Corruption { name, sql, reported } in corruptions() {
        for statement in sql {
            let domain = tenant.world.domain_id.to_string();
            run(&bed, &statement.replace("DOMAIN", &domain), Vec::new()).await;
        }
        let before = state::read(&bed.store, tenant.world.domain_id).await;
        let told = rebuild(&bed, &["--check", "--json"]).await;
        assert_eq!(told.code, Some(1), "{name}: {told:?}");
        let found = differences(&told);
        let mut what: Vec<&str> = found.iter().map(|d| d["what"].as_str().unwrap()).collect();
        what.sort_unstable();
        assert_eq!(what, reported, "{name}: {told:?}");
        assert!(
            found.iter().all(|d| d["repaired"] == false && d["domain"] == tenant.name.as_str())
        );
        // Looking changes nothing.
        let after = state::read(&bed.store, tenant.world.domain_id).await;
        assert_eq!(format!("{before:?}"), format!("{after:?}"), "{name}");
        let text = rebuild(&bed, &["--check", "--domain", &tenant.name]).await;
        assert_eq!((text.code, text.output.lines().count()), (Some(1), found.len()), "{text:?}");

        let told = rebuild(&bed, &["--json"]).await;
        assert_eq!(told.code, Some(0), "{name}: {told:?}");
        assert!(differences(&told).iter().all(|d| d["repaired"] == true), "{name}: {told:?}");
        let found = state::read(&bed.store, tenant.world.domain_id).await.unwrap();
        let same = found.same_as(&expected);
        assert!(same.is_ok(), "{name}: {told:?}\n{}", same.unwrap_err());
        no_differences(&bed).await;
    }
    state::expect_now(&bed, &other, &untouched).await;
    let told = rebuild(&bed, &["--domain", "nowhere"]).await;
    assert_eq!(told.code, Some(1));
    assert!(told.errors.contains("--domain: there is no domain"), "{}", told.errors);
}

async fn running_workers_are_no_difference_and_lose_nothing(bed: Arc<Bed>) {
    const SIZE: Size = Size { users: 200, payments: 500, clicks: 500 };
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let sample = (crate::model::cases::large_cases(SIZE), journeys()).new_tree(&mut runner);
    let (case, journey) = sample.unwrap().current();
    let tenant = Tenant::of_case(&bed, &case).await;
    let facts = case.facts(&tenant.world);
    let order = journey.order(&facts);
    let messages = cut(&order, &journey.sizes, &tenant.name);
    let programs = bed.start_workers(2, &[]).await;
    let published = AtomicBool::new(false);
    let publish = async {
        for some in messages.chunks(8) {
            bed.publish(some.to_vec()).await;
        }
        published.store(true, Relaxed);
    };
    let rebuilding = async {
        let mut runs = 0;
        while !published.load(Relaxed) || runs < 4 {
            let more: &[&str] = if runs % 2 == 0 { &["--check"] } else { &[] };
            let told = rebuild(&bed, more).await;
            assert_eq!(
                (told.code, told.output.as_str()),
                (Some(0), "no differences"),
                "run {runs}: {}",
                told.errors
            );
            runs += 1;
        }
    };
    tokio::join!(publish, rebuilding);
    let expected = outcome(&tenant.world, order);
    state::expect(&bed, &tenant, &expected).await;
    bed.drain(programs).await;
    state::expect_now(&bed, &tenant, &expected).await;
    no_differences(&bed).await;
}

async fn days_that_were_pruned_or_had_another_zone_stay_as_they_are(bed: Arc<Bed>) {
    let link = "b4b9e071006f409d8e6d";
    let now: chrono::DateTime<chrono::Utc> = std::time::SystemTime::now().into();
    let ago = |days: i64| Fact { time: now - chrono::TimeDelta::days(days), ..click(link) };
    let programs = bed.start_workers(1, &[]).await;
    let facts: Vec<Fact> = (0..20).flat_map(|day| [ago(day), ago(day)]).collect();
    bed.publish(facts.iter().map(|fact| single(fact, "default")).collect()).await;
    bed.drain(programs).await;
    let clicks = async || -> Vec<i64> {
        const ALL: &str = "SELECT clicks FROM daily_record ORDER BY day DESC";
        let rows = bed.store.all(ALL, None, Vec::new()).await.unwrap();
        rows.iter().map(|row| row.int("clicks").unwrap()).collect()
    };
    bed.referral(&["prune", "--older-than", "10d"], "").await;
    no_differences(&bed).await;
    run(&bed, "UPDATE daily_record SET clicks = 9", Vec::new()).await;
    let told = rebuild(&bed, &["--check", "--json"]).await;
    assert_eq!(differences(&told).len(), 11, "today and ten days: {}", told.output);
    assert_eq!(rebuild(&bed, &[]).await.code, Some(0));
    let expected: Vec<i64> = [2; 11].into_iter().chain([9; 9]).collect();
    assert_eq!(clicks().await, expected, "what was pruned stays as it is");
    no_differences(&bed).await;

    // Counted in one zone, looked at in another: those days stay where they are.
    bed.referral(&["domain", "set", "default", "--timezone", "Pacific/Kiritimati"], "").await;
    no_differences(&bed).await;
    assert_eq!(clicks().await, expected);
}
