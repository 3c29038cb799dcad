//! The getup dialect (contract 5): programmes, registration, invoices, statements, indications.
//!
//! Every path works with and without its last slash; bodies are JSON or forms.
mod indication;
mod invoice;
mod programme;
mod register;
mod shapes;
mod statement;

use axum::{
    Json, Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{App, events};
use crate::domain::Money;

/// The dialect's routes.
pub fn routes() -> Router<App> {
    both("/health", get(async || Json(json!({"status": "ok"}))))
        .merge(programme::routes())
        .merge(register::routes())
        .merge(invoice::routes())
        .merge(statement::routes())
        .merge(indication::routes())
}

/// A route with and without the last slash.
fn both(path: &str, route: MethodRouter<App>) -> Router<App> {
    Router::new().route(path, route.clone()).route(&format!("{path}/"), route)
}

/// An `acquired_credit`: `25.0`, and where there is none a plain `0`.
pub fn credit_number(credit: Money) -> Box<RawValue> {
    let zero = RawValue::from_string("0".to_owned());
    if credit.is_zero() { zero.unwrap_or_default() } else { credit.json_number() }
}

/// 202: the event is confirmed, its outcome not known yet.
fn accepted(event_id: &str) -> Response {
    #[derive(Serialize)]
    struct Accepted<'a> {
        status: &'static str,
        event_id: &'a str,
    }
    let body = Json(Accepted { status: "accepted", event_id });
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    if let Ok(location) = HeaderValue::from_str(&events::location(event_id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
