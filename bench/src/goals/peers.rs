//! P10: what users of other stacks write for the same work, beside P1's rate.
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use super::{Bench, daily, pairs};
use crate::{
    backlog::Backlog,
    ground::{DRAIN, Database},
    program::{Program, output},
    table::{Goal, Line},
};

/// The queue of Celery's own tasks.
const CELERY: &str = "bench.celery";
const COUNTED: &str = "SELECT {as int COALESCE(SUM(clicks), 0)} AS n FROM peer_daily";
const LOOK_EVERY: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(120);
/// Events for seconds of work at the rate that the guide saw.
const SECONDS: usize = 8;

struct Peer {
    name: &'static str,
    file: &'static str,
    /// Events a second, roughly.
    rate: usize,
    goal: f64,
}

const PEERS: [Peer; 3] = [
    Peer { name: "Celery + SQLAlchemy", file: "celery_peer.py", rate: 600, goal: 60.0 },
    Peer { name: "FastStream + asyncpg", file: "faststream_peer.py", rate: 1_300, goal: 30.0 },
    Peer { name: "Node amqplib + pg", file: "node_peer.mjs", rate: 2_200, goal: 18.0 },
];

/// P10.
pub async fn all(bench: &mut Bench, pairs: usize) -> anyhow::Result<Vec<Line>> {
    let installed = bench.ground.place.peers.clone().context("P10 needs --peers")?;
    let run = daily::Run::singles(bench.sizes.events);
    let mut lines = Vec::new();
    for peer in &PEERS {
        let pairs =
            pairs!(pairs, daily::ours(bench, &run).await?, theirs(bench, peer, &installed).await?);
        lines.push(Line {
            name: "P10",
            what: format!("P1's rate ÷ {} doing the same", peer.name),
            unit: "events/s",
            pairs,
            goal: Goal::AtLeast(peer.goal),
        });
    }
    Ok(lines)
}

/// Events a second between the first that is counted and the last: its start is not held against it.
async fn theirs(bench: &Bench, peer: &Peer, installed: &Path) -> anyhow::Result<f64> {
    let ground = &bench.ground;
    let database = ground.database("bench_peer").await?;
    ground.empty().await?;
    let backlog = Backlog::clicks(peer.rate * SECONDS, daily::CODES);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(peer.file);
    let source = source.to_str().context("a path in UTF-8")?;
    let python = installed.join("venv/bin/python");
    let is_celery = peer.file.starts_with("celery");
    let queue = if is_celery { CELERY } else { DRAIN };
    let settings = [
        ("AMQP_URL", ground.place.amqp.clone()),
        ("DATABASE_URL", database.url.clone()),
        ("QUEUE", queue.to_owned()),
        ("PEERS_DIR", installed.to_str().context("a path in UTF-8")?.to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
    ];
    if is_celery {
        let file = write(&backlog, &ground.place.directory)?;
        let file = file.to_str().context("a path in UTF-8")?;
        let mut fill = vec!["-i"];
        let pairs: Vec<String> = settings.iter().map(|(name, is)| format!("{name}={is}")).collect();
        fill.extend(pairs.iter().map(String::as_str));
        fill.extend([python.to_str().context("a path in UTF-8")?, source, "fill", file]);
        output(Path::new("/usr/bin/env"), &fill).await?;
    } else {
        backlog.publish_to_drain(ground).await?;
    }
    let (file, arguments) = match peer.file.rsplit_once('.') {
        Some((_, "mjs")) => (PathBuf::from("node"), vec![source]),
        _ if is_celery => (python, vec![source, "worker"]),
        _ => (python, vec![source]),
    };
    let mut program = Program::start(&file, &arguments, &settings, &ground.place.directory)?;
    let rate = watch(&database, backlog.events as i64, &mut program).await?;
    program.stop().await?;
    let rows = database.number("SELECT COUNT(*) AS n FROM peer_click").await?;
    ensure!(rows == backlog.events as i64, "{rows} rows of {}", backlog.events);
    ground.drop_database(&database.name).await?;
    Ok(rate)
}

async fn watch(database: &Database, wanted: i64, program: &mut Program) -> anyhow::Result<f64> {
    let (begun, mut first) = (Instant::now(), None);
    loop {
        ensure!(begun.elapsed() < PATIENCE, "not done after {PATIENCE:?}");
        program.still_runs()?;
        // Its tables come with its start.
        let now = database.number(COUNTED).await.unwrap_or(0);
        let (since, had) = *first.get_or_insert((Instant::now(), now));
        if had == 0 {
            first = Some((Instant::now(), now));
        }
        ensure!(now <= wanted, "{now} clicks of {wanted}");
        if now == wanted {
            return Ok((wanted - had) as f64 / since.elapsed().as_secs_f64());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn write(backlog: &Backlog, directory: &Path) -> anyhow::Result<PathBuf> {
    let path = directory.join("events.jsonl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    for number in 0..backlog.events {
        writeln!(file, "{}", backlog.event(number))?;
    }
    file.flush()?;
    Ok(path)
}
