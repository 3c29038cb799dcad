//! `PUT /invoice/user/<user_hash>/` (contract 5): a payment with the payer's cumulative total.
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::put,
};
use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{accepted, both, credit_number};
use crate::{
    domain::{EventType, Money, UserHash},
    ingress::{
        App,
        auth::Caller,
        client::Client,
        fields::{Fields, missing},
        problem::Refusal,
    },
    store::accounts,
};

pub fn routes() -> Router<App> {
    both("/invoice/user/{user_hash}", put(pay))
}

#[derive(Serialize)]
struct Acquired {
    acquired_credit: Box<RawValue>,
}

async fn pay(
    State(app): State<App>,
    caller: Caller,
    client: Client,
    Path(user_hash): Path<String>,
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
    let draft = app.draft(EventType::Payment, &domain.name, &client, data);
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
