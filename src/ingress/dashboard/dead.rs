//! Parked messages of all domains, for operators: why, and what they say; back to where they belong, or
//! away for ever.
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use tokio_util::sync::CancellationToken;

use super::{
    frame::{Frame, Part, page},
    session::Admin,
    table::{self, address},
};
use crate::{
    broker::{
        HeaderValue, Lost, Message, PublishError, Walk,
        replay::{self, Glance},
        sweep::{Sweep, Which},
        topology::{PARKED, Parked},
    },
    domain::ids::Invalid,
    ingress::{
        App,
        fields::{Fields, InQuery},
        own::Posted,
        pages::to,
        problem::Refusal,
    },
};

const LIST: &str = "/dashboard/dead";
/// How much of a body is shown, in characters.
const BODY_CHARS: usize = 4096;

/// What a list is asked with.
struct Asked {
    which: Which,
    worker: &'static str,
    reason: String,
}

impl Asked {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        let worker = fields.parsed("worker", |name| {
            let found = Parked::of(name);
            found.ok_or(Invalid("must be daily-records, credits, billing or mail"))
        })?;
        let (reason, id) = (fields.text("reason")?, fields.text("id")?);
        let which = Which { worker, reasons: reason.iter().cloned().collect(), id };
        let worker = worker.map_or("", |parked| parked.worker);
        Ok(Self { which, worker, reason: reason.unwrap_or_default() })
    }

    fn kept(&self) -> [(&str, &str); 2] {
        [("worker", self.worker), ("reason", self.reason.as_str())]
    }
}

/// A message as it is shown.
struct Shown {
    worker: &'static str,
    message_id: String,
    reason: String,
    detail: String,
    first_seen: String,
    kind: String,
    domain: String,
    bytes: usize,
    headers: Vec<(String, String)>,
    body: String,
    is_cut: bool,
}

fn shown(parked: &Parked, message: &Message) -> Shown {
    let Glance { kind, domain, .. } = replay::glance(message);
    let header = |name| message.headers.get_text(name).unwrap_or_default().to_owned();
    let value = |value: &HeaderValue| match value {
        HeaderValue::Text(text) => text.clone(),
        HeaderValue::Int(number) => number.to_string(),
        HeaderValue::Bool(truth) => truth.to_string(),
        HeaderValue::Other(kind) => format!("({kind})"),
    };
    let text = String::from_utf8_lossy(&message.body);
    let mut body: String = text.chars().take(BODY_CHARS + 1).map(replay::printable).collect();
    let is_cut = body.chars().count() > BODY_CHARS;
    if is_cut {
        body.pop();
    }
    Shown {
        worker: parked.worker,
        message_id: message.message_id.clone().unwrap_or_default(),
        reason: replay::reason(message).to_owned(),
        detail: header("x-detail"),
        first_seen: header("x-first-seen"),
        kind: kind.unwrap_or_default(),
        domain: domain.unwrap_or_default(),
        bytes: message.body.len(),
        headers: message.headers.iter().map(|(name, v)| (name.to_owned(), value(v))).collect(),
        body,
        is_cut,
    }
}

#[derive(Template)]
#[template(path = "dead.html", config = "src/ingress/dashboard/askama.toml")]
struct Dead<'a> {
    frame: Frame<'a>,
    asked: &'a Asked,
    rows: Vec<Shown>,
    /// The lists of each worker: where they are, what they are called, and whether it is this one.
    workers: Vec<(String, &'static str, bool)>,
    /// How many lie there of the workers that are asked for, looked at or not.
    there: u64,
    /// How many of those were to be looked at and are held by somebody else.
    missing: u64,
    /// So many of a worker's are looked at.
    most: u16,
    csv: String,
}

/// What was found.
struct Found {
    rows: Vec<Shown>,
    there: u64,
    missing: u64,
}

async fn find(app: &App, asked: &Asked, most: u16) -> Result<Found, Refusal> {
    let mut found = Found { rows: Vec::new(), there: 0, missing: 0 };
    let never = CancellationToken::new();
    let sweep = sweep(asked, &never);
    for parked in asked.which.queues() {
        let mut walk = walk(app, &parked, Some(most)).await?;
        let looked =
            sweep.look(&mut walk, |message| found.rows.push(shown(&parked, message))).await;
        found.there += walk.there();
        found.missing += walk.missing();
        let closed = walk.close().await;
        looked.and(closed)?;
    }
    Ok(found)
}

fn sweep<'a>(asked: &'a Asked, shutdown: &'a CancellationToken) -> Sweep<'a> {
    Sweep { which: &asked.which, seen: &|| (), shutdown }
}

