//! `GET /v1/events/{id}`: what became of an event that the ingress published (contract 5).
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    App, SOURCE,
    auth::Caller,
    problem::{InPath, Refusal},
};
use crate::{domain::EventKey, store::happened};

/// This file's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// As in the reply of contract 1
#[derive(Serialize, ToSchema)]
#[schema(as = Event, example = json!({
    "id": "01935a5e-8f0b-7c3a-9d2e-4b5f6a7c8d9e", "source": "/referral/ingress",
    "type": "referral.signup.v1", "outcome": "created", "user_hash": "bob",
    "code": "F8SDBZZGodXFHmZbN5cX",
}))]
struct Shown<'a> {
    id: &'a str,
    source: &'static str,
    r#type: &'static str,
    /// What the event came to, first time: `created`, `pending`, `duplicate`, `conflict` or `self_referral` of a
    /// signup, `accepted` of a payment or click
    outcome: &'a str,
    /// Signups: the user
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_hash: Option<&'a str>,
    /// Signups: the user's own referral code
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<&'a str>,
    /// Payments
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, nullable = false)]
    acquired_credit: Option<Box<RawValue>>,
}

/// What became of an event that this server published
///
/// `id` is the `event_id` of a 202.
#[utoipa::path(get, path = "/v1/events/{id}", tag = "events", operation_id = "event",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The event's id", example = "01935a5e-8f0b-7c3a-9d2e-4b5f6a7c8d9e")),
    responses(
        (status = 200, description = "It took effect", body = Shown),
        (status = 404, description = "No outcome is known, or not yet"),
    ))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath,
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
