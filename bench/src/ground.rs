//! Where it is measured: one private broker, one private PostgreSQL server, a database a run.
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions},
    types::{AMQPValue, FieldTable},
};
use referral::{
    broker::{
        Broker, BrokerSettings, Publisher,
        topology::{self, Role},
    },
    store::{Store, StoreSettings},
};
use tokio_util::sync::CancellationToken;

use crate::{Place, program::Program};

/// Longest wait for a state that a program is to reach.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the state is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// No more than one part of so many is spent on looking.
const LOOK_PART: u32 = 30;
/// The queue of the bare drain: it gets what daily-records gets.
pub const DRAIN: &str = "bench.drain";
/// The queue of the bare round trip.
pub const TRIP: &str = "bench.trip";

/// See the module.
pub struct Ground {
    /// As it was given.
    pub place: Place,
    /// Publishes through the exchanges, as upstream systems do.
    pub publisher: Publisher,
    channel: Channel,
    /// Keeps the channel open.
    _connection: Connection,
    server: Store,
}

/// A database of its own; its tables are there.
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// For looking into it.
    pub store: Store,
}

impl Ground {
    /// Connects, and declares the topology with the bench's own queues beside it.
    pub async fn new(place: &Place) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&place.directory)?;
        let stop = CancellationToken::new();
        let broker = Broker::new(BrokerSettings::new(place.amqp.clone(), "bench"));
        broker.declare(&stop).await?;
        let connection = Connection::connect(&place.amqp, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let ground = Self {
            place: place.clone(),
            publisher: broker.publisher(stop),
            channel,
            _connection: connection,
            server: connect(&place.postgres, false).await?,
        };
        for queue in [DRAIN, TRIP] {
            let mut arguments = FieldTable::default();
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            let options = QueueDeclareOptions { durable: true, ..Default::default() };
            ground.channel.queue_declare(queue.into(), options, arguments).await?;
        }
        ground.empty().await?;
        Ok(ground)
    }

    /// Removes every message.
    pub async fn empty(&self) -> anyhow::Result<()> {
        for queue in topology::topology().queues.iter().map(|queue| queue.name).chain([DRAIN, TRIP])
        {
            self.channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
        }
        Ok(())
    }

    /// Clicks that are published go to the bare drain's queue, too, until [`unbind`](Self::unbind).
    pub async fn bind(&self) -> anyhow::Result<()> {
        let (queue, exchange) = (DRAIN.into(), topology::EVENTS.into());
        let (key, options) = (topology::KEY_CLICK.into(), QueueBindOptions::default());
        self.channel.queue_bind(queue, exchange, key, options, FieldTable::default()).await?;
        Ok(())
    }

    /// See [`bind`](Self::bind).
    pub async fn unbind(&self) -> anyhow::Result<()> {
        let (queue, exchange) = (DRAIN.into(), topology::EVENTS.into());
        let key = topology::KEY_CLICK.into();
        self.channel.queue_unbind(queue, exchange, key, FieldTable::default()).await?;
        Ok(())
    }

    /// How many messages are ready in a queue.
    pub async fn ready_in(&self, queue: &str) -> anyhow::Result<u32> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let found =
            self.channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        Ok(found.message_count())
    }

    /// Fails where a message was parked, or is left in one of these queues.
    pub async fn is_settled(&self, queues: &[&str]) -> anyhow::Result<()> {
        let kept = topology::topology().queues.iter().filter(|queue| queue.role == Role::Kept);
        for queue in kept.map(|queue| queue.name).chain(queues.iter().copied()) {
            let left = self.ready_in(queue).await?;
            ensure!(left == 0, "{left} messages are in {queue}");
        }
        Ok(())
    }

    /// Makes a database with all tables, empty.
    pub async fn database(&self, name: &str) -> anyhow::Result<Database> {
        let (server, _) = self.place.postgres.rsplit_once('/').context("a database's URL")?;
        self.drop_database(name).await?;
        self.server.run(&format!("CREATE DATABASE {name}"), None, Vec::new()).await?;
        let url = format!("{server}/{name}");
        let store = connect(&url, true).await?;
        Ok(Database { name: name.to_owned(), url, store })
    }

    /// Drops it.
    pub async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        self.server.run(&drop, None, Vec::new()).await?;
        // What is left of the last run must not cost the next one.
        self.server.run("CHECKPOINT", None, Vec::new()).await?;
        Ok(())
    }

    /// Starts one of ours on a database, with more settings.
    pub fn start(
        &self,
        name: &str,
        database: &Database,
        more: &[(&str, String)],
    ) -> anyhow::Result<Program> {
        let file = self.file(if name == "ingress" { "referral" } else { name });
        let arguments: &[&str] = if name == "ingress" { &["ingress"] } else { &[] };
        let mut settings = vec![
            ("AMQP_URL", self.place.amqp.clone()),
            ("DATABASE_URL", database.url.clone()),
            ("LOG_FORMAT", "text".to_owned()),
        ];
        settings.extend(more.iter().cloned());
        Program::start(&file, arguments, &settings, &self.place.directory)
    }

    /// A program's file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.place.programs.join(name)
    }
}

impl Database {
    /// The one number that `query` selects as `n`.
    pub async fn number(&self, query: &str) -> anyhow::Result<i64> {
        let row = self.store.one(query, Vec::new()).await?.context("a row")?;
        Ok(row.int("n")?)
    }

    /// Waits until `query` selects `wanted`; fails where it overshoots, or a program ends meanwhile.
    pub async fn reaches(
        &self,
        query: &str,
        wanted: i64,
        programs: &mut [Program],
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let asked = Instant::now();
            let now = self.number(query).await?;
            let took = asked.elapsed();
            if now == wanted {
                return Ok(());
            }
            ensure!(now < wanted, "{query}: {now} is more than {wanted}");
            ensure!(began.elapsed() < PATIENCE, "{query}: {now} of {wanted} after {PATIENCE:?}");
            for program in programs.iter_mut() {
                program.still_runs()?;
            }
            // What it costs to look is taken from what is measured.
            tokio::time::sleep(LOOK_EVERY.max(took * LOOK_PART)).await;
        }
    }
}

async fn connect(url: &str, migrate: bool) -> anyhow::Result<Store> {
    let settings = StoreSettings { url: url.to_owned(), connections_max: 2, migrate };
    Ok(Store::connect(&settings).await?)
}
