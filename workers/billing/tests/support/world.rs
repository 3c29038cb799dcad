//! Where a test takes place: a virtual host and a database of its own, with the rows in it.
use std::{future::Future, process::Stdio, sync::Arc, time::Duration};

use billing::Config;
use referral::{
    broker::{Broker, Outgoing},
    clock::Clock,
    lifecycle::Context,
    metrics::Metrics,
    ops::Readiness,
    settings::Settings,
    store::{Param, Row, Rows, Store, rows::Kind},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
    Mariadb,
}

pub struct World {
    pub store: Store,
    pub database_url: String,
    pub amqp_url: String,
    pub name: String,
    directory: tempfile::TempDir,
}

/// A worker in this process.
pub struct Worker {
    pub context: Context,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Worker {
    /// As SIGTERM does.
    pub async fn stop(self) {
        self.context.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.running).await;
        ended.expect("stops in time").expect("no panic").expect("no error");
    }
}

/// What a test can see of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub state: String,
    pub attempts: i64,
    pub lease: Option<String>,
    pub next_attempt_us: i64,
    pub delivered: bool,
}

pub fn environment(name: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the tests' environment"
    )]
    let value = std::env::var(name);
    value.unwrap_or_else(|_| panic!("{name} is not set: run these tests through `make test`"))
}

