//! `POST /v1/auth/token` and `DELETE /v1/auth/token/{id}` (contract 2).
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    ingress::{
        App,
        auth::{self, Caller},
        client::Client,
        fields::Fields,
        problem::{InPath, Refusal},
    },
    store::access,
};

/// How long a token is good where the request does not say, in seconds (the seed's).
pub const TTL_DEFAULT_SECONDS: i64 = 1_314_000;
/// The longest: a year.
pub const TTL_MAX_SECONDS: i64 = 365 * 24 * 60 * 60;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(issue)).routes(routes!(revoke))
}

/// Who wants a token
#[derive(ToSchema)]
#[expect(dead_code, reason = "documentation; read by name from JSON or a form")]
#[schema(example = json!({"domain": "default", "login": "ada", "password": "correct horse battery staple", "ttl": 1_314_000}))]
struct Credentials {
    #[schema(min_length = 1, max_length = 2048)]
    domain: String,
    #[schema(min_length = 1, max_length = 2048)]
    login: String,
    #[schema(min_length = 1, max_length = 2048)]
    password: String,
    /// How long the token is good, in seconds
    #[schema(minimum = 1, maximum = 31_536_000, default = 1_314_000)]
    ttl: Option<i64>,
    /// The one-time code of an administrator who has TOTP switched on; ignored otherwise
    code: Option<String>,
}

/// A new token; its key is shown this once
#[derive(Serialize, ToSchema)]
#[schema(as = Token, example = json!({
    "id": "16f3b266-d622-4b83-b541-90a50d7f2107", "key": "da3730bfe8f2e9fff1450c67a577b46dcb1b9df6",
    "ctime": "2026-11-22T12:00:00.000000+00:00", "issued_device_info": "curl/8.5.0",
    "issued_ip_address": "203.0.113.9", "expires": "2026-12-07T17:00:00.000000+00:00",
}))]
struct NewKey<'a> {
    /// For revoking
    #[schema(value_type = uuid::Uuid)]
    id: &'a str,
    /// The bearer token
    #[schema(pattern = "^[0-9a-f]{40}$")]
    key: &'a str,
    /// With the domain's UTC offset
    #[schema(format = DateTime)]
    ctime: String,
    /// The `User-Agent`
    issued_device_info: &'a str,
    issued_ip_address: &'a str,
    /// With the domain's UTC offset
    #[schema(format = DateTime)]
    expires: String,
}

/// Logs in
///
/// Wrong login, wrong password and unknown domain are one and the same 401.
#[utoipa::path(post, path = "/v1/auth/token", tag = "rcp", operation_id = "log_in",
    request_body(content((Credentials = "application/json"), (Credentials = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "A new token", body = NewKey),
        (status = 401, description = "wrong domain, login or password"),
        (status = 422, description = "A member is missing or bad; `field` names it"),
        (status = 429, description = "10 failures within a minute from one address or for one login"),
        (status = 503, description = "The database is away: safe to repeat"),
    ))]
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
    let token = auth::issue(&app, client, administrator_id, ttl * 1000).await?;
    let issued = NewKey {
        id: &token.id,
        key: &token.key,
        ctime: token.time.rfc3339(domain.zone),
        issued_device_info: &token.device_info,
        issued_ip_address: &token.ip_address,
        expires: token.expires.rfc3339(domain.zone),
    };
    let no_store = [(axum::http::header::CACHE_CONTROL, "no-store")];
    Ok((no_store, Json(issued)).into_response())
}

/// Revokes a token: its key stops working at once
#[utoipa::path(delete, path = "/v1/auth/token/{id}", tag = "rcp", operation_id = "revoke_token",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The token's id", example = "16f3b266-d622-4b83-b541-90a50d7f2107")),
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "The domain has no such token"),
    ))]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    InPath(id): InPath,
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
