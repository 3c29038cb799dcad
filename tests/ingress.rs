//! The ingress over real HTTP, on a real broker and SQLite: contracts 2 and 5.
//!
//! The ingress runs in this process; where an answer needs the credits worker, that is the real one.
//! What other programs write is put into their tables directly. `conform` checks every answer against
//! the OpenAPI document.
mod access;
mod adminzone;
mod adminzone_page;
mod adminzone_password;
mod adminzone_sessions;
mod conform;
mod document;
mod exports;
mod generates;
mod hostile;
mod indications;
mod landing;
mod link;
mod matrix;
mod page;
mod partner;
mod partner_lists;
mod programmes;
mod rates;
mod records;
mod refusals;
mod register;
mod same_answer;
mod slashes;
mod spool;
mod terms;
mod today;
mod tokens;
mod totp;
mod umi;
mod umi_prices;
mod zone;

use std::{sync::Arc, time::Duration};

use referral::{
    broker::{Broker, Publisher},
    clock::Clock,
    credentials,
    domain::Micros,
    ingress::{self, spool::Spool},
    lifecycle::Context,
    metrics::Metrics,
    ops::Readiness,
    settings::Settings,
    store::{
        Param, Store,
        access::{NewToken, create_token, login},
        spool::SpoolFile,
        tenants,
    },
    worker,
};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::environment;

/// Far more than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Noon of a day, in Moscow and UTC alike.
const NOON: &str = "2024-07-29T09:00:00Z";

/// An ingress of one test, with a database and a virtual host of its own.
struct House {
    base: String,
    /// A token of the domain `shop`: Moscow time, RUB.
    key: String,
    /// A token of another domain.
    stranger: String,
    store: Store,
    clock: Clock,
    settings: Settings,
    broker: Broker,
    vhost: Option<String>,
    shutdown: CancellationToken,
    publisher: Publisher,
    spool: Spool,
    spool_file: SpoolFile,
    metrics: Arc<Metrics>,
    #[expect(dead_code, reason = "removed with the house")]
    directory: tempfile::TempDir,
}

/// An answer: status, body, and the rest.
struct Answer {
    status: u16,
    text: String,
    headers: reqwest::header::HeaderMap,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn client() -> reqwest::Client {
    // Fails only where another test was first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl House {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let name = format!("test-{}", Uuid::new_v4());
        let vhost = format!("{}/api/vhosts/{name}", environment::rabbitmq_api());
        assert!(client().put(&vhost).send().await.unwrap().status().is_success());
        let amqp = environment::amqp_url();
        let (server, _) = amqp.rsplit_once('/').unwrap();
        let mut house = Self::at(&format!("{server}/{name}"), settings).await;
        house.vhost = Some(vhost);
        until("the publisher is connected", async || house.publisher.is_ready()).await;
        house
    }

