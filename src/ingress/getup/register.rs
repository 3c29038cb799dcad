//! `POST /register/` (contract 5): a signup, checked first, published, and answered with what the
//! credits worker made of it.
//!
//! A repeat is safe: it is answered from the account that the first one made. Two equal requests
//! at once are settled by the worker, whose `duplicate` is 200 like the repeat.
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Accepted, accepted, both,
    shapes::{self, ShownUser},
};
use crate::{
    domain::{Email, EventType, UserHash},
    ingress::{App, auth::Caller, client::Client, fields::Fields, group::Reply, problem::Refusal},
    store::{
        accounts::{self, Account},
        programmes,
    },
};

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(register))
}

/// Who refers whom
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from JSON or a form")]
#[schema(example = json!({"user_indicator": "alice", "user_indicated": "bob", "email": "bob@example.com"}))]
struct Registration {
    /// The existing referrer
    #[schema(min_length = 1, max_length = 253, pattern = "^[!-~]+$")]
    user_indicator: String,
    /// The new user
    #[schema(min_length = 1, max_length = 253, pattern = "^[!-~]+$")]
    user_indicated: String,
    /// The programme [default: the referrer's, else the domain's first]
    referral_program_id: Option<i64>,
    /// The new user's address
    #[schema(format = Email, max_length = 254)]
    email: Option<String>,
}

/// What is asked for.
struct Wanted {
    indicator: UserHash,
    indicated: UserHash,
    program_id: Option<i64>,
    email: Option<Email>,
}

impl Wanted {
    fn read(fields: &Fields) -> Result<Self, Refusal> {
        let hash = |name: &'static str| {
            let missing =
                || Refusal::new(StatusCode::PRECONDITION_FAILED, format!("{name} is required"));
            fields.user_hash(name)?.ok_or_else(missing)
        };
        Ok(Self {
            indicator: hash("user_indicator")?,
            indicated: hash("user_indicated")?,
            program_id: fields.int("referral_program_id")?,
            email: fields.email("email")?,
        })
    }
}

/// Registers a referred user
///
/// Safe to repeat.
#[utoipa::path(post, path = "/register/", tag = "getup", operation_id = "register",
    security(("bearer" = [])),
    request_body(content((Registration = "application/json"), (Registration = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Registered before, just so", body = ShownUser),
        (status = 201, description = "Registered", body = ShownUser),
        (status = 202, description = "Published; the outcome was not known within `REPLY_TIMEOUT`", body = Accepted,
            headers(("Location" = String, description = "Where the outcome will be"))),
        (status = 404, description = "user_indicator not found, or referral_program_id not found"),
        (status = 409, description = "The user exists with another referrer, or refers to itself"),
        (status = 412, description = "A hash is missing"),
        (status = 422, description = "A bad value; the error names it"),
    ))]
async fn register(
    State(app): State<App>,
    caller: Caller,
    client: Client,
    fields: Fields,
) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&fields)?;
    let domain = &caller.domain;
    check(&app, domain.id, &wanted).await?;
    let known = accounts::account(&app.store, domain.id, wanted.indicated.as_str()).await?;
    if let Some(known) = known {
        return if is_repeat(&wanted, &known) {
            show(&app, domain.id, &wanted, StatusCode::OK).await
        } else {
            Err(taken())
        };
    }
    let data = json!({
        "user_hash": wanted.indicated.as_str(),
        "user_indicator": wanted.indicator.as_str(),
        "email": wanted.email.as_ref().map(Email::spelling),
        "program_id": wanted.program_id,
    });
    let draft = app.draft(EventType::Signup, domain.name.as_str(), &client, data);
    match app.groups.request(&draft).await? {
        None => Ok(accepted(&draft.id)),
        Some(reply) => match status_of(&reply)? {
            Some(status) => show(&app, domain.id, &wanted, status).await,
            None => Ok(accepted(&draft.id)),
        },
    }
}

/// Everything that is refused before anything is published.
async fn check(app: &App, domain_id: i64, wanted: &Wanted) -> Result<(), Refusal> {
    let own = || Refusal::conflict("a user cannot refer itself");
    if wanted.indicator == wanted.indicated {
        return Err(own());
    }
    let referrer = accounts::account(&app.store, domain_id, wanted.indicator.as_str()).await?;
    let referrer = referrer.ok_or_else(|| Refusal::not_found("user_indicator not found"))?;
    if let Some(email) = &wanted.email
        && referrer.email_key.as_deref() == Some(email.key())
    {
        return Err(own());
    }
    if let Some(id) = wanted.program_id
        && programmes::one(&app.store, domain_id, id).await?.is_none()
    {
        return Err(Refusal::not_found("referral_program_id not found"));
    }
    Ok(())
}

