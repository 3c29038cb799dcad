//! What `/metrics` says of the ingress: requests, how full the queues are, how long clicks wait.
use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    response::Response,
};
use tokio::{sync::watch, time::Instant};
use tower::{Layer, Service};
use uuid::Uuid;

use super::{
    App, client,
    problem::{self, Dialect},
    spool::Spool,
};
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

/// The layer of all routes, the only one, as each costs every request some allocations: counts a request by its
/// route's template, never by its path; the span that it is, likewise; and has it answered and rendered.
#[derive(Clone)]
pub struct Observe(pub App);

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { app: self.0.clone(), inner }
    }
}

/// See [`Observe`].
#[derive(Clone)]
pub struct Observed<S> {
    app: App,
    inner: S,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let begun = Instant::now();
        let template = request.extensions().get::<MatchedPath>().cloned();
        let method = method(request.method());
        let mut span = match template.as_ref().map_or("", MatchedPath::as_str) {
            quiet if QUIET.contains(&quiet) => traces::Span::none(),
            template => traces::request(method, template, || client::trace(request.headers())),
        };
        if let Some(trace) = span.trace() {
            request.extensions_mut().insert(trace.clone());
        }
        let dialect = Dialect::of(request.uri().path());
        let answering = self.inner.call(request);
        let app = self.app.clone();
        Box::pin(async move {
            let response = problem::render(dialect, answering).await;
            let status = response.status().as_u16();
            span.answered(status);
            let template = template.as_ref().map_or("none", MatchedPath::as_str);
            count(&app.metrics, template, method, status, begun.elapsed());
            Ok(response)
        })
    }
}

fn count(metrics: &Metrics, route: &str, method: &'static str, status: u16, took: Duration) {
    let status = match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    let by_route = Route { route: route.to_owned() };
    metrics.request_seconds.get_or_create(&by_route).observe(took.as_secs_f64());
    metrics.requests.get_or_create(&Call { route: by_route.route, method, status }).inc();
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
    /// Since when each that has messages has had some at every look. Its oldest message is no older than that
    /// and [`depths::EVERY`](crate::broker::depths::EVERY): messages do not say how long they lie there.
    since: HashMap<&'static str, Micros>,
}

impl Queues {
    /// What was seen now; `None`: nothing, which says nothing of what lies there.
    fn saw(&mut self, depths: Option<&[Depth]>, now: Micros) {
        self.asked += 1;
        self.depths = depths.unwrap_or_default().to_vec();
        for depth in &self.depths {
            if depth.ready == 0 {
                self.since.remove(depth.queue);
            } else {
                self.since.entry(depth.queue).or_insert(now);
            }
        }
    }

    /// Since when this queue has had messages; `None` where it has none.
    pub fn since(&self, queue: &str) -> Option<Micros> {
        self.since.get(queue).copied()
    }
}

/// Shows how full the queues are, for as long as it is polled.
pub async fn queues(
    broker: &Broker,
    clock: &Clock,
    metrics: &Metrics,
    seen: &watch::Sender<Queues>,
) -> Infallible {
    let forever = tokio_util::sync::CancellationToken::new();
    // A refusal is for who publishes to say; then nothing is known of the queues.
    let see = |depths: Option<&[Depth]>| {
        metrics.show_depths(depths);
        seen.send_modify(|seen| seen.saw(depths, clock.now()));
    };
    drop(broker.watch_depths(&forever, see).await);
    std::future::pending().await
}

/// Shows how long the oldest click waits, for as long as it is polled.
pub async fn spool(spool: &Spool, clock: &Clock, metrics: &Metrics) -> Infallible {
    loop {
        let oldest = spool.oldest().await.and_then(|id| Uuid::try_parse(&id).ok());
        let oldest = oldest.and_then(|id| Micros::of_uuid(&id));
        let waited = oldest.map_or(0, |made| clock.now().0.saturating_sub(made.0).max(0));
        metrics.spool_oldest_seconds.set(waited as f64 / 1e6);
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_had_messages_since_it_was_last_seen_empty() {
        let mut seen = Queues::default();
        let at = |ready| [Depth { queue: "a", ready, consumers: 1 }];
        let cases = [
            ("empty", Some(0), None),
            ("one", Some(1), Some(2)),
            ("more", Some(3), Some(2)),
            ("nobody knows", None, Some(2)),
            ("back, and still some", Some(1), Some(2)),
            ("empty again", Some(0), None),
            ("one more", Some(1), Some(7)),
        ];
        for (number, (name, ready, since)) in (1..).zip(cases) {
            let depths = ready.map(at);
            seen.saw(depths.as_ref().map(|depths| &depths[..]), Micros(number));
            assert_eq!(seen.since("a"), since.map(Micros), "{name}");
            assert_eq!(seen.depths.is_empty(), ready.is_none(), "{name}");
        }
        assert_eq!(seen.asked, 7);
    }
}
