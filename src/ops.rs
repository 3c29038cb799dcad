//! The operations address of every program: `GET /live`, `/ready`, `/metrics` (contract 7).
use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Bytes, header::CONTENT_TYPE, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// How long a client may take to send its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a program needs to be of use, each part ready or not.
#[derive(Clone, Default)]
pub struct Readiness {
    parts: Arc<Mutex<BTreeMap<&'static str, bool>>>,
}

impl Readiness {
    /// Says of one part, `broker` or `database`, whether it is there.
    pub fn set(&self, part: &'static str, ready: bool) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(part, ready);
    }

    fn show(&self, metrics: &Metrics) {
        for (part, ready) in &*self.parts.lock().unwrap_or_else(PoisonError::into_inner) {
            metrics.show_ready(part, *ready);
        }
    }

    /// Parts that are missing; `None` while nothing has been said at all.
    fn missing(&self) -> Option<Vec<&'static str>> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = parts.iter().filter(|(_, ready)| !**ready).map(|(part, _)| *part);
        (!parts.is_empty()).then(|| missing.collect())
    }
}

/// Listens at `address` and answers in the background for as long as the process lives.
pub async fn serve(
    address: SocketAddr,
    ready: Readiness,
    metrics: Arc<Metrics>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!("OPS_ADDR: cannot listen at {address}: {error}"))?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors: the next try may do better.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (ready, metrics) = (ready.clone(), metrics.clone());
            let service = service_fn(move |request| {
                let answer = answer(&request, &ready, &metrics);
                async move { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(async move {
                let served = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = served.await {
                    tracing::debug!(%error, "operations connection");
                }
            });
        }
    });
    Ok(())
}

fn answer<B>(request: &Request<B>, ready: &Readiness, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/live") => (StatusCode::OK, "text/plain", "live\n".to_owned()),
        (&Method::GET, "/ready") => match ready.missing() {
            Some(missing) if missing.is_empty() => {
                (StatusCode::OK, "text/plain", "ready\n".to_owned())
            }
            Some(missing) => {
                let body = format!("waiting for: {}\n", missing.join(", "));
                (StatusCode::SERVICE_UNAVAILABLE, "text/plain", body)
            }
            None => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", "starting\n".to_owned()),
        },
        (&Method::GET, "/metrics") => {
            ready.show(metrics);
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, kind, metrics.text())
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", "not found\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
