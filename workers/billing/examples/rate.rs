//! Deliveries per second, signed and with durable outcome, beside a bare reqwest loop to the same
//! sink (goal P6). Needs `DATABASE_URL` (an empty PostgreSQL database) and `AMQP_URL`; ratios of
//! one run count, not rates.
//!
//! `cargo run --release -p billing --example rate -- DELIVERIES PAIRS`
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use billing::Config;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use referral::{
    broker::{Broker, Outgoing},
    clock::Clock,
    lifecycle::Context,
    metrics::Metrics,
    ops::Readiness,
    settings::Settings,
    store::{Param, Rows, Store, rows::Kind},
};
use tokio_util::sync::CancellationToken;

const CONCURRENCY: usize = 64;
const HINT_IDS: usize = 500;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse());
    let deliveries: usize = numbers.next().transpose()?.unwrap_or(20_000);
    let pairs: usize = numbers.next().transpose()?.unwrap_or(5);
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = Settings::from_environment()?;
    let store = Store::connect(&settings.store()?).await?;
    let address = sink().await?;
    for _ in 0..pairs {
        let bare = bare(address, deliveries).await?;
        let [hinted, swept] = [
            worker(&store, address, deliveries, true).await?,
            worker(&store, address, deliveries, false).await?,
        ];
        println!(
            "bare {bare:.0}/s  hinted {hinted:.0}/s ({:.2})  swept {swept:.0}/s ({:.2})",
            hinted / bare,
            swept / bare
        );
    }
    Ok(())
}

async fn sink() -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(|request: Request<Incoming>| async {
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer),
            );
        }
    });
    Ok(address)
}

async fn bare(address: SocketAddr, n: usize) -> anyhow::Result<f64> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let url = format!("http://{address}/credit/alice");
    let began = Instant::now();
    let body = "amount=10.00&program_name=Default&user_indicator_hash=bob";
    let all = stream::iter(0..n).map(|_| {
        let request = client.post(&url).body(body);
        async move { request.send().await?.bytes().await }
    });
    // As many tasks as the worker has, so that every core takes part.
    let sent = all.map(tokio::spawn).buffer_unordered(CONCURRENCY);
    sent.for_each(|_| async {}).await;
    Ok(n as f64 / began.elapsed().as_secs_f64())
}

async fn worker(store: &Store, address: SocketAddr, n: usize, hinted: bool) -> anyhow::Result<f64> {
    let given = Settings::from_environment()?;
    let (amqp, database) = (given.text("AMQP_URL")?, given.text("DATABASE_URL")?);
    let endpoint = format!("http://{address}/credit");
    let settings = Settings::from_pairs([
        ("AMQP_URL", amqp.as_deref().unwrap_or_default()),
        ("DATABASE_URL", database.as_deref().unwrap_or_default()),
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", endpoint.as_str()),
        ("WEBHOOK_SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ]);
    let ids = insert(store, n).await?;
    if hinted {
        let stop = CancellationToken::new();
        let broker = Broker::new(settings.broker("rate")?);
        broker.declare(&stop).await?;
        let publisher = broker.publisher(stop.clone());
        for some in ids.chunks(HINT_IDS) {
            let body = serde_json::json!({ "deliveries": some }).to_string();
            while publisher.publish(Outgoing::work("billing", body.clone())).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        stop.cancel();
    }
    let context = Context {
        shutdown: CancellationToken::new(),
        ready: Readiness::default(),
        metrics: Arc::new(Metrics::new("rate")),
    };
    let began = Instant::now();
    let running = tokio::spawn(billing::run(Config::read(&settings)?, context.clone()));
    let left = "SELECT COUNT(*) AS n FROM delivery WHERE state = 'pending'";
    let mut done = 0;
    while done < n as u64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let result = referral::metrics::ResultLabel { result: "delivered" };
        done = context.metrics.attempts.get_or_create(&result).get();
    }
    let rate = n as f64 / began.elapsed().as_secs_f64();
    let left = store.one(left, Vec::new()).await?.map(|row| row.int("n")).transpose()?;
    anyhow::ensure!(left == Some(0), "{left:?} are left");
    context.shutdown.cancel();
    running.await??;
    Ok(rate)
}

async fn insert(store: &Store, n: usize) -> anyhow::Result<Vec<String>> {
    const COLUMNS: &[(&str, Kind)] = &[("id", Kind::Text), ("created_us", Kind::Int)];
    const INSERT: &str = "
        INSERT INTO delivery (id, entry_id, domain_id, user_hash, kind, amount_minor, currency,
            program_id, program_name, user_indicator_hash, referred_user_hash, created_us, state,
            attempts, next_attempt_us, lease_until_us)
        SELECT id, id, 1, 'alice', 'signup_credit', 1000, 'USD', 1, 'Default', 'bob', 'alice',
            created_us, 'pending', 0, created_us, 0
        FROM {rows} WHERE true";
    let now = Clock::system().now().0;
    let ids: Vec<_> = (0..n).map(|_| uuid::Uuid::now_v7().to_string()).collect();
    for some in ids.chunks(5000) {
        let mut rows = Rows::new(COLUMNS);
        for id in some {
            rows.push([Param::from(id.as_str()), Param::from(now)]);
        }
        store.run(INSERT, Some(&rows), Vec::new()).await?;
    }
    Ok(ids)
}
