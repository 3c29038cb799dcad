//! billing: P6, signed deliveries with a durable outcome beside a bare reqwest loop to the same sink.
use anyhow::ensure;
use referral::{
    clock::Clock,
    store::{Param, Rows, rows::Kind},
};
use uuid::Uuid;

use super::{Bench, pairs};
use crate::{
    ground::Database,
    program::{Program, output, own_file},
    table::{Goal, Line},
};

/// One delivery for so many events of P1's backlog makes as long a run.
const EVENTS_A_DELIVERY: usize = 3;
/// Calls in flight.
const CONCURRENCY: usize = 64;
const DELIVERED: &str = "SELECT COUNT(*) AS n FROM delivery WHERE state = 'delivered'";

/// P6.
pub async fn deliveries(bench: &mut Bench, pairs: usize) -> anyhow::Result<Vec<Line>> {
    let pairs = pairs!(pairs, ours(bench).await?, bare(bench).await?);
    Ok(vec![Line {
        name: "P6",
        what: format!("billing, signed, durable outcome, concurrency {CONCURRENCY} ÷ bare reqwest"),
        unit: "calls/s",
        pairs,
        goal: Goal::AtLeast(0.5),
    }])
}

/// Sends a backlog of deliveries; calls a second.
pub async fn ours(bench: &mut Bench) -> anyhow::Result<f64> {
    send(bench, bench.sizes.events / EVENTS_A_DELIVERY, 0).await
}

/// Sends so many deliveries to a receiver that takes so long to answer; calls a second.
pub async fn send(bench: &mut Bench, count: usize, pause_ms: usize) -> anyhow::Result<f64> {
    let arguments = ["limit", "sink", "--pause-ms", &pause_ms.to_string()];
    let (sink, address) = Program::start_and_hear(&own_file()?, &arguments).await?;
    let database = bench.ground.database("bench_billing").await?;
    bench.ground.empty().await?;
    insert(&database, count).await?;
    let settings = [
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", format!("http://{address}/credit")),
        ("WEBHOOK_SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        ("BILLING_CONCURRENCY", CONCURRENCY.to_string()),
    ];
    // As the server does by itself some time after so many new rows.
    database.store.run("VACUUM ANALYZE delivery", None, Vec::new()).await?;
    let state = (DELIVERED, count as i64);
    let seconds = bench.time("billing", 1, &settings, &database, state).await?;
    let attempts = database.number("SELECT COUNT(*) AS n FROM attempt").await?;
    ensure!(attempts == count as i64, "{attempts} attempts of {count} deliveries");
    bench.ground.drop_database(&database.name).await?;
    sink.stop().await?;
    Ok(count as f64 / seconds)
}

async fn bare(bench: &Bench) -> anyhow::Result<f64> {
    let (sink, address) = Program::start_and_hear(&own_file()?, &["limit", "sink"]).await?;
    let count = (bench.sizes.events / EVENTS_A_DELIVERY).to_string();
    let url = format!("http://{address}/credit/alice");
    let said = output(&own_file()?, &["limit", "post", "--url", &url, "--count", &count]).await?;
    sink.stop().await?;
    Ok(said.trim().parse()?)
}

/// Makes so many deliveries that are due.
async fn insert(database: &Database, count: usize) -> anyhow::Result<()> {
    const COLUMNS: &[(&str, Kind)] = &[("id", Kind::Text), ("created_us", Kind::Int)];
    const INSERT: &str = "
        INSERT INTO delivery (id, entry_id, domain_id, user_hash, kind, amount_minor, currency,
            program_id, program_name, user_indicator_hash, referred_user_hash, created_us, state,
            attempts, next_attempt_us, lease_until_us)
        SELECT id, id, 1, 'alice', 'signup_credit', 1000, 'USD', 1, 'Default', 'bob', 'alice',
            created_us, 'pending', 0, created_us, 0
        FROM {rows} WHERE true";
    let now = Clock::system().now().0;
    for from in (0..count).step_by(5_000) {
        let mut rows = Rows::new(COLUMNS);
        for _ in from..count.min(from + 5_000) {
            rows.push([Param::from(Uuid::now_v7().to_string()), Param::from(now)]);
        }
        database.store.run(INSERT, Some(&rows), Vec::new()).await?;
    }
    Ok(())
}