/// Whether the user registered with just this referrer, e-mail and terms.
fn is_repeat(wanted: &Wanted, known: &Account) -> bool {
    let indicator = Some(wanted.indicator.as_str());
    let same_referrer =
        known.claim_indicator.as_deref().or(known.referrer_hash.as_deref()) == indicator;
    let same_email = known.email_key.as_deref() == wanted.email.as_ref().map(Email::key);
    let settled = known.terms.as_ref().map(|terms| terms.program_id);
    let same_terms = known.claim_program_id == wanted.program_id
        || (known.claim_program_id.is_none() && settled == wanted.program_id);
    same_referrer && same_email && same_terms
}

fn taken() -> Refusal {
    Refusal::conflict("the user exists with another referrer, e-mail or programme")
}

/// The status that an outcome is answered with; `None` for one that is not known here (a newer
/// worker's): the event did count.
fn status_of(reply: &Reply) -> Result<Option<StatusCode>, Refusal> {
    match reply.outcome.as_str() {
        "created" | "pending" => Ok(Some(StatusCode::CREATED)),
        "duplicate" => Ok(Some(StatusCode::OK)),
        "conflict" => Err(taken()),
        "self_referral" => Err(Refusal::conflict("a user cannot refer itself")),
        "invalid" => {
            let detail = reply.detail.clone().or_else(|| reply.reason.clone());
            let detail = detail.unwrap_or_else(|| "invalid".to_owned());
            Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
        }
        other => {
            tracing::warn!(outcome = other, "unknown outcome of a signup");
            Ok(None)
        }
    }
}

async fn show(
    app: &App,
    domain_id: i64,
    wanted: &Wanted,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let read = |hash: String| async move { accounts::account(&app.store, domain_id, &hash).await };
    let account = read(wanted.indicated.as_str().to_owned()).await?;
    let missing = || Refusal::unavailable("the user is not to be seen yet");
    let account = account.ok_or_else(missing)?;
    let referrer = match account.referrer_hash.clone().or(account.claim_indicator.clone()) {
        Some(hash) => read(hash).await?,
        None => None,
    };
    let user = shapes::user(account, referrer, &app.settings.public_url);
    Ok((status, Json(user)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::Money, store::accounts::AccountTerms};

    fn known() -> Account {
        Account {
            user_hash: "b".to_owned(),
            code: "x".to_owned(),
            email_key: Some("b@example.com".to_owned()),
            claim_indicator: Some("a".to_owned()),
            claim_code: None,
            claim_program_id: None,
            referrer_hash: Some("a".to_owned()),
            terms: Some(AccountTerms {
                program_id: 1,
                name: String::new(),
                credit: Money::ZERO,
                target: Money::ZERO,
                reward_percent_e4: 0,
                currency: "USD".to_owned(),
            }),
            acquired: None,
            event_id: "e".to_owned(),
        }
    }

    #[test]
    fn only_the_same_again_is_a_repeat() {
        let wanted = |indicator, email: Option<&str>, program_id| Wanted {
            indicator: UserHash::parse(indicator).unwrap(),
            indicated: UserHash::parse("b").unwrap(),
            program_id,
            email: email.map(|email| Email::parse(email).unwrap()),
        };
        let other_way = Account { claim_indicator: None, ..known() };
        let waiting = Account { referrer_hash: None, terms: None, ..known() };
        let named = Account { claim_program_id: Some(1), ..known() };
        let email = Some("B@example.com");
        for (name, wanted, known, expected) in [
            ("the same", wanted("a", email, None), known(), true),
            ("the programme it got", wanted("a", email, Some(1)), known(), true),
            ("while it waits", wanted("a", email, None), waiting, true),
            ("came by code", wanted("a", email, None), other_way, true),
            ("another referrer", wanted("c", email, None), known(), false),
            ("another e-mail", wanted("a", Some("c@example.com"), None), known(), false),
            ("no e-mail", wanted("a", None, None), known(), false),
            ("another programme", wanted("a", email, Some(2)), known(), false),
            ("no programme", wanted("a", email, None), named, false),
        ] {
            assert_eq!(is_repeat(&wanted, &known), expected, "{name}");
        }
    }

    #[test]
    fn missing_hashes_are_412_and_bad_ones_422() {
        for (body, status) in [
            ("", 412),
            ("user_indicator=a", 412),
            ("user_indicated=b", 412),
            ("user_indicator=&user_indicated=b", 412),
            ("user_indicator=a+a&user_indicated=b", 422),
            ("user_indicator=a&user_indicated=b&referral_program_id=x", 422),
            ("user_indicator=a&user_indicated=b&email=x", 422),
        ] {
            let refusal = Wanted::read(&Fields::of_form(body.as_bytes())).err().unwrap();
            assert_eq!(refusal.status.as_u16(), status, "{body}");
        }
    }
}
