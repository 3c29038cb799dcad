//! The ingress: P4 and P5, confirmed clicks beside hello-world, with the same load.
use std::{net::TcpListener, time::Duration};

use anyhow::ensure;
use referral::{broker::topology::DAILY_RECORDS, store::Param};

use super::{Bench, pairs};
use crate::{
    backlog::code,
    load::{Wrk, wrk},
    program::{Program, own_file},
    table::{Goal, Line},
};

/// Connections of P4, and of P5.
pub const MANY: usize = 256;
const FEW: usize = 64;
const START_PAUSE: Duration = Duration::from_millis(50);

/// P4.
pub async fn many(bench: &mut Bench, pairs: usize) -> anyhow::Result<Vec<Line>> {
    let pairs = pairs!(pairs, ours(bench, MANY).await?, hello(bench, MANY).await?);
    Ok(vec![
        line(
            "P4",
            format!("confirmed clicks, {MANY} connections ÷ hello-world"),
            "clicks/s",
            &pairs,
            |w| w.rate,
            Goal::AtLeast(0.75),
        ),
        line(
            "P4",
            "the same, p99 ÷ hello-world's p99".to_owned(),
            "ms",
            &pairs,
            |w| w.p99_ms,
            Goal::AtMost(2.0),
        ),
    ])
}

/// P5.
pub async fn few(bench: &mut Bench, pairs: usize) -> anyhow::Result<Vec<Line>> {
    let pairs = pairs!(pairs, ours(bench, FEW).await?, hello(bench, FEW).await?);
    let what = format!("confirmed clicks, {FEW} connections ÷ hello-world");
    Ok(vec![line("P5", what, "clicks/s", &pairs, |w| w.rate, Goal::AtLeast(0.45))])
}

fn line(
    name: &'static str,
    what: String,
    unit: &'static str,
    pairs: &[(Wrk, Wrk)],
    of: fn(&Wrk) -> f64,
    goal: Goal,
) -> Line {
    let pairs = pairs.iter().map(|(ours, limit)| (of(ours), of(limit))).collect();
    Line { name, what, unit, pairs, goal }
}

async fn hello(bench: &Bench, connections: usize) -> anyhow::Result<Wrk> {
    let (server, address) = Program::start_and_hear(&own_file()?, &["limit", "hello"]).await?;
    let measured = wrk(&format!("http://{address}/"), connections, bench.sizes.seconds).await?;
    server.stop().await?;
    Ok(measured)
}

/// Follows one link as fast as it goes; afterwards every answered click is in the database.
pub async fn ours(bench: &mut Bench, connections: usize) -> anyhow::Result<Wrk> {
    let ground = &bench.ground;
    let database = ground.database("bench_clicks").await?;
    ground.empty().await?;
    let insert = "INSERT INTO code (code, domain_id, email, email_key, ctime_us) VALUES ({?}, 1, 'a@b.example', 'a@b.example', 0)";
    database.store.run(insert, None, vec![Param::from(code(1))]).await?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let settings = [
        ("LISTEN_ADDR", address.to_string()),
        ("REGISTER_URL", "https://shop.example/register".to_owned()),
        ("SPOOL_PATH", "spool.db".to_owned()),
    ];
    let mut ingress = ground.start("ingress", &database, &settings)?;
    while tokio::net::TcpStream::connect(address).await.is_err() {
        ingress.still_runs()?;
        tokio::time::sleep(START_PAUSE).await;
    }
    let url = format!("http://{address}/register?ref_code={}", code(1));
    let sampler = bench.sampler()?;
    let measured = wrk(&url, connections, bench.sizes.seconds).await?;
    if let Some(sampler) = sampler {
        sampler.stop(std::slice::from_ref(&ingress)).await?;
    }
    bench.note_memory("ingress", &ingress)?;
    ingress.stop().await?;
    counted(bench, &database, measured.answers as i64, connections as i64).await?;
    bench.ground.drop_database(&database.name).await?;
    Ok(measured)
}

/// Every answered click was published; and so, at most, were those under way when wrk stopped.
async fn counted(
    bench: &Bench,
    database: &crate::ground::Database,
    answered: i64,
    connections: i64,
) -> anyhow::Result<()> {
    let counting = bench.ground.start("daily-records", database, &[])?;
    let mut clicks = -1;
    loop {
        let now = database.number("SELECT COUNT(*) AS n FROM click").await?;
        if now == clicks && bench.ground.ready_in(DAILY_RECORDS).await? == 0 {
            break;
        }
        clicks = now;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    counting.stop().await?;
    let most = answered + 2 * connections;
    ensure!((answered..=most).contains(&clicks), "{clicks} clicks of {answered} answered");
    bench.ground.is_settled(&[DAILY_RECORDS]).await
}
