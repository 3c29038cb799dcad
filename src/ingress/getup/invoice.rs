//! `PUT /invoice/user/<user_hash>/` (contract 5): a payment with the payer's cumulative total.
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{json, value::RawValue};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Accepted, accepted, both, credit_number};
use crate::{
    domain::{EventType, Money, UserHash},
    ingress::{
        App,
        auth::Caller,
        client::Client,
        fields::{Fields, missing},
        openapi::Amount,
        problem::{InPath, Refusal},
    },
    store::accounts,
};

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(pay))
}

/// What the payer has paid so far
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from JSON or a form")]
#[schema(example = json!({"total_amount_paid": "25.00"}))]
struct Invoice {
    /// The cumulative total, in the domain's currency
    total_amount_paid: Amount,
}

/// What the referrer was granted for this payer
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"acquired_credit": 25.0}))]
struct Acquired {
    /// The programme's `target_value` once the payer's total has reached it, on every such call; else 0
    #[schema(value_type = f64)]
    acquired_credit: Box<RawValue>,
}

/// A payment, as the payer's cumulative total
///
/// Safe to repeat: the largest total counts, and the credit is granted once.
#[utoipa::path(put, path = "/invoice/user/{user_hash}/", tag = "getup", operation_id = "pay",
    security(("bearer" = [])),
    params(("user_hash" = String, Path, description = "The payer", example = "bob")),
    request_body(content((Invoice = "application/json"), (Invoice = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Counted", body = Acquired),
        (status = 202, description = "Published; the outcome was not known within `REPLY_TIMEOUT`", body = Accepted,
            headers(("Location" = String, description = "Where the outcome will be"))),
        (status = 404, description = "user not found"),
        (status = 422, description = "total_amount_paid: not a number from 0 with at most 2 decimals"),
    ))]
async fn pay(
    State(app): State<App>,
    caller: Caller,
    client: Client,
    InPath(user_hash): InPath,
    fields: Fields,
) -> Result<Response, Refusal> {
    let domain = &caller.domain;
    let unknown = || Refusal::not_found("user not found");
    let payer = UserHash::parse(&user_hash).map_err(|_| unknown())?;
    let total = fields.money("total_amount_paid")?.ok_or_else(|| missing("total_amount_paid"))?;
    accounts::account(&app.store, domain.id, payer.as_str()).await?.ok_or_else(unknown)?;
    let data = json!({
        "user_hash": payer.as_str(),
        "currency": domain.currency.as_str(),
        "total_amount_paid": total.to_string(),
    });
    let draft = app.draft(EventType::Payment, domain.name.as_str(), &client, data);
    let Some(reply) = app.groups.request(&draft).await? else { return Ok(accepted(&draft.id)) };
    if reply.outcome == "invalid" {
        let detail = reply.detail.or(reply.reason).unwrap_or_else(|| "invalid".to_owned());
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let acquired = reply.acquired_credit.as_deref().unwrap_or("0");
    let Ok(acquired) = Money::parse(acquired) else {
        tracing::error!(acquired, "acquired_credit of a reply is no amount");
        return Ok(accepted(&draft.id));
    };
    Ok(Json(Acquired { acquired_credit: credit_number(acquired) }).into_response())
}
