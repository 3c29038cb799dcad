//! `GET /v1/deliveries`, `GET /v1/deliveries/{id}`, `POST /v1/deliveries/{id}/retry` (contract 6): what
//! billing was told, or is to be told, of a domain's credits.
//!
//! Also the shapes, which `referral deliveries --json` shares.
#![expect(unused_qualifications, reason = "written by utoipa's macros")]
use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    App,
    auth::Caller,
    fields::InQuery,
    problem::{InPath, Refusal},
};
use crate::store::deliveries::{self, Attempt, Delivery, Filter, State as DeliveryState};

/// This file's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(retry))
}

/// One credit on its way to billing
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery, example = json!({
    "id": "01a20116-cc7a-7460-9a89-0419248c9481", "user_hash": "bob", "kind": "signup_credit", "amount": "10.00",
    "currency": "USD", "program_name": "Default", "state": "pending", "attempts": 2,
    "next_attempt_at": "2026-11-22T12:00:25.000000+00:00", "created_at": "2026-11-22T12:00:00.000000+00:00",
    "delivered_at": null,
}))]
pub struct ShownDelivery {
    /// The `webhook-id`, the same on every attempt
    #[schema(value_type = uuid::Uuid)]
    id: String,
    /// Who is credited
    user_hash: String,
    /// `signup_credit` or `acquired_credit`
    kind: String,
    /// A decimal string
    #[schema(pattern = r"^[0-9]+\.[0-9]{2}$")]
    amount: String,
    /// ISO 4217
    currency: String,
    program_name: String,
    /// `pending`, `delivered` or `dead`
    #[schema(pattern = "^(pending|delivered|dead)$")]
    state: &'static str,
    /// Attempts made
    #[schema(minimum = 0)]
    attempts: i64,
    /// When the next attempt is due, in the past while the destination fails and is only probed; null unless pending
    #[schema(required = true, format = DateTime)]
    next_attempt_at: Option<String>,
    /// When the credit was granted, with the domain's UTC offset
    #[schema(format = DateTime)]
    created_at: String,
    /// When billing answered 2xx
    #[schema(required = true, format = DateTime)]
    delivered_at: Option<String>,
}

/// A delivery with all that was tried
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryDetails)]
pub struct ShownDetails {
    #[serde(flatten)]
    #[schema(inline)]
    delivery: ShownDelivery,
    program_id: i64,
    /// The referrer
    user_indicator_hash: String,
    /// Who was referred
    referred_user_hash: String,
    /// Each attempt, in order
    history: Vec<ShownAttempt>,
}

/// One POST of a delivery
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct ShownAttempt {
    /// From 1
    #[schema(minimum = 1)]
    number: i64,
    /// When it began
    #[schema(format = DateTime)]
    time: String,
    /// How long it took
    #[schema(minimum = 0)]
    duration_ms: i64,
    /// The status that came back; null where none did
    #[schema(required = true)]
    status: Option<i64>,
    /// What went wrong; null where it was delivered
    #[schema(required = true)]
    error: Option<String>,
    /// The first 1 KiB of the answer's body
    #[schema(required = true)]
    answer: Option<String>,
}

/// A delivery as it is shown.
pub fn shown(delivery: &Delivery) -> ShownDelivery {
    let time = |at: crate::domain::Micros| at.rfc3339(delivery.zone);
    ShownDelivery {
        id: delivery.id.clone(),
        user_hash: delivery.user_hash.clone(),
        kind: delivery.kind.clone(),
        amount: delivery.amount.to_string(),
        currency: delivery.currency.clone(),
        program_name: delivery.program_name.clone(),
        state: delivery.state.as_str(),
        attempts: delivery.attempts,
        next_attempt_at: delivery.next_attempt.map(time),
        created_at: time(delivery.created),
        delivered_at: delivery.delivered.map(time),
    }
}

/// A delivery and its attempts as they are shown.
pub fn details(delivery: &Delivery, attempts: Vec<Attempt>) -> ShownDetails {
    let attempt = |attempt: Attempt| ShownAttempt {
        number: attempt.number,
        time: attempt.time.rfc3339(delivery.zone),
        duration_ms: attempt.duration_us / 1000,
        status: attempt.status,
        error: attempt.error,
        answer: attempt.answer,
    };
    ShownDetails {
        program_id: delivery.program_id,
        user_indicator_hash: delivery.user_indicator_hash.clone(),
        referred_user_hash: delivery.referred_user_hash.clone(),
        history: attempts.into_iter().map(attempt).collect(),
        delivery: shown(delivery),
    }
}

