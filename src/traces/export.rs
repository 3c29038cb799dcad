//! The spans' way out: the SDK's batch processor, with its own thread and a bounded queue, and OTLP
//! over HTTP by the one HTTP client of the house.
//!
//! Requests run on the program's runtime; the processor's thread waits for them. Refuses to repeat
//! anything: what could not be exported is lost, and the log says so once a minute at most.
use std::{
    error::Error as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData},
};
use reqwest::Client;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::context::Following;
use crate::{calls, settings::TraceSettings};

/// Spans that wait to be exported; more are dropped. A whole batch of workers, three times.
const QUEUE_MAX: usize = 16_384;
/// For one export.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that is read of an answer.
const READ_MAX_BYTES: usize = 64 * 1024;
/// How often the log says that nobody takes the spans.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Most events that a batch's span is linked to.
pub const LINKS_MAX: usize = 128;

/// Connects nowhere yet.
pub fn provider(settings: &TraceSettings, runtime: &Handle) -> anyhow::Result<SdkTracerProvider> {
    let protocol = if settings.json { Protocol::HttpJson } else { Protocol::HttpBinary };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Http { client: client(settings)?, runtime: runtime.clone() })
        .with_endpoint(&settings.endpoint)
        .with_protocol(protocol)
        .with_timeout(TIMEOUT)
        .with_headers(settings.headers.iter().cloned().collect())
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    let watched = Watched { exporter, lost: Mutex::default() };
    let batches = BatchConfigBuilder::default().with_max_queue_size(QUEUE_MAX).build();
    let processor = BatchSpanProcessor::builder(watched).with_batch_config(batches).build();
    let resource = Resource::builder()
        .with_attributes([
            KeyValue::new("service.namespace", "referral"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
        ])
        .with_service_name(settings.service.clone())
        .build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(Following { ratio: settings.ratio })
        .with_max_links_per_span(LINKS_MAX as u32)
        .with_resource(resource)
        .build())
}

fn client(settings: &TraceSettings) -> reqwest::Result<Client> {
    calls::client("referral", settings.endpoint.starts_with("https:"))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .pool_max_idle_per_host(1)
        .build()
}

/// Sends what the exporter has made.
#[derive(Debug)]
struct Http {
    client: Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sending = send(self.client.clone(), request);
        // The thread that waits here has no runtime of its own.
        self.runtime.spawn(sending).await?
    }
}

async fn send(client: Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let told = |error: reqwest::Error| {
        let error = error.without_url();
        tracing::debug!(%error, cause = error.source(), "traces could not be exported");
        error
    };
    let mut answer = client.execute(request.try_into()?).await.map_err(told)?;
    let mut body = Vec::new();
    while body.len() < READ_MAX_BYTES
        && let Some(chunk) = answer.chunk().await.map_err(told)?
    {
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    Ok(response)
}

/// An exporter whose failures are told, seldom.
#[derive(Debug)]
struct Watched {
    exporter: SpanExporter,
    lost: Mutex<Lost>,
}

/// What could not be exported.
#[derive(Debug, Default)]
struct Lost {
    /// Since it was told of.
    spans: usize,
    /// When that was; none: the last export was taken.
    told: Option<Instant>,
}

impl Watched {
    fn note(&self, spans: usize, result: &OTelSdkResult) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                if lost.told.take().is_some() {
                    tracing::info!(lost = lost.spans, "traces are exported again");
                }
                lost.spans = 0;
            }
            Err(error) => {
                lost.spans += spans;
                if lost.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                    tracing::warn!(lost = lost.spans, %error, "traces cannot be exported");
                    *lost = Lost { spans: 0, told: Some(Instant::now()) };
                }
            }
        }
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        self.note(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