    /// With whatever broker is, or is not, at this address.
    async fn at(amqp: &str, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/t.db?mode=rwc", directory.path().display());
        let spool = directory.path().join("spool.db").display().to_string();
        let own = [
            ("AMQP_URL", amqp),
            ("DATABASE_URL", &database),
            ("SPOOL_PATH", &spool),
            ("PUBLIC_URL", "http://h"),
            // So that on a slow machine only those clicks go to the spool that should.
            ("CLICK_CONFIRM", "30s"),
        ];
        let settings = Settings::from_pairs(own.into_iter().chain(settings.iter().copied()));
        let store = Store::connect(&settings.store().unwrap()).await.unwrap();
        let clock = Clock::fixed(Micros::parse(NOON).unwrap());
        let broker_settings = settings.broker("test").unwrap();
        let broker = Broker::new(broker_settings.clone());
        let shutdown = CancellationToken::new();
        let publisher = broker.publisher(shutdown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own, metrics) = (settings.ingress().unwrap(), Arc::new(Metrics::new("ingress")));
        let spool_file = SpoolFile::open(&own.spool_path).await.unwrap();
        let spool = Spool::start(
            spool_file.clone(),
            ingress::spool_settings(&own, broker_settings.max_message),
            publisher.clone(),
            metrics.clone(),
            shutdown.clone(),
        );
        let spool = spool.await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let parts = ingress::Parts {
            settings: own,
            publish_timeout: broker_settings.publish_timeout,
            message_bytes_max: broker_settings.max_message,
            store: store.clone(),
            publisher: publisher.clone(),
            broker: broker.clone(),
            queues: tokio::sync::watch::channel(ingress::observe::Queues::default()).1,
            spool: spool.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        tokio::spawn(ingress::run(listener, parts, shutdown.clone()));
        let (zone, currency) = ("Europe/Moscow".parse().unwrap(), "RUB");
        let currency = referral::domain::Currency::parse(currency).unwrap();
        for name in ["shop", "other"] {
            tenants::create_domain(&store, name, zone, currency, Micros(0)).await.unwrap();
        }
        let key = token(&store, "shop", &clock).await;
        let stranger = token(&store, "other", &clock).await;
        let vhost = None;
        Self {
            base,
            key,
            stranger,
            store,
            clock,
            settings,
            broker,
            vhost,
            shutdown,
            publisher,
            spool,
            spool_file,
            metrics,
            directory,
        }
    }

    /// The real credits worker, until the test is over.
    fn credits(&self) {
        let context = Context {
            shutdown: self.shutdown.clone(),
            ready: Readiness::default(),
            metrics: Arc::new(Metrics::new("credits")),
        };
        let setup = worker::Setup::read("credits")(&self.settings).unwrap();
        // Its future stays on one thread, so it gets one.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let tools = setup.tools(context).await.unwrap().unwrap();
                let credits = credits::Credits::new(tools.store.clone(), Clock::system());
                worker::run(&credits, &tools).await.unwrap();
            });
        });
    }

    async fn call(&self, method: Method, path: &str, body: &str) -> Answer {
        self.call_as(&self.key, method, path, body).await
    }

    /// A body that begins with `{` or `[` is JSON, any other a form.
    async fn call_as(&self, key: &str, method: Method, path: &str, body: &str) -> Answer {
        let url = format!("{}{path}", self.base);
        let request = client().request(method.clone(), url);
        // The client's pages know their callers by a cookie.
        let mut request = if path.starts_with("/adminzone") {
            request.header("cookie", format!("adminzone={key}"))
        } else {
            request.bearer_auth(key)
        };
        if !body.is_empty() {
            let form = "application/x-www-form-urlencoded";
            let kind = if body.starts_with(['{', '[']) { "application/json" } else { form };
            request = request.header("content-type", kind).body(body.to_owned());
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        conform::check(method.as_str(), path, &answer);
        answer
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, "").await
    }

    async fn sql(&self, statement: &str, params: Vec<Param<'_>>) {
        self.store.run(statement, None, params).await.unwrap();
    }

    async fn domain_id(&self, name: &str) -> i64 {
        tenants::domain(&self.store, name).await.unwrap().unwrap().id
    }

    /// A settled, unreferred user of the domain `shop`.
    async fn user(&self, hash: &str, code: &str, email: Option<&str>) {
        let domain_id = self.domain_id("shop").await;
        const ACCOUNT: &str = "INSERT INTO account (domain_id, user_hash, code, email, email_key, \
            settled_us, source, event_id, ctime_us) VALUES ({?}, {?}, {?}, {?}, {?}, 1, '/t', {?}, 1)";
        let id = format!("event-of-{hash}");
        let (hash, code) = (Param::from(hash), Param::from(code));
        let params =
            vec![domain_id.into(), hash.clone(), code, email.into(), email.into(), id.into()];
        self.sql(ACCOUNT, params).await;
        if email.is_some() {
            const EMAIL: &str = "INSERT INTO account_email (domain_id, email_key, user_hash) VALUES ({?}, {?}, {?})";
            self.sql(EMAIL, vec![domain_id.into(), email.into(), hash]).await;
        }
    }

    /// How many messages come to this queue within a moment, and the events in them.
    async fn taken(&self, queue: &str, events: usize) -> (usize, Vec<Value>) {
        let shutdown = CancellationToken::new();
        let mut session = self.broker.consume(queue, 1000, &shutdown).await.unwrap().unwrap();
        let (mut messages, mut found) = (0, Vec::new());
        let wait =
            |found: usize| if found < events { PATIENCE } else { Duration::from_millis(200) };
        while let Ok(message) = tokio::time::timeout(wait(found.len()), session.next()).await {
            let body: Value = serde_json::from_slice(&message.unwrap().body).unwrap();
            messages += 1;
            match body {
                Value::Array(batch) => found.extend(batch),
                event => found.push(event),
            }
        }
        (messages, found)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let Some(vhost) = self.vhost.take() else { return };
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|r| r.block_on(async { client().delete(vhost).send().await }))
        });
        drop(removing.join());
    }
}

/// A token of an administrator `anna` whose password is `open sesame`.
async fn token(store: &Store, domain: &str, clock: &Clock) -> String {
    let domain_id = tenants::domain(store, domain).await.unwrap().unwrap().id;
    let hash = credentials::hash_password("open sesame").unwrap();
    tenants::create_administrator(store, domain_id, "anna", &hash, Micros(0)).await.unwrap();
    let key = credentials::new_key().unwrap();
    let token = NewToken {
        id: &Uuid::new_v4().to_string(),
        administrator_id: login(store, domain, "anna").await.unwrap().unwrap().administrator_id,
        key_hash: &credentials::key_hash(&key),
        device_info: "",
        ip_address: "",
        now: clock.now(),
        expires: clock.now().plus_ms(86_400_000),
    };
    create_token(store, &token).await.unwrap();
    key
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never: {what}");
}
