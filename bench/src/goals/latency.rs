//! P8: from published to visible in the database, at a fifth of P1's rate, beside a bare round trip.
use std::time::Duration;

use anyhow::ensure;
use referral::{broker::topology::DAILY_RECORDS, clock::Clock, store::Param};

use super::{Bench, daily, pairs};
use crate::{
    backlog::Backlog,
    ground::{Database, Ground, TRIP},
    load::{percentile, ticks},
    program::{output, own_file},
    table::{Goal, Line},
};

/// P8's share of P1's rate.
const SHARE: f64 = 0.2;
/// How often the database is asked for new rows: so much too late is a row seen at most.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const NEW_ROWS: &str = "SELECT id, time_us FROM click WHERE id > {?} ORDER BY id";

/// P8.
pub async fn visible(bench: &mut Bench, pairs: usize) -> anyhow::Result<Vec<Line>> {
    let rate = daily::ours(bench, &daily::Run::singles(bench.sizes.events)).await? * SHARE;
    let rate = rate as usize;
    let pairs = pairs!(pairs, p99(bench, rate).await?, trip(bench, rate).await?);
    Ok(vec![Line {
        name: "P8",
        what: format!(
            "published to visible at {rate} events/s, p99 ÷ bare publish–confirm–consume, p99"
        ),
        unit: "ms",
        pairs,
        goal: Goal::AtMost(5.0),
    }])
}

async fn p99(bench: &Bench, rate: usize) -> anyhow::Result<f64> {
    Ok(percentile(&mut ours(bench, rate, &[]).await?, 0.99))
}

/// How long events took to be visible at this rate, in milliseconds.
pub async fn ours(
    bench: &Bench,
    rate: usize,
    settings: &[(&str, String)],
) -> anyhow::Result<Vec<f64>> {
    let ground = &bench.ground;
    let database = ground.database("bench_latency").await?;
    ground.empty().await?;
    let program = ground.start("daily-records", &database, settings)?;
    // The first second's events are not counted: the program starts.
    let count = rate * (bench.sizes.seconds as usize + 1);
    let (published, seen) = tokio::join!(publish(ground, rate, count), see(&database, count));
    published?;
    let took = seen?.split_off(rate);
    program.stop().await?;
    ground.is_settled(&[DAILY_RECORDS]).await?;
    ground.drop_database(&database.name).await?;
    Ok(took)
}

async fn publish(ground: &Ground, rate: usize, count: usize) -> anyhow::Result<()> {
    let backlog = Backlog::clicks(count, daily::CODES);
    let (mut ticks, mut number) = (ticks(rate, count), 0);
    let mut confirms = tokio::task::JoinSet::new();
    while let Some(now) = ticks.next().await {
        let (messages, publisher) =
            (backlog.messages(number..number + now), ground.publisher.clone());
        number += now;
        confirms.spawn(async move { publisher.publish_all(messages).await });
    }
    for result in confirms.join_all().await.into_iter().flatten() {
        result?;
    }
    Ok(())
}

/// How long each row took to be seen, in milliseconds, in the rows' order.
async fn see(database: &Database, count: usize) -> anyhow::Result<Vec<f64>> {
    let (mut took, mut last) = (Vec::with_capacity(count), 0);
    while took.len() < count {
        tokio::time::sleep(LOOK_EVERY).await;
        let rows = database.store.all(NEW_ROWS, None, vec![Param::from(last)]).await?;
        let now = Clock::system().now().0;
        for row in rows {
            last = row.int("id")?;
            took.push((now - row.int("time_us")?) as f64 / 1e3);
        }
    }
    ensure!(took.len() == count, "{} rows of {count}", took.len());
    Ok(took)
}

async fn trip(bench: &Bench, rate: usize) -> anyhow::Result<f64> {
    let (amqp, rate) = (&bench.ground.place.amqp, rate.to_string());
    let seconds = bench.sizes.seconds.to_string();
    let arguments =
        ["limit", "trip", "--amqp", amqp, "--queue", TRIP, "--rate", &rate, "--seconds", &seconds];
    let said = output(&own_file()?, &arguments).await?;
    Ok(said.trim().parse()?)
}