impl World {
    pub async fn new(database: Database) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let settings = Settings::from_pairs([("LOG", "billing=debug,warn")]);
        referral::telemetry::start(&settings.log().unwrap()).unwrap();
        let name = format!("billing_{}", uuid::Uuid::now_v7().simple());
        let directory = tempfile::tempdir().unwrap();
        let database_url = match database {
            Database::Sqlite => {
                format!("sqlite://{}/test.db?mode=rwc", directory.path().display())
            }
            Database::Postgres => create_database("TEST_POSTGRES_URL", &name).await,
            Database::Mariadb => create_database("TEST_MARIADB_URL", &name).await,
        };
        let url = environment("TEST_AMQP_URL");
        let (server, _) = url.rsplit_once('/').expect("a virtual host");
        let amqp_url = format!("{server}/{name}");
        manage(reqwest::Method::PUT, &format!("vhosts/{name}"), "{}").await;
        let everything = r#"{"configure":".*","write":".*","read":".*"}"#;
        manage(reqwest::Method::PUT, &format!("permissions/{name}/guest"), everything).await;
        let store = Store::connect(&store_settings(&database_url, true)).await.unwrap();
        Self { store, database_url, amqp_url, name, directory }
    }

    /// The settings of a worker here, with these above the defaults.
    pub fn settings<'a>(&'a self, own: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut pairs = vec![
            ("AMQP_URL", self.amqp_url.as_str()),
            ("DATABASE_URL", self.database_url.as_str()),
            ("BILLING_RETRY_INITIAL", "200ms"),
        ];
        pairs.extend_from_slice(own);
        pairs
    }

    pub fn worker(&self, own: &[(&str, &str)]) -> Worker {
        let settings = Settings::from_pairs(self.settings(own));
        let config = Config::read(&settings).unwrap();
        let context = Context {
            shutdown: CancellationToken::new(),
            ready: Readiness::default(),
            metrics: Arc::new(Metrics::new("billing")),
        };
        let running = tokio::spawn(billing::run(config, context.clone()));
        Worker { context, running }
    }

    /// The program itself, to be killed.
    pub fn process(&self, own: &[(&str, &str)]) -> tokio::process::Child {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_billing"));
        command.env_clear().envs(self.settings(own)).current_dir(self.directory.path());
        command.env("LOG", "billing=debug,warn").kill_on_drop(true).stdin(Stdio::null());
        command.spawn().unwrap()
    }

    /// Inserts deliveries as the credits worker does; their ids, the oldest first.
    pub async fn deliveries(&self, n: usize) -> Vec<String> {
        self.deliveries_of("alice", n).await
    }

    /// The same of this credited user.
    pub async fn deliveries_of(&self, user: &str, n: usize) -> Vec<String> {
        const COLUMNS: &[(&str, Kind)] = &[
            ("id", Kind::Text),
            ("entry_id", Kind::Text),
            ("credited", Kind::Text),
            ("created_us", Kind::Int),
        ];
        const INSERT: &str = "
            INSERT INTO delivery (id, entry_id, domain_id, user_hash, kind, amount_minor, currency,
                program_id, program_name, user_indicator_hash, referred_user_hash, traceparent,
                created_us, state, attempts, next_attempt_us, lease_until_us)
            SELECT id, entry_id, 1, credited, 'signup_credit', 1000, 'USD', 1, 'Default', 'bob',
                'alice', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
                created_us, 'pending', 0, created_us, 0
            FROM {rows} WHERE true";
        let now = Clock::system().now().0;
        let ids: Vec<_> = (0..n).map(|_| uuid::Uuid::now_v7().to_string()).collect();
        let mut rows = Rows::new(COLUMNS);
        for (id, age_us) in ids.iter().zip((0..n as i64).rev()) {
            let entry_id = uuid::Uuid::now_v7().to_string();
            let now = now - age_us;
            rows.push([id.as_str().into(), entry_id.into(), user.into(), Param::from(now)]);
        }
        self.store.run(INSERT, Some(&rows), Vec::new()).await.unwrap();
        ids
    }

    /// Publishes a hint, or what should be one.
    pub async fn publish(&self, body: &str) {
        let stop = CancellationToken::new();
        let settings = Settings::from_pairs(self.settings(&[]));
        let publisher = Broker::new(settings.broker("test").unwrap()).publisher(stop.clone());
        eventually("published", || async {
            publisher.publish(Outgoing::work("billing", body)).await.is_ok()
        })
        .await;
        stop.cancel();
    }

    pub async fn hint(&self, ids: &[String]) {
        self.publish(&serde_json::json!({ "deliveries": ids }).to_string()).await;
    }

    pub async fn seen(&self, id: &str) -> Seen {
        let row = self.store.one("SELECT * FROM delivery WHERE id = {?}", vec![id.into()]);
        let row = row.await.unwrap().expect("a delivery");
        Seen {
            state: row.text("state").unwrap(),
            attempts: row.int("attempts").unwrap(),
            lease: row.text_or_null("lease").unwrap(),
            next_attempt_us: row.int("next_attempt_us").unwrap(),
            delivered: row.int_or_null("delivered_us").unwrap().is_some(),
        }
    }

    pub async fn attempts(&self, id: &str) -> Vec<Row> {
        let select = "SELECT * FROM attempt WHERE delivery_id = {?} ORDER BY number";
        self.store.all(select, None, vec![id.into()]).await.unwrap()
    }

    /// A number that a statement finds.
    pub async fn number(&self, select: &str) -> i64 {
        self.store.one(select, Vec::new()).await.unwrap().unwrap().int("n").unwrap()
    }

    /// The first attempt, as soon as it is recorded.
    pub async fn first_attempt(&self, id: &str) -> Row {
        eventually("attempted", || async { !self.attempts(id).await.is_empty() }).await;
        self.attempts(id).await.remove(0)
    }

    /// Takes deliveries away, so that nobody attempts them any more.
    pub async fn forget(&self, ids: &[String]) {
        for id in ids {
            let delete = "DELETE FROM delivery WHERE id = {?}";
            self.store.run(delete, None, vec![id.as_str().into()]).await.unwrap();
        }
    }

    pub async fn count(&self, state: &str) -> i64 {
        let select = "SELECT COUNT(*) AS n FROM delivery WHERE state = {?}";
        self.store.one(select, vec![state.into()]).await.unwrap().unwrap().int("n").unwrap()
    }

    pub async fn becomes(&self, id: &str, state: &str) -> Seen {
        eventually(state, || async { self.seen(id).await.state == state }).await;
        self.seen(id).await
    }

    /// The state, where the database answers.
    pub async fn state(&self, id: &str) -> Option<String> {
        let select = "SELECT state FROM delivery WHERE id = {?}";
        self.store.one(select, vec![id.into()]).await.ok()??.text("state").ok()
    }

    /// The server that the database is on, through another one.
    pub async fn server(&self) -> Store {
        let url = environment("TEST_POSTGRES_URL");
        Store::connect(&store_settings(&url, false)).await.unwrap()
    }

    /// Messages of a queue, those in hand included.
    pub async fn queued(&self, queue: &str) -> i64 {
        let path = format!("queues/{}/{queue}", self.name);
        let answer = manage(reqwest::Method::GET, &path, "").await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["messages"].as_i64().unwrap_or(-1)
    }

    /// Takes what waits in a queue: headers and bodies.
    pub async fn get(&self, queue: &str) -> Vec<serde_json::Value> {
        let path = format!("queues/{}/{queue}/get", self.name);
        let body = r#"{"count":100,"ackmode":"ack_requeue_true","encoding":"auto"}"#;
        let answer = manage(reqwest::Method::POST, &path, body).await;
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// Cleans up; a failed test leaves what it made to be looked at.
    pub async fn end(self) {
        manage(reqwest::Method::DELETE, &format!("vhosts/{}", self.name), "").await;
    }
}

fn store_settings(url: &str, migrate: bool) -> referral::store::StoreSettings {
    let url = url.to_owned();
    referral::store::StoreSettings { url, connections_max: 4, migrate }
}

async fn create_database(variable: &str, name: &str) -> String {
    let url = environment(variable);
    let server = Store::connect(&store_settings(&url, false)).await.unwrap();
    server.run(&format!("CREATE DATABASE {name}"), None, Vec::new()).await.unwrap();
    let (server, _) = url.rsplit_once('/').expect("a database");
    format!("{server}/{name}")
}

async fn manage(method: reqwest::Method, path: &str, body: &str) -> String {
    let url = format!("{}/api/{path}", environment("TEST_RABBITMQ_API"));
    let request = reqwest::Client::builder().no_proxy().build().unwrap().request(method, url);
    let request = request.header("content-type", "application/json").body(body.to_owned());
    request.send().await.unwrap().text().await.unwrap()
}

/// Waits until it is so, on a busy machine too; a test that passes never waits so long.
pub async fn eventually<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What is so after a while in which it had time to change.
pub async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}
