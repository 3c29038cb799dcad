//! `GET /v1/events/{id}`: what became of an event that the ingress published (contract 5).
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{App, SOURCE, auth::Caller, problem::Refusal};
use crate::{domain::EventKey, store::happened};

/// This file's routes.
pub fn routes() -> Router<App> {
    Router::new().route("/v1/events/{id}", get(show))
}

/// As in the reply of contract 1.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    source: &'static str,
    r#type: &'static str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acquired_credit: Option<Box<RawValue>>,
}

async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let key = EventKey::new(SOURCE, &id);
    let Some(happened) = happened::find(&app.store, caller.domain.id, &key).await? else {
        return Err(Refusal::not_found("no outcome of such an event is known"));
    };
    let shown = Shown {
        id: &id,
        source: SOURCE,
        r#type: happened.event_type.as_str(),
        outcome: &happened.outcome,
        user_hash: happened.user.as_ref().map(|(hash, _)| hash.as_str()),
        code: happened.user.as_ref().map(|(_, code)| code.as_str()),
        acquired_credit: happened.acquired_credit.map(super::getup::credit_number),
    };
    Ok(Json(shown).into_response())
}

/// Where an event of the ingress is shown.
pub fn location(id: &str) -> String {
    format!("/v1/events/{id}")
}
