//! `POST /emailindication` and `POST /emailverification` (contract 5): a user claims addresses of
//! people who are to register, and anybody asks who claimed which.
//!
//! What a claim is worth, the credits worker decides at the signup.
use axum::{Json, extract::State, http::StatusCode};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::both;
use crate::{
    domain::{Email, UserHash},
    ingress::{
        App,
        auth::Caller,
        fields::{Fields, missing},
        problem::Refusal,
    },
    store::{accounts, indications},
};

/// Most addresses of one call.
const EMAILS_MAX: usize = 1000;

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(indicate)).merge(both(routes!(verify)))
}

/// Who claims which addresses
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from JSON or a form")]
#[schema(example = json!({"user_indicator": "alice", "emails": "a@example.com, b@example.com"}))]
struct Indication {
    /// An existing user
    #[schema(min_length = 1, max_length = 253, pattern = "^[!-~]+$")]
    user_indicator: String,
    emails: Addresses,
}

/// Which addresses
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from JSON or a form")]
#[schema(example = json!({"emails": "a@example.com, b@example.com"}))]
struct Question {
    emails: Addresses,
}

/// At most 1,000 addresses
#[derive(serde::Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "documentation; read by name from JSON or a form")]
enum Addresses {
    /// With commas between them
    Text(String),
    /// In JSON also an array
    Array(Vec<String>),
}

/// What was claimed
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"saved_emails": ["a@example.com"]}))]
struct Saved {
    /// In the order given, without those that are no addresses or are claimed already
    saved_emails: Vec<String>,
}

/// Claims addresses: who registers with one later, without a code or referrer of their own, is referred by the user
///
/// The first claim of an address wins.
#[utoipa::path(post, path = "/emailindication", tag = "getup", operation_id = "indicate",
    security(("bearer" = [])),
    request_body(content((Indication = "application/json"), (Indication = "application/x-www-form-urlencoded"))),
    responses(
        (status = 201, description = "What was claimed", body = Saved),
        (status = 412, description = "user_indicator is missing or unknown"),
        (status = 422, description = "A bad value; the error names it"),
    ))]
async fn indicate(
    State(app): State<App>,
    caller: Caller,
    fields: Fields,
) -> Result<(StatusCode, Json<Saved>), Refusal> {
    let domain_id = caller.domain.id;
    let indicator = indicator(&app, domain_id, &fields).await?;
    let given = given(&fields)?;
    let emails: Vec<Email> = given.iter().filter_map(|text| Email::parse(text).ok()).collect();
    let now = app.clock.now();
    let mut saved = indications::claim(&app.store, domain_id, &indicator, &emails, now).await?;
    // Each once, where it was given first.
    let saved_emails = emails.iter().filter(|email| saved.remove(email.key()));
    let saved_emails = saved_emails.map(|email| email.spelling().to_owned()).collect();
    Ok((StatusCode::CREATED, Json(Saved { saved_emails })))
}

/// The user who indicates; 412 where it is missing or unknown.
async fn indicator(app: &App, domain_id: i64, fields: &Fields) -> Result<UserHash, Refusal> {
    let refused = |problem: &str| {
        Refusal::new(StatusCode::PRECONDITION_FAILED, format!("user_indicator {problem}"))
    };
    let hash = fields.text("user_indicator")?.ok_or_else(|| refused("is required"))?;
    let hash = UserHash::parse(&hash).map_err(|_| refused("not found"))?;
    let account = accounts::account(&app.store, domain_id, hash.as_str()).await?;
    account.map(|_| hash).ok_or_else(|| refused("not found"))
}

/// Who claimed what
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"emails": {"a@example.com": "alice", "b@example.com": false}}))]
struct Verified {
    /// By address, in the order and the spelling asked
    #[serde(serialize_with = "in_order")]
    #[schema(value_type = std::collections::BTreeMap<String, Claim>)]
    emails: Vec<(String, Claim)>,
}

/// The hash of the user who claimed an address, or `false`
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Claim {
    By(String),
    None(bool),
}

/// Who claimed each of these addresses
#[utoipa::path(post, path = "/emailverification", tag = "getup", operation_id = "verify",
    security(("bearer" = [])),
    request_body(content((Question = "application/json"), (Question = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The user who claimed it, or false", body = Verified),
        (status = 422, description = "A bad value; the error names it"),
    ))]
async fn verify(
    State(app): State<App>,
    caller: Caller,
    fields: Fields,
) -> Result<Json<Verified>, Refusal> {
    let mut asked = given(&fields)?;
    let mut seen = std::collections::HashSet::new();
    asked.retain(|text| seen.insert(text.clone()));
    let emails: Vec<Option<Email>> = asked.iter().map(|text| Email::parse(text).ok()).collect();
    let valid: Vec<Email> = emails.iter().flatten().cloned().collect();
    let claimed = indications::claimed(&app.store, caller.domain.id, &valid).await?;
    let claim = |email: Option<Email>| {
        let by = email.and_then(|email| claimed.get(email.key()).cloned());
        by.map_or(Claim::None(false), Claim::By)
    };
    Ok(Json(Verified { emails: asked.into_iter().zip(emails.into_iter().map(claim)).collect() }))
}

/// The addresses of a request, trimmed; what stands empty between two commas is none.
fn given(fields: &Fields) -> Result<Vec<String>, Refusal> {
    let given = fields.list("emails")?.ok_or_else(|| missing("emails"))?;
    let given = given.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
    let given: Vec<String> = given.map(str::to_owned).collect();
    if given.len() > EMAILS_MAX {
        return Err(Refusal::field("emails", format!("must be at most {EMAILS_MAX} addresses")));
    }
    Ok(given)
}

fn in_order<S: Serializer>(emails: &[(String, Claim)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(emails.iter().map(|(email, claim)| (email, claim)))
}
