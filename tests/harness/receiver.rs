//! The billing system's side of contract 6: takes every POST, keeps it, answers what it is told.
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};

use super::eventually::{PATIENCE, eventually};

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Always `POST`, it is hoped.
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The bytes.
    pub body: String,
}

impl Call {
    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    answer: AtomicU16,
}

/// A listening receiver; stops when dropped.
pub struct Receiver {
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Listens, and answers 200.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        shared.answer.store(200, Ordering::Relaxed);
        let app = Router::new().fallback(take).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("served");
        });
        Self { shared, address, task }
    }

    /// For `ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP`.
    pub fn endpoint(&self) -> String {
        format!("http://{}/billing/%s/credit", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Waits until somebody has asked for this path.
    pub async fn called(&self, path: &str) {
        eventually(&format!("{path} is asked for"), PATIENCE, async || {
            let calls = self.calls();
            let is_there = calls.iter().any(|call| call.path == path);
            if is_there { Ok(()) } else { Err(format!("{calls:?}")) }
        })
        .await;
    }

    /// Answers this status from now on.
    pub fn answer(&self, status: u16) {
        self.shared.answer.store(status, Ordering::Relaxed);
    }

    /// Everything that came, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().expect("calls").clone()
    }

    /// What came, by `webhook-id`; every repeat must have had the same bytes.
    pub fn ledger(&self) -> BTreeMap<String, Call> {
        let mut ledger = BTreeMap::<String, Call>::new();
        for call in self.calls() {
            let id = call.header("webhook-id").to_owned();
            assert!(!id.is_empty(), "a call without webhook-id: {call:?}");
            let first = ledger.entry(id).or_insert_with(|| call.clone());
            assert_eq!((&first.path, &first.body), (&call.path, &call.body), "a repeat differs");
        }
        ledger
    }
}

/// Minor units of `amount=10.00&…`.
pub fn amount(body: &str) -> i64 {
    let text = body.strip_prefix("amount=").and_then(|rest| rest.split('&').next());
    let text = text.unwrap_or_else(|| panic!("no amount in {body}"));
    referral::domain::Money::parse(text).unwrap().minor()
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
    let call = Call {
        method: method.to_string(),
        path: uri.to_string(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    shared.calls.lock().expect("calls").push(call);
    StatusCode::from_u16(shared.answer.load(Ordering::Relaxed)).expect("a status")
}
