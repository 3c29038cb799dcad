//! credits: P3, payments of users who have registered and were referred, beside the bare drain.
use anyhow::ensure;
use referral::{broker::topology::CREDITS, domain::EventType};

use super::{Bench, daily, pairs};
use crate::{
    backlog::Backlog,
    table::{Goal, Line},
};

/// Users who pay.
const USERS: usize = 10_000;
const TOTALS: &str = "SELECT {as int COALESCE(SUM(sum_minor), 0)} AS n FROM payer";

/// P3.
pub async fn backlog(bench: &mut Bench, pairs: usize) -> anyhow::Result<Vec<Line>> {
    let singles = Backlog::clicks(bench.sizes.events, daily::CODES);
    let pairs = pairs!(pairs, ours(bench).await?, daily::drain(&bench.ground, singles).await?);
    Ok(vec![Line {
        name: "P3",
        what: "credits, payments, single events ÷ bare drain".to_owned(),
        unit: "events/s",
        pairs,
        goal: Goal::AtLeast(0.6),
    }])
}

/// Registers the users, then drains a backlog of payments of a cent each; events a second.
pub async fn ours(bench: &mut Bench) -> anyhow::Result<f64> {
    let ground = &bench.ground;
    let database = ground.database("bench_credits").await?;
    ground.empty().await?;
    database
        .store
        .run(
            "INSERT INTO programme (domain_id, name, credit_minor, target_minor, reward_percent_e4, ctime_us) \
             VALUES (1, 'Default', 1000, 10000, 50000, 0)",
            None,
            Vec::new(),
        )
        .await?;
    let signups = Backlog { kind: EventType::Signup, events: USERS, grouped: 100, names: USERS };
    signups.publish(ground).await?;
    let registering = ground.start("credits", &database, &[])?;
    database.reaches("SELECT COUNT(*) AS n FROM account", USERS as i64, &mut []).await?;
    registering.stop().await?;
    let events = bench.sizes.events;
    let payments = Backlog { kind: EventType::Payment, events, grouped: 1, names: USERS };
    payments.publish(ground).await?;
    let state = (TOTALS, events as i64);
    let seconds = bench.time("credits", 1, &[], &database, state).await?;
    let rows = database.number("SELECT COUNT(*) AS n FROM payment").await?;
    ensure!(rows == events as i64, "{rows} payments instead of {events}");
    bench.ground.is_settled(&[CREDITS]).await?;
    bench.ground.drop_database(&database.name).await?;
    Ok(events as f64 / seconds)
}