/// A page of deliveries
#[derive(Serialize, ToSchema)]
#[schema(as = Deliveries)]
struct Page {
    /// Newest first
    items: Vec<ShownDelivery>,
    /// Most deliveries of a page
    limit: i64,
    /// Deliveries on all pages
    total: i64,
}

/// Which deliveries; they combine
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documentation; read by name from the query")]
struct Query {
    /// `pending`, `delivered` or `dead`
    #[param(pattern = "^(pending|delivered|dead)$", nullable = false, example = "dead")]
    state: Option<String>,
    /// The credited user
    #[param(nullable = false, example = "bob")]
    user_hash: Option<String>,
    /// Granted at this time or later
    #[param(format = DateTime, nullable = false, example = "2026-11-22T00:00:00Z")]
    since: Option<String>,
    /// Granted before this time
    #[param(format = DateTime, nullable = false, example = "2026-11-23T00:00:00Z")]
    until: Option<String>,
    /// From 1
    #[param(minimum = 1, nullable = false, default = 1)]
    page: Option<i64>,
    /// Most deliveries of a page
    #[param(minimum = 1, maximum = 1000, nullable = false, default = 10)]
    limit: Option<i64>,
}

/// The domain's deliveries
#[utoipa::path(get, path = "/v1/deliveries", tag = "billing", operation_id = "deliveries",
    security(("bearer" = [])), params(Query),
    responses(
        (status = 200, description = "A page of deliveries", body = Page),
        (status = 422, description = "A bad filter or bound; `field` names it"),
    ))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    InQuery(fields): InQuery,
) -> Result<Json<Page>, Refusal> {
    let filter = Filter {
        domain_id: Some(caller.domain.id),
        state: fields.parsed("state", DeliveryState::parse)?,
        user_hash: fields.text("user_hash")?,
        since: fields.time("since")?,
        until: fields.time("until")?,
    };
    let (limit, offset) = fields.paging()?;
    let (found, total) = deliveries::page(&app.store, &filter, limit, offset).await?;
    Ok(Json(Page { items: found.iter().map(shown).collect(), limit, total }))
}

/// One delivery and its attempts
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "billing", operation_id = "delivery",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The delivery's id", example = "01a20116-cc7a-7460-9a89-0419248c9481")),
    responses(
        (status = 200, description = "The delivery", body = ShownDetails),
        (status = 404, description = "The domain has no such delivery"),
    ))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath,
) -> Result<Json<ShownDetails>, Refusal> {
    let found = find(&app, &caller, &id).await?;
    let attempts = deliveries::attempts(&app.store, &found.id).await?;
    Ok(Json(details(&found, attempts)))
}

/// Makes a delivery due now
///
/// It keeps its `webhook-id` and its attempts; the schedule of retries begins anew. One that is being attempted at
/// this moment is left to that attempt.
#[utoipa::path(post, path = "/v1/deliveries/{id}/retry", tag = "billing", operation_id = "retry_delivery",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The delivery's id", example = "01a20116-cc7a-7460-9a89-0419248c9481")),
    responses(
        (status = 200, description = "The delivery as it is now", body = ShownDelivery),
        (status = 404, description = "The domain has no such delivery"),
        (status = 409, description = "It is delivered"),
    ))]
async fn retry(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath,
) -> Result<Json<ShownDelivery>, Refusal> {
    let found = find(&app, &caller, &id).await?;
    if found.state == DeliveryState::Delivered {
        return Err(Refusal::conflict("the delivery is delivered"));
    }
    let now = app.clock.now();
    deliveries::retry(&app.store, &[found.id], now, now, 0).await?;
    Ok(Json(shown(&find(&app, &caller, &id).await?)))
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<Delivery, Refusal> {
    let found = deliveries::one(&app.store, Some(caller.domain.id), id).await?;
    found.ok_or_else(|| Refusal::not_found("there is no such delivery"))
}
