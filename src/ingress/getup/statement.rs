//! `GET /statement/<user_hash>/` (contract 5): a user's sums and the entries they are made of.
use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    both,
    shapes::{self, ShownProgramme},
};
use crate::{
    ingress::{
        App,
        auth::Caller,
        problem::{InPath, Refusal},
    },
    store::accounts::{self, Sums},
};

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(show))
}

/// A user's credits; sums are in `currency`
#[derive(Serialize, ToSchema)]
struct Statement {
    /// What referred users may still earn; the misspelling is part of the interface
    #[schema(value_type = f64, example = 50.0)]
    potencial_credit: Box<RawValue>,
    /// The terms that the user registered under; null for one without
    #[schema(required = true)]
    referral_program: Option<ShownProgramme>,
    /// The user's own referral code
    #[schema(example = "F8SDBZZGodXFHmZbN5cX")]
    code: String,
    /// What referred users have earned
    #[schema(value_type = f64, example = 25.0)]
    acquired_credit: Box<RawValue>,
    /// What the user got for registering
    #[schema(value_type = f64, example = 10.0)]
    signup_credit: Box<RawValue>,
    /// Shares of the payments of referred users
    #[schema(value_type = f64, example = 0.0)]
    reward: Box<RawValue>,
    /// ISO 4217
    #[schema(example = "USD")]
    currency: String,
    /// Oldest first
    entries: Vec<ShownEntry>,
}

/// A line of the ledger
#[derive(Serialize, ToSchema)]
#[schema(as = Entry)]
struct ShownEntry {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    /// `signup_credit`, `potential_credit` or `acquired_credit`
    #[schema(example = "acquired_credit")]
    kind: String,
    /// A decimal string
    #[schema(example = "25.00", pattern = r"^[0-9]+\.[0-9]{2}$")]
    amount: String,
    /// ISO 4217
    #[schema(example = "USD")]
    currency: String,
    /// With the domain's UTC offset
    #[schema(format = DateTime)]
    time: String,
    /// Through whom
    #[schema(example = "bob")]
    referred_user_hash: String,
    /// The signup and, where one was needed, the payment
    causes: Vec<Cause>,
}

/// An event
#[derive(Serialize, ToSchema)]
struct Cause {
    /// CloudEvents `source`
    #[schema(example = "/referral/ingress")]
    source: String,
    /// CloudEvents `id`
    #[schema(example = "01935a5e-8f0b-7c3a-9d2e-4b5f6a7c8d9e")]
    id: String,
}

/// A user's credits and the entries they are made of
#[utoipa::path(get, path = "/statement/{user_hash}/", tag = "getup", operation_id = "statement",
    security(("bearer" = [])),
    params(("user_hash" = String, Path, description = "The user", example = "alice")),
    responses(
        (status = 200, description = "The statement", body = Statement),
        (status = 404, description = "user not found"),
    ))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    InPath(user_hash): InPath,
) -> Result<Json<Statement>, Refusal> {
    let domain = &caller.domain;
    let account = accounts::account(&app.store, domain.id, &user_hash).await?;
    let account = account.ok_or_else(|| Refusal::not_found("user not found"))?;
    let reward = accounts::reward(&app.store, domain.id, &user_hash).await?;
    let entries = accounts::entries(&app.store, domain.id, &user_hash).await?;
    let currency = account.terms.as_ref().map_or(domain.currency.as_str(), |t| &t.currency);
    let currency = currency.to_owned();
    let amounts = entries.iter().map(|e| (e.currency.as_str(), e.kind.as_str(), e.amount));
    let sums = Sums::of(amounts).remove(&currency).unwrap_or_default();
    let shown = entries.into_iter().map(|entry| ShownEntry {
        id: entry.id,
        kind: entry.kind,
        amount: entry.amount.to_string(),
        currency: entry.currency,
        time: entry.time.rfc3339(domain.zone),
        referred_user_hash: entry.referred_user_hash,
        causes: entry.causes.into_iter().map(|(source, id)| Cause { source, id }).collect(),
    });
    Ok(Json(Statement {
        potencial_credit: sums.potential.json_number(),
        referral_program: account.terms.map(|own| shapes::terms(own, &app.settings.public_url)),
        code: account.code,
        acquired_credit: sums.acquired.json_number(),
        signup_credit: sums.signup.json_number(),
        reward: reward.json_number(),
        entries: shown.collect(),
        currency,
    }))
}
