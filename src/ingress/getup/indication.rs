//! `POST /emailindication` and `POST /emailverification` (contract 5): a user claims addresses of
//! people who are to register, and anybody asks who claimed which.
//!
//! What a claim is worth, the credits worker decides at the signup.
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde::{Serialize, Serializer};

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

pub fn routes() -> Router<App> {
    both("/emailindication", post(indicate)).merge(both("/emailverification", post(verify)))
}

#[derive(Serialize)]
struct Saved {
    saved_emails: Vec<String>,
}

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

/// Who claimed each address, in the order and the spelling asked.
#[derive(Serialize)]
struct Verified {
    #[serde(serialize_with = "in_order")]
    emails: Vec<(String, Claim)>,
}

/// The hash of the user who claimed an address, or `false`.
#[derive(Serialize)]
#[serde(untagged)]
enum Claim {
    By(String),
    None(bool),
}

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
