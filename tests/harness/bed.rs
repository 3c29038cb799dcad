//! A test's bed: a virtual host and a database of its own on the real servers, the programs it
//! starts, a publisher, and a look at the state. All of it is gone when the test is over.
use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use referral::{
    broker::{Broker, BrokerSettings, Outgoing, Publisher, topology},
    store::{Store, StoreSettings},
};
use tokio_util::sync::CancellationToken;

use super::{
    Database, environment,
    eventually::eventually,
    management::VirtualHost,
    program::{Plan, short_id},
};

/// The workers that take events, and their queues.
const WORKERS: [&str; 2] = ["daily-records", "credits"];
const QUEUES: [&str; 2] = [topology::DAILY_RECORDS, topology::CREDITS];
/// How long the workers may take for everything that a test publishes.
const DRAINED_WITHIN: Duration = Duration::from_secs(180);

/// Where the servers are that a bed stands on.
#[derive(Debug, Clone)]
pub struct Servers {
    /// The broker, any virtual host; all nodes of a cluster, with commas between them.
    pub amqp: String,
    /// Its management interface, or theirs.
    pub api: String,
    /// The database server; none for SQLite.
    pub database: Option<String>,
}

impl Servers {
    /// Those that `make test` started for all tests.
    pub fn shared(database: Database) -> Self {
        Self {
            amqp: environment::amqp_url(),
            api: environment::rabbitmq_api(),
            database: database.server(),
        }
    }
}

/// See the module.
pub struct Bed {
    /// Which database it stands on.
    pub database: Database,
    /// Publishes as an upstream system would.
    pub publisher: Publisher,
    /// Reads the state.
    pub store: Store,
    /// Looks into queues.
    pub broker: VirtualHost,
    /// `AMQP_URL` of its virtual host.
    pub amqp_url: String,
    /// `DATABASE_URL`.
    pub database_url: String,
    directory: tempfile::TempDir,
    logs: Mutex<Vec<PathBuf>>,
    name: String,
    server: Option<String>,
    over: CancellationToken,
    servers: Servers,
    strangers: Mutex<Vec<Arc<Bed>>>,
}

/// Runs one test on a bed on `database`, and cleans up whatever becomes of it. The logs of its
/// programs are shown when it fails.
pub fn run<F: Future<Output = ()>>(database: Database, test: impl FnOnce(Arc<Bed>) -> F) {
    run_on(database, || Servers::shared(database), test);
}

/// The same on other servers.
pub fn run_on<F: Future<Output = ()>>(
    database: Database,
    servers: impl FnOnce() -> Servers,
    test: impl FnOnce(Arc<Bed>) -> F,
) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let bed = Arc::new(Bed::new(database, &servers()).await);
        let done = AssertUnwindSafe(test(bed.clone())).catch_unwind().await;
        if done.is_err() {
            bed.show_logs();
        }
        bed.clear().await;
        if let Err(panic) = done {
            resume_unwind(panic);
        }
    });
}

impl Bed {
    /// Makes virtual host, database and tables.
    pub async fn new(database: Database, servers: &Servers) -> Self {
        let name = format!("t-{}-{}", std::process::id(), short_id());
        let directory = tempfile::tempdir().expect("a directory");
        let broker = VirtualHost::create(&servers.api, &name).await;
        let amqp_url = with_virtual_host(&servers.amqp, &name);
        let server = servers.database.clone();
        let database_url = database.create(server.as_deref(), &name, directory.path()).await;
        let settings =
            StoreSettings { url: database_url.clone(), connections_max: 3, migrate: true };
        let store = Store::connect(&settings).await.expect("a database");
        let over = CancellationToken::new();
        let way = Broker::new(BrokerSettings::new(&amqp_url, "tests"));
        // All queues are there before anybody can be stopped: RabbitMQ 3.10 to 3.13 loses the
        // supervisor of its dead-lettering, and with it every later queue of the node, when a
        // virtual host is deleted at the moment in which one of its queues is being made.
        assert!(way.declare(&over).await.expect("the topology"), "declared");
        let publisher = way.publisher(over.clone());
        let logs = Mutex::default();
        Self {
            database,
            publisher,
            store,
            broker,
            amqp_url,
            database_url,
            directory,
            logs,
            name,
            server,
            over,
            servers: servers.clone(),
            strangers: Mutex::default(),
        }
    }

    /// Another bed that knows nothing of this one, gone when this one is.
    pub async fn stranger(&self) -> Arc<Self> {
        let stranger = Arc::new(Self::new(self.database, &self.servers).await);
        self.strangers.lock().expect("strangers").push(stranger.clone());
        stranger
    }

    /// Its virtual host's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A program with the addresses of this bed.
    pub fn plan(&self, name: &str) -> Plan {
        Plan::new(name, self.directory.path().to_owned())
            .set("AMQP_URL", &self.amqp_url)
            .set("DATABASE_URL", &self.database_url)
    }

    /// Starts a program and waits until it is ready.
    pub async fn start(&self, name: &str) -> super::Program {
        self.start_planned(self.plan(name)).await
    }

    /// Starts a program that was set up in the test, and remembers its log.
    pub async fn start_planned(&self, plan: Plan) -> super::Program {
        let program = self.spawn(plan);
        program.ready().await;
        program
    }

    /// The same without waiting for it.
    pub fn spawn(&self, plan: Plan) -> super::Program {
        let program = plan.spawn();
        self.logs.lock().expect("logs").push(program.log().clone());
        program
    }

