//! A billing system's receiver of our webhooks, with axum and the `standardwebhooks` crate.
//!
//!     WEBHOOK_SECRETS=whsec_... LEDGER=ledger.jsonl PORT=9000 cargo run -p billing --example receiver
//!
//! Verifies the signature, charges each webhook-id once however often it comes, answers fast.
#![expect(clippy::disallowed_methods, reason = "a rule of this repository's own, not yours")]

use std::{
    collections::{HashMap, HashSet},
    env,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

/// A file of what was charged, a line each; written to disk before it counts.
struct Ledger {
    file: File,
    seen: HashSet<String>,
}

impl Ledger {
    fn open(path: &str) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut seen = HashSet::new();
        for line in BufReader::new(&file).lines() {
            let charged: Value = serde_json::from_str(&line?)?;
            seen.extend(charged["webhook_id"].as_str().map(str::to_owned));
        }
        Ok(Self { file, seen })
    }

    fn charge(&mut self, webhook_id: &str, user: &str, amount: &str) -> io::Result<()> {
        if self.seen.contains(webhook_id) {
            return Ok(());
        }
        let line = json!({"webhook_id": webhook_id, "user": user, "amount": amount});
        writeln!(self.file, "{line}")?;
        self.file.sync_data()?;
        self.seen.insert(webhook_id.to_owned());
        Ok(())
    }
}

struct Billing {
    secrets: Vec<Webhook>,
    ledger: Mutex<Ledger>,
}

/// The credited user is in the path: `ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP=http://HOST:PORT/credits/%s`.
async fn credit(
    State(billing): State<Arc<Billing>>,
    Path(user): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    // The timestamp, too, is checked there; any of the secrets may have signed, as they rotate.
    if !billing.secrets.iter().any(|secret| secret.verify(&body, &headers).is_ok()) {
        return StatusCode::UNAUTHORIZED;
    }
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let fields: HashMap<_, _> = form_urlencoded::parse(&body).into_owned().collect();
    let Some(amount) = fields.get("amount") else { return StatusCode::BAD_REQUEST };
    // Two copies at once: one is charged. A ledger that cannot be written: it comes again.
    let charged = billing.ledger.lock().map(|mut ledger| ledger.charge(id, &user, amount));
    match charged {
        Ok(Ok(())) => StatusCode::NO_CONTENT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secrets = env::var("WEBHOOK_SECRETS")?;
    let secrets = secrets.split(',').map(|secret| Webhook::new(secret.trim()));
    let billing = Billing {
        secrets: secrets.collect::<Result<_, _>>()?,
        ledger: Mutex::new(Ledger::open(&env::var("LEDGER")?)?),
    };
    let port: u16 = env::var("PORT").unwrap_or_else(|_| "0".to_owned()).parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening at http://{}", listener.local_addr()?);
    let routes = Router::new().route("/credits/{user}", post(credit)).with_state(Arc::new(billing));
    Ok(axum::serve(listener, routes).await?)
}