/// Begins a walk; a broker that is away is a refusal here, not something to wait for.
async fn walk(app: &App, parked: &Parked, most: Option<u16>) -> Result<Walk, Refusal> {
    let away = || Refusal::unavailable("the broker is not available");
    if !app.publisher.is_ready() {
        return Err(away());
    }
    let never = CancellationToken::new();
    let begun = app.broker.walk(parked.queue, most, &never);
    let begun = tokio::time::timeout(app.settings.reply_timeout, begun).await;
    begun.ok().and_then(Result::ok).flatten().ok_or_else(away)
}

impl From<Lost> for Refusal {
    fn from(lost: Lost) -> Self {
        tracing::debug!(%lost, "a dead queue could not be gone through");
        Self::unavailable("the broker is not available")
    }
}

/// The list.
pub async fn list(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    admin.must_operate()?;
    let asked = Asked::read(&query)?;
    let most = app.settings.dashboard.dead_max;
    let Found { rows, there, missing } = find(&app, &asked, most).await?;
    let names = std::iter::once("").chain(PARKED.map(|parked| parked.worker));
    let workers = names.map(|name| {
        let there = address(LIST, &[("worker", name), ("reason", asked.reason.as_str())]);
        (there, if name.is_empty() { "All" } else { name }, name == asked.worker)
    });
    let dead = Dead {
        frame: Frame::new(&admin, Part::Dead, "Dead letters").told(&query),
        workers: workers.collect(),
        rows,
        there,
        missing,
        most,
        csv: address("/dashboard/dead.csv", &asked.kept()),
        asked: &asked,
    };
    Ok(page(StatusCode::OK, &dead))
}

/// The list as CSV.
pub async fn export(
    State(app): State<App>,
    admin: Admin,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    admin.must_operate()?;
    let asked = Asked::read(&query)?;
    let rows = find(&app, &asked, app.settings.dashboard.dead_max).await?.rows;
    let head = [
        "worker",
        "message_id",
        "reason",
        "detail",
        "first_seen",
        "type",
        "domain",
        "bytes",
        "body",
    ];
    let rows = rows.into_iter().map(|row| {
        [
            row.worker.to_owned(),
            row.message_id,
            row.reason,
            row.detail,
            row.first_seen,
            row.kind,
            row.domain,
            row.bytes.to_string(),
            row.body,
        ]
    });
    table::csv(&app, "dead", head, rows)
}

/// Sends messages back to where they belong; what is still bad is parked again, once.
pub async fn replay(
    State(app): State<App>,
    admin: Admin,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    admin.must_operate()?;
    let asked = Asked::read(&fields)?;
    let never = CancellationToken::new();
    let sweep = sweep(&asked, &never);
    let mut replayed = 0;
    for parked in asked.which.queues() {
        let mut walk = walk(&app, &parked, None).await?;
        let send = |message| {
            let publisher = app.publisher.clone();
            async move { publisher.publish(message).await.map_err(Failed::from) }
        };
        let done = sweep.replay(&mut walk, &parked, send, &mut replayed).await;
        let closed = walk.close().await;
        done.map_err(|Failed(refusal)| refusal)?;
        closed?;
    }
    tracing::info!(login = admin.login, replayed, "an operator replayed parked messages");
    Ok(to(&told(&asked, "replayed", replayed)))
}

/// Why a replay ended.
struct Failed(Refusal);

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        Self(lost.into())
    }
}

impl From<PublishError> for Failed {
    fn from(error: PublishError) -> Self {
        Self(error.into())
    }
}

/// Removes messages for ever: what is to be removed has to be said.
pub async fn remove(
    State(app): State<App>,
    admin: Admin,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    admin.must_operate()?;
    let asked = Asked::read(&fields)?;
    if asked.reason.is_empty() && asked.which.id.is_none() && fields.text_if_one("all") != "yes" {
        return Err(Refusal::field("reason", "or id, or all=yes, is required"));
    }
    let never = CancellationToken::new();
    let sweep = sweep(&asked, &never);
    let mut removed = 0;
    for parked in asked.which.queues() {
        let mut walk = walk(&app, &parked, None).await?;
        let done = sweep.remove(&mut walk, &mut removed).await;
        let closed = walk.close().await;
        done.and(closed)?;
    }
    tracing::info!(login = admin.login, removed, "an operator dropped parked messages");
    Ok(to(&told(&asked, "dropped", removed)))
}

fn told(asked: &Asked, word: &str, number: u64) -> String {
    let number = number.to_string();
    address(LIST, &[("worker", asked.worker), ("told", word), ("n", &number)])
}
