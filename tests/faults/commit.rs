//! The connection is lost during COMMIT (fault 3): nobody knows whether it was made. Nothing is
//! acknowledged, the work is done again, and the events count once.
use std::sync::Arc;

use crate::{
    harness::{
        Bed, Database, Tenant,
        bed::run,
        messages::single,
        proxy::{Proxy, Strike},
        state,
    },
    model::{
        cases::code,
        fact::{Fact, Signup, click, payment, signup},
        outcome,
    },
};

/// How both databases are told to commit.
const COMMIT: &[u8] = b"COMMIT";

#[test]
fn a_commit_whose_answer_is_lost_counts_once_on_postgres() {
    run(Database::Postgres, |bed| struck(bed, Strike::Cut));
}

#[test]
fn a_commit_whose_answer_is_lost_counts_once_on_mariadb() {
    run(Database::Mariadb, |bed| struck(bed, Strike::Cut));
}

#[test]
fn a_commit_that_never_arrives_is_made_again_on_postgres() {
    run(Database::Postgres, |bed| struck(bed, Strike::Lose));
}

#[test]
fn a_commit_that_never_arrives_is_made_again_on_mariadb() {
    run(Database::Mariadb, |bed| struck(bed, Strike::Lose));
}

/// Both workers, each with a proxy of its own before its database; every round's first commit is struck.
async fn struck(bed: Arc<Bed>, strike: Strike) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let link = code(&tenant.world, 0);
    let (mut proxies, mut workers) = (Vec::new(), Vec::new());
    for name in ["daily-records", "credits"] {
        let proxy = Proxy::before(&bed.database_url).await;
        let plan = bed.plan(name).set("DATABASE_URL", &proxy.url(&bed.database_url));
        workers.push(bed.start_planned(plan).await);
        proxies.push(proxy);
    }
    let mut facts: Vec<Fact> = Vec::new();
    for round in 1..=3 {
        for proxy in &proxies {
            proxy.strike(COMMIT, strike);
        }
        let user = format!("user-{round}");
        let by = (round > 1).then(|| "user-1".to_owned());
        let known = Signup { user_indicator: by, ..Signup::default() };
        let now = [signup(&user, known), payment(&user, 2500), click(&link), click(&link)];
        bed.publish(now.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
        facts.extend(now);
        for proxy in &proxies {
            proxy.has_struck(round).await;
        }
        let expected = outcome(&tenant.world, &facts);
        state::expect(&bed, &tenant, &expected).await;
    }
    bed.drain(workers).await;
    state::expect_now(&bed, &tenant, &outcome(&tenant.world, &facts)).await;
    for queue in ["referral.daily-records.dead", "referral.credits.dead"] {
        assert!(bed.broker.is_empty(queue).await, "{queue}");
    }
}
