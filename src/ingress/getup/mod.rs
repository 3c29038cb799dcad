//! The getup dialect (contract 5): programmes, registration, invoices, statements, indications.
//!
//! Every path works with and without its last slash; bodies are JSON or forms.
mod indication;
mod invoice;
pub mod programme;
mod register;
mod shapes;
mod statement;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{App, events, openapi::both};
use crate::domain::Money;

/// The dialect's routes.
pub fn routes() -> OpenApiRouter<App> {
    both(routes!(health))
        .merge(programme::routes())
        .merge(register::routes())
        .merge(invoice::routes())
        .merge(statement::routes())
        .merge(indication::routes())
}

/// The server answers
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "ok"}))]
struct Health {
    /// Always `ok`; readiness is at `OPS_ADDR`
    status: &'static str,
}

/// Whether the server is there
#[utoipa::path(get, path = "/health", tag = "getup", operation_id = "health",
    responses((status = 200, description = "It is", body = Health)))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// An `acquired_credit`: `25.0`, and where there is none a plain `0`.
pub fn credit_number(credit: Money) -> Box<RawValue> {
    let zero = RawValue::from_string("0".to_owned());
    if credit.is_zero() { zero.unwrap_or_default() } else { credit.json_number() }
}

/// The event is confirmed by the broker, its outcome not known yet
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "accepted", "event_id": "01935a5e-8f0b-7c3a-9d2e-4b5f6a7c8d9e"}))]
struct Accepted<'a> {
    /// Always `accepted`
    status: &'static str,
    /// For `GET /v1/events/{id}`
    event_id: &'a str,
}

/// 202, with its `Location`.
fn accepted(event_id: &str) -> Response {
    let body = Json(Accepted { status: "accepted", event_id });
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    if let Ok(location) = HeaderValue::from_str(&events::location(event_id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
