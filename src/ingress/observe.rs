//! What `/metrics` says of the ingress: requests, how full the queues are, how long clicks wait.
use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

use super::{App, client, spool::Spool};
use crate::{
    broker::{Broker, Depth},
    clock::Clock,
    domain::Micros,
    metrics::{Call, Metrics, Route},
    traces,
};

/// How often the spool is looked into.
const EVERY: Duration = Duration::from_secs(5);

/// What is of no trace: assets, and what an open page is told.
const QUIET: [&str; 3] = ["/dashboard/assets/{name}", "/dashboard/live", "/swagger/{file}"];

/// Counts a request by its route's template, never by its path; the span that it is, likewise.
pub async fn request(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let template = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let route = if template.is_empty() { "none" } else { template }.to_owned();
    let method = method(request.method());
    let begun = Instant::now();
    let mut span = if QUIET.contains(&template) {
        traces::Span::none()
    } else {
        traces::request(method, template, || client::trace(request.headers()))
    };
    if let Some(trace) = span.trace() {
        request.extensions_mut().insert(trace.clone());
    }
    let response = next.run(request).await;
    span.answered(response.status().as_u16());
    let seconds = begun.elapsed().as_secs_f64();
    let status = match response.status().as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    let metrics = &app.metrics;
    let by_route = Route { route: route.clone() };
    metrics.request_seconds.get_or_create(&by_route).observe(seconds);
    metrics.requests.get_or_create(&Call { route, method, status }).inc();
    response
}

/// Strangers may make up methods.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// How full the queues were when the broker was last asked; none of it while it is away.
#[derive(Debug, Clone, Default)]
pub struct Queues {
    /// How often it was asked by then.
    pub asked: u64,
    /// Each.
    pub depths: Vec<Depth>,
}

/// Shows how full the queues are, for as long as it is polled.
pub async fn queues(
    broker: &Broker,
    metrics: &Metrics,
    seen: &watch::Sender<Queues>,
) -> std::convert::Infallible {
    let forever = tokio_util::sync::CancellationToken::new();
    // A refusal is for who publishes to say; then nothing is known of the queues.
    let see = |depths: Option<&[Depth]>| {
        metrics.show_depths(depths);
        seen.send_modify(|seen| {
            seen.asked += 1;
            seen.depths = depths.unwrap_or_default().to_vec();
        });
    };
    drop(broker.watch_depths(&forever, see).await);
    std::future::pending().await
}

/// Shows how long the oldest click waits, for as long as it is polled.
pub async fn spool(spool: &Spool, clock: &Clock, metrics: &Metrics) -> std::convert::Infallible {
    loop {
        let oldest = spool.oldest().await.and_then(|id| Uuid::try_parse(&id).ok());
        let oldest = oldest.and_then(|id| Micros::of_uuid(&id));
        let waited = oldest.map_or(0, |made| clock.now().0.saturating_sub(made.0).max(0));
        metrics.spool_oldest_seconds.set(waited as f64 / 1e6);
        tokio::time::sleep(EVERY).await;
    }
}
