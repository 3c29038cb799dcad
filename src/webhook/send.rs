//! One exchange (contract 6): the only module that knows reqwest, but for the remote RCP's client and the traces' way out.
//!
//! Owns the connections, the headers, the deadline and how much of an answer is read. Refuses to
//! follow redirects, to use a proxy from the environment, and to decide what an answer means.
//!
//! A kept connection that the other side closed just as it was used again is no answer and no
//! failure of theirs: the request is sent once more, the same bytes over a connection of its own,
//! within the same deadline. Both are one attempt. Nothing else is repeated here.
use std::{cell::Cell, error::Error as _, time::Duration};

use reqwest::{
    Client, Request, Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use tokio::time::{Instant, timeout_at};
use tower::util::MapRequestLayer;

use super::{Credit, Format, Signer, Target};
use crate::{calls, domain::Micros, settings::BillingSettings};

/// The most that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept: less than the 5 s after which common servers close it,
/// so that a request seldom runs into that.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// The most that is read of an answer.
const READ_MAX_BYTES: usize = 64 * 1024;
/// What is kept of it.
const KEPT_MAX_BYTES: usize = 1024;
/// The longest error text that is kept.
const ERROR_MAX_CHARS: usize = 500;

tokio::task_local! {
    /// Whether the request that is being sent began a connection of its own.
    static CONNECTED: Cell<bool>;
}

/// What one POST brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The status, where one arrived.
    pub status: Option<u16>,
    /// `Retry-After`, as it came.
    pub retry_after: Option<String>,
    /// What went wrong, for people; holds neither address nor secret.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub answer: Option<String>,
}

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client: {0}")]
pub struct Unable(String);

/// Sends to one endpoint.
#[derive(Debug)]
pub struct Sender {
    /// Keeps connections.
    keeping: Client,
    /// Keeps none.
    fresh: Client,
    target: Target,
    format: Format,
    signer: Signer,
    timeout: Duration,
}

impl Sender {
    /// To the endpoint of the settings; `None` where there is none. Connects nowhere yet.
    pub fn of(settings: &BillingSettings, signer: Signer) -> Result<Option<Self>, Unable> {
        let &BillingSettings { json, timeout, concurrency_max, .. } = settings;
        let Some(endpoint) = &settings.endpoint else { return Ok(None) };
        if signer.is_empty() {
            tracing::warn!("WEBHOOK_SECRETS is not set: billing calls are not signed");
        }
        let target = Target::new(endpoint);
        Ok(Some(Self {
            keeping: client(&target, timeout, concurrency_max)?,
            fresh: client(&target, timeout, 0)?,
            target,
            format: if json { Format::Json } else { Format::Form },
            signer,
            timeout,
        }))
    }

    /// Where it sends to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Makes one attempt, which began at `began`; ends within the time-out.
    pub async fn post(&self, credit: &Credit, began: Micros) -> Exchange {
        let deadline = Instant::now() + self.timeout;
        let url = match self.target.url(&credit.user_hash) {
            Ok(url) => url,
            Err(error) => return failed(error.to_string()),
        };
        let body = self.format.body(credit);
        let headers = self.headers(credit, began, &body);
        let request = match self.keeping.post(url).headers(headers).body(body).build() {
            Ok(request) => request,
            Err(error) => return failed(told(&error.without_url())),
        };
        match timeout_at(deadline, self.send(request)).await {
            Ok(Ok(response)) => read(response, deadline).await,
            Ok(Err(error)) => failed(told(&error.without_url())),
            Err(_) => failed(self.timed_out()),
        }
    }

    /// Up to the answer's headers; see the module about the second time.
    async fn send(&self, request: Request) -> reqwest::Result<Response> {
        let again = request.try_clone();
        let first = async {
            let sent = self.keeping.execute(request).await;
            (sent, CONNECTED.with(Cell::get))
        };
        match (CONNECTED.scope(Cell::new(false), first).await, again) {
            ((Err(error), false), Some(again)) => {
                tracing::debug!(error = told(&error.without_url()), "a kept connection broke");
                self.fresh.execute(again).await
            }
            ((sent, _), _) => sent,
        }
    }

    fn headers(&self, credit: &Credit, began: Micros, body: &str) -> HeaderMap {
        let timestamp = began.0.div_euclid(1_000_000);
        let id = credit.id.as_str();
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        let mut set = |name: &'static str, value: Option<&str>| {
            // A trace context that no header can carry is left out.
            if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("webhook-id", Some(id));
        set("webhook-timestamp", Some(&timestamp.to_string()));
        set("webhook-signature", self.signer.sign(id, timestamp, body).as_deref());
        set("idempotency-key", Some(id));
        set("traceparent", credit.traceparent.as_deref());
        set("tracestate", credit.tracestate.as_deref());
        headers
    }

    fn timed_out(&self) -> String {
        format!("no answer within {} ms", self.timeout.as_millis())
    }
}

/// A client that keeps so many unused connections a host.
fn client(target: &Target, timeout: Duration, idle_max: usize) -> Result<Client, Unable> {
    let noting = MapRequestLayer::new(|request| {
        // Called by the task that sends, before it connects; none sends outside of the scope but
        // those that connect anyway.
        let _ = CONNECTED.try_with(|connected| connected.set(true));
        request
    });
    let client = calls::client("referral-billing", target.is_tls())
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(idle_max)
        .connector_layer(noting);
    client.build().map_err(|error| Unable(told(&error)))
}

/// Reads the answer as far as it counts. Its status stands, whatever becomes of the body.
async fn read(mut response: Response, deadline: Instant) -> Exchange {
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = Some(response.status().as_u16());
    let mut kept = Vec::new();
    let mut read_bytes = 0;
    let error = loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = KEPT_MAX_BYTES.saturating_sub(kept.len()).min(chunk.len());
                kept.extend_from_slice(&chunk[..room]);
                read_bytes += chunk.len();
                if read_bytes >= READ_MAX_BYTES {
                    break None;
                }
            }
            Ok(Ok(None)) => break None,
            Ok(Err(error)) => break Some(told(&error.without_url())),
            Err(_) => break Some("the answer did not end in time".to_owned()),
        }
    };
    Exchange { status, retry_after, error, answer: text(&kept) }
}

fn failed(error: String) -> Exchange {
    Exchange { error: Some(error), ..Exchange::default() }
}

/// As text that every database keeps: lossy UTF-8 without U+0000; `None` for nothing.
fn text(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    Some(text).filter(|text| !text.is_empty())
}

/// An error with its causes, in one line of bounded length.
fn told(error: &reqwest::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.chars().filter(|c| !c.is_control()).take(ERROR_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_as_text() {
        let cases: [(&[u8], Option<&str>); 4] = [
            (b"", None),
            (b"ok\n", Some("ok\n")),
            (b"a\0b", Some("ab")),
            (&[b'a', 0xff, 0xc3], Some("a\u{fffd}\u{fffd}")),
        ];
        for (bytes, expected) in cases {
            assert_eq!(text(bytes).as_deref(), expected, "{bytes:?}");
        }
    }
}
