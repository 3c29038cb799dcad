//! daily-records: P1 and P2 beside the bare drain of the same backlog, P7 beside itself.
use std::time::Instant;

use anyhow::{Context as _, ensure};
use referral::{
    broker::topology::DAILY_RECORDS,
    domain::{EventType, key},
};

use super::{Bench, pairs};
use crate::{
    backlog::{Backlog, code},
    ground::{DRAIN, Database, Ground},
    program::{output, own_file},
    table::{Goal, Line},
};

/// Distinct codes of the backlog.
pub const CODES: usize = 1_000;
/// Days that the stored clicks are spread over, all of them before 2026.
const STORED_DAYS: usize = 365;
/// Events of a message in P2.
const GROUPED: usize = 100;
/// So many times the events of P1 make as long a run of P2.
const GROUPED_MORE: usize = 3;
/// What a run counts. It is asked for fifty times a second, so it leaves the days of the stored clicks alone.
const CLICKS: &str = "SELECT {as int COALESCE(SUM(clicks), 0)} AS n FROM daily_record \
    WHERE domain_id = 1 AND day >= '2026-01-01'";
const ROWS: &str = "SELECT COUNT(*) AS n FROM click";

/// How a backlog of clicks is drained.
#[derive(Debug, Clone)]
pub struct Run {
    /// It.
    pub backlog: Backlog,
    /// Programs at once.
    pub instances: usize,
    /// More settings.
    pub settings: Vec<(&'static str, String)>,
}

impl Run {
    /// P1's.
    pub fn singles(events: usize) -> Self {
        let backlog = Backlog::clicks(events, CODES);
        Self { backlog, instances: 1, settings: Vec::new() }
    }

