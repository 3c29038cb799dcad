//! `POST /v1/auth/token` and `DELETE /v1/auth/token/{id}` (contract 2).
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, post},
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    credentials,
    ingress::{
        App,
        auth::{self, Caller},
        client::Client,
        fields::Fields,
        problem::Refusal,
    },
    store::access::{self, NewToken},
};

/// How long a token is good where the request does not say, in seconds (the seed's).
pub const TTL_DEFAULT_SECONDS: i64 = 1_314_000;
/// The longest: a year.
pub const TTL_MAX_SECONDS: i64 = 365 * 24 * 60 * 60;

pub fn routes() -> Router<App> {
    Router::new().route("/v1/auth/token", post(issue)).route("/v1/auth/token/{id}", delete(revoke))
}

/// A new token; its key is shown this once.
#[derive(Serialize)]
struct NewKey<'a> {
    id: &'a str,
    key: &'a str,
    ctime: String,
    issued_device_info: &'a str,
    issued_ip_address: &'a str,
    expires: String,
}

async fn issue(
    State(app): State<App>,
    client: Client,
    fields: Fields,
) -> Result<Response, Refusal> {
    let domain = fields.required("domain")?;
    let login = fields.required("login")?;
    let password = fields.required("password")?;
    let ttl = fields.int("ttl")?.unwrap_or(TTL_DEFAULT_SECONDS);
    if !(1..=TTL_MAX_SECONDS).contains(&ttl) {
        let problem = format!("must be 1 to {TTL_MAX_SECONDS} seconds");
        return Err(Refusal::field("ttl", problem));
    }
    let code = fields.text_if_one("code");
    let administrator_id = auth::log_in(&app, &client, &domain, &login, password, code).await?;
    let found = crate::store::tenants::domain(&app.store, &domain).await?;
    let Some(domain) = found else { return Err(Refusal::not_found("the domain is gone")) };
    let (id, key) = (Uuid::new_v4().to_string(), credentials::new_key()?);
    let (device_info, ip_address) =
        (client.user_agent.unwrap_or_default(), client.address.to_string());
    let now = app.clock.now();
    let token = NewToken {
        id: &id,
        administrator_id,
        key_hash: &credentials::key_hash(&key),
        device_info: &device_info,
        ip_address: &ip_address,
        now,
        expires: now.plus_ms(ttl * 1000),
    };
    access::create_token(&app.store, &token).await?;
    let issued = NewKey {
        id: &id,
        key: &key,
        ctime: now.rfc3339(domain.zone),
        issued_device_info: &device_info,
        issued_ip_address: &ip_address,
        expires: token.expires.rfc3339(domain.zone),
    };
    let no_store = [(axum::http::header::CACHE_CONTROL, "no-store")];
    Ok((no_store, Json(issued)).into_response())
}

async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let now = app.clock.now();
    // Ids are kept in the one spelling that they were given out in.
    let id = Uuid::try_parse(&id).map(|id| id.to_string()).unwrap_or_default();
    if access::revoke_token(&app.store, caller.domain.id, &id, now).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found("there is no such token"))
    }
}