    /// Runs a command of the operator, `referral ARGUMENTS`; what it printed. It must succeed.
    pub async fn referral(&self, arguments: &[&str], input: &str) -> String {
        let told = self.operate(arguments, &[], input).await;
        assert_eq!(told.code, Some(0), "referral {arguments:?}: {}", told.errors);
        told.output
    }

    /// The same with these settings on top, whatever comes of it.
    pub async fn operate(
        &self,
        arguments: &[&str],
        settings: &[(&str, &str)],
        input: &str,
    ) -> super::Told {
        let mut command = tokio::process::Command::new(environment::program("referral"));
        command.args(arguments).env_clear().current_dir(self.directory.path()).kill_on_drop(true);
        command.env("AMQP_URL", &self.amqp_url).env("DATABASE_URL", &self.database_url);
        command.envs(settings.iter().copied());
        super::Told::of(command, input).await
    }

    /// Publishes all, in order, and expects the broker's confirm of each.
    pub async fn publish(&self, messages: Vec<Outgoing>) {
        for result in self.publisher.publish_all(messages).await {
            result.expect("confirmed");
        }
    }

    /// Starts as many of both workers, with these settings on top.
    pub async fn start_workers(
        &self,
        each: usize,
        settings: &[(&str, &str)],
    ) -> Vec<super::Program> {
        let plans = WORKERS.iter().cycle().take(each * WORKERS.len()).map(|name| {
            let plan = self.plan(name);
            settings.iter().fold(plan, |plan, (name, value)| plan.set(name, value))
        });
        let programs: Vec<_> = plans.map(|plan| self.spawn(plan)).collect();
        for program in &programs {
            program.ready().await;
        }
        programs
    }

    /// Waits until everything published is done, and stops the programs with SIGTERM. Afterwards
    /// nothing is under way any more, so that what is there now is the end.
    pub async fn drain(&self, mut programs: Vec<super::Program>) {
        let end = Instant::now() + DRAINED_WITHIN;
        loop {
            for queue in QUEUES {
                eventually(&format!("{queue} is done"), DRAINED_WITHIN, async || {
                    match self.broker.counted(queue).await? {
                        0 => Ok(()),
                        left => Err(format!("{left} messages are left")),
                    }
                })
                .await;
            }
            for program in &mut programs {
                program.stop().await;
            }
            // The count may have been an old one: only a queue without consumers can be looked into.
            let mut empty = true;
            for queue in QUEUES {
                empty &= self.broker.is_empty(queue).await;
            }
            if empty {
                return;
            }
            assert!(Instant::now() < end, "the queues were not done within {DRAINED_WITHIN:?}");
            for program in &mut programs {
                program.start_again();
            }
            for program in &programs {
                program.ready().await;
            }
        }
    }

    /// How many sessions of the database's server wait for somebody else's lock.
    pub async fn waiting_for_locks(&self) -> Result<i64, String> {
        let waiting = if self.database == Database::Postgres {
            "SELECT COUNT(*) AS n FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
             WHERE NOT l.granted AND a.datname = current_database()"
        } else {
            // A statement that takes so long waits. (`innodb_trx` would do, but is not renewed while it is read often.)
            "SELECT COUNT(*) AS n FROM information_schema.processlist \
             WHERE command IN ('Query', 'Execute') AND db = DATABASE() \
             AND id <> CONNECTION_ID() AND time_ms > 300"
        };
        let row = self.store.one(waiting, Vec::new()).await.map_err(|error| error.to_string())?;
        row.expect("a row").int("n").map_err(|error| error.to_string())
    }

    /// Another database on the same server, still without tables; its address.
    pub async fn another_database(&self) -> String {
        let directory = self.directory.path().join("other");
        std::fs::create_dir(&directory).expect("a directory");
        self.database.create(self.server.as_deref(), &self.other_name(), &directory).await
    }

    /// Removes it again.
    pub async fn remove_other_database(&self) {
        self.database.remove(self.server.as_deref(), &self.other_name()).await;
    }

    fn other_name(&self) -> String {
        format!("{}-other", self.name)
    }

    fn strangers(&self) -> Vec<Arc<Self>> {
        self.strangers.lock().expect("strangers").clone()
    }

    fn show_logs(&self) {
        self.strangers().iter().for_each(|stranger| stranger.show_logs());
        for log in &*self.logs.lock().expect("logs") {
            let text = std::fs::read(log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let last = lines.len().saturating_sub(60);
            let name = log.file_name().unwrap_or_default().to_string_lossy().into_owned();
            eprintln!("---- {name}, the last of {} lines ----", lines.len());
            eprintln!("{}", lines[last..].join("\n"));
        }
    }

    async fn clear(&self) {
        for stranger in self.strangers() {
            Box::pin(stranger.clear()).await;
        }
        self.over.cancel();
        self.publisher.ended().await;
        self.store.connection().clone().close().await.expect("closed");
        self.broker.delete().await;
        self.database.remove(self.server.as_deref(), &self.name).await;
    }
}

fn with_virtual_host(amqp: &str, name: &str) -> String {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let own = |node: &str| {
        let (server, _) = node.rsplit_once('/').expect("an AMQP URL with a virtual host");
        format!("{server}/{name}")
    };
    amqp.split(',').map(own).collect::<Vec<_>>().join(",")
}