    /// P2's, as long as a run of so many events of P1.
    pub fn grouped(events: usize) -> Self {
        let singles = Backlog::clicks(events, CODES);
        let backlog = Backlog { events: events * GROUPED_MORE, grouped: GROUPED, ..singles };
        Self { backlog, instances: 2, settings: Vec::new() }
    }
}

/// P1.
pub async fn backlog(bench: &mut Bench, pairs: usize) -> anyhow::Result<Vec<Line>> {
    let run = Run::singles(bench.sizes.events);
    let pairs = pairs!(pairs, ours(bench, &run).await?, drain(&bench.ground, run.backlog).await?);
    Ok(vec![Line {
        name: "P1",
        what: "daily-records, single events ÷ bare drain of the same backlog".to_owned(),
        unit: "events/s",
        pairs,
        goal: Goal::AtLeast(0.95),
    }])
}

/// P2.
pub async fn grouped(bench: &mut Bench, pairs: usize) -> anyhow::Result<Vec<Line>> {
    let events = bench.sizes.events;
    let singles = Backlog::clicks(events, CODES);
    let run = Run::grouped(events);
    let pairs = pairs!(pairs, ours(bench, &run).await?, drain(&bench.ground, singles).await?);
    Ok(vec![Line {
        name: "P2",
        what: format!(
            "daily-records, {GROUPED} events a message, two instances ÷ bare drain of single events"
        ),
        unit: "events/s",
        pairs,
        goal: Goal::AtLeast(2.0),
    }])
}

/// P7.
pub async fn stored(bench: &mut Bench, pairs: usize, stored: usize) -> anyhow::Result<Vec<Line>> {
    let run = Run::singles(bench.sizes.events);
    let full = bench.ground.database("bench_full").await?;
    store(&full, stored).await?;
    let pairs = pairs!(pairs, into(bench, &run, &full).await?, ours(bench, &run).await?);
    bench.ground.drop_database(&full.name).await?;
    Ok(vec![Line {
        name: "P7",
        what: format!("P1's rate with {} million stored clicks ÷ with none", stored as f64 / 1e6),
        unit: "events/s",
        pairs,
        goal: Goal::AtLeast(0.9),
    }])
}

/// Drains a backlog into an empty database; events a second.
pub async fn ours(bench: &mut Bench, run: &Run) -> anyhow::Result<f64> {
    let database = bench.ground.database("bench_daily").await?;
    let rate = into(bench, run, &database).await?;
    bench.ground.drop_database(&database.name).await?;
    Ok(rate)
}

/// Drains a backlog into this database; events a second, from the start of the program to the state.
pub async fn into(bench: &mut Bench, run: &Run, database: &Database) -> anyhow::Result<f64> {
    let ground = &bench.ground;
    ground.empty().await?;
    run.backlog.publish(ground).await?;
    let events = run.backlog.events as i64;
    let counted = database.number(CLICKS).await? + events;
    let rows = database.number(ROWS).await? + events;
    let (settings, state) = (&run.settings, (CLICKS, counted));
    let seconds = bench.time("daily-records", run.instances, settings, database, state).await?;
    let stored = database.number(ROWS).await?;
    ensure!(stored == rows, "{stored} rows instead of {rows}");
    bench.ground.is_settled(&[DAILY_RECORDS]).await?;
    Ok(run.backlog.events as f64 / seconds)
}

/// The bare drain of a backlog of clicks; events a second.
pub async fn drain(ground: &Ground, backlog: Backlog) -> anyhow::Result<f64> {
    ensure!(backlog.kind == EventType::Click, "the drain's queue gets clicks only");
    ground.empty().await?;
    backlog.publish_to_drain(ground).await?;
    let count = (backlog.events / backlog.grouped).to_string();
    let file = own_file()?;
    let began = Instant::now();
    let amqp = &ground.place.amqp;
    output(&file, &["limit", "drain", "--amqp", amqp, "--queue", DRAIN, "--count", &count])
        .await
        .context("the bare drain")?;
    let rate = backlog.events as f64 / began.elapsed().as_secs_f64();
    ground.is_settled(&[DRAIN]).await?;
    Ok(rate)
}

/// Puts so many clicks, and their records, into a database, as if they had been counted long ago: one a
/// millisecond, with the keys of UUIDv7 ids.
pub async fn store(database: &Database, clicks: usize) -> anyhow::Result<()> {
    if clicks == 0 {
        return Ok(());
    }
    let (first, from) = (code(0), "2025-01-01");
    // As `EventKey` writes six bytes of time.
    let digits = std::str::from_utf8(key::ALPHABET)?;
    let digit = |shift: u32| format!("substr('{digits}', (ms >> {shift} & 63)::int + 1, 1)");
    let time: Vec<String> = (0..8).rev().map(|place| digit(place * 6)).collect();
    let click_rows = format!(
        "INSERT INTO click (event_key, domain_id, code, time_us, bot, ip, user_agent, seen_us)
        SELECT {time} || substr(md5(n::text), 1, 24), 1,
            lpad(to_hex(n % {CODES}), {width}, '0'), ms * 1000, 0, '203.0.113.' || n % 250,
            'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', ms * 1000
        FROM generate_series(1, {clicks}) n,
            LATERAL (SELECT extract(epoch FROM date '{from}')::bigint * 1000 + n AS ms) t",
        time = time.join(" || "),
        width = first.len(),
    );
    let records = format!(
        "INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, mtime_us)
        SELECT 1, to_char(date '{from}' + d::int, 'YYYY-MM-DD'), lpad(to_hex(c), {width}, '0'),
            gen_random_uuid()::text, 1, 0, 0
        FROM generate_series(0, {STORED_DAYS} - 1) d, generate_series(0, {CODES} - 1) c",
        width = first.len(),
    );
    // What was counted long ago lies on the disk.
    let settled = ["VACUUM ANALYZE click", "VACUUM ANALYZE daily_record", "CHECKPOINT"];
    for statement in [&*click_rows, &*records].into_iter().chain(settled) {
        database.store.run(statement, None, Vec::new()).await?;
    }
    Ok(())
}
