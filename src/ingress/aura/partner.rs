//! `GET /service/partner/api.php` (contract 4): a partner's account, by a key in the query.
//!
//! Here: who may, and which method is meant. What went wrong is told in the answer, with HTTP 200;
//! only what no answer can be made for (too many failed keys, the database away) is a status of its
//! own. Refuses to log the query: it holds the key.
#![expect(unused_qualifications, reason = "written by utoipa's macros")]
mod answer;
mod exchange;
mod links;
mod lists;
mod payouts;

use axum::{
    Json,
    extract::State,
    http::{Method, header},
    response::{IntoResponse, Response},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::answer::ById;
use self::answer::{Answer, Data, Failure};
use crate::{
    credentials,
    ingress::{
        App, auth,
        client::Client,
        fields::{Fields, InQuery},
        problem::Refusal,
        throttle::Key,
    },
    store::partners::{self, Partner},
};

/// The one `api_action` there is.
const ACTION: &str = "pp";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(call))
}

/// What may be asked with; the key is the security scheme `partner_key`.
#[derive(IntoParams)]
#[expect(dead_code, reason = "documentation; read by name from the query")]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Always `pp`
    #[param(example = "pp", required = false)]
    api_action: String,
    /// `get_info`, `get_exchanges`, `get_links`, `get_payouts` or `add_payout`
    #[param(example = "get_info", required = false)]
    method: String,
    /// Lists: only what happened then or later, in Unix seconds
    #[param(nullable = false)]
    start_time: Option<i64>,
    /// Lists: only what happened then or earlier, in Unix seconds
    #[param(nullable = false)]
    end_time: Option<i64>,
    /// Lists: only what has a greater id; the way to the next 1,000 items
    #[param(nullable = false)]
    after: Option<i64>,
    /// `add_payout`: an id of `get_info`'s items
    #[param(nullable = false)]
    method_id: Option<i64>,
    /// `add_payout`: where to, in the payout method's words
    #[param(nullable = false, min_length = 1, max_length = 253)]
    account: Option<String>,
}

/// A partner's account
///
/// What is wrong with a call is told in `error`: 1 unknown `api_action`, 2 bad key, 3 unknown method, 4 bad
/// parameter. Lists are oldest first, at most 1,000 items. `add_payout` takes the whole balance, once: repeated,
/// it finds nothing due.
#[utoipa::path(get, path = "/service/partner/api.php", tag = "aura", operation_id = "partner_api",
    security(("partner_key" = [])),
    params(Asked),
    responses(
        (status = 200, description = "The answer, or what is wrong", body = Answer),
        (status = 429, description = "10 failed keys within a minute from one address"),
        (status = 503, description = "The database is away: safe to repeat"),
    ))]
async fn call(
    State(app): State<App>,
    client: Client,
    method: Method,
    InQuery(fields): InQuery,
) -> Result<Response, Refusal> {
    let answer = match answer(&app, &client, &method, &fields).await {
        Ok(data) => Answer::success(data),
        Err(failure) => Answer::failure(failure)?,
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((no_store, Json(answer)).into_response())
}

/// Checked in the order of the errors' numbers.
async fn answer(
    app: &App,
    client: &Client,
    http_method: &Method,
    fields: &Fields,
) -> Result<Data, Failure> {
    if fields.text_if_one("api_action") != ACTION {
        return Err(Failure::UnknownAction);
    }
    let partner = admit(app, client, &fields.text_if_one("api_key")).await?;
    match fields.text_if_one("method").as_str() {
        "get_info" => payouts::info(app, &partner).await,
        "get_exchanges" => lists::exchanges(app, &partner, fields).await,
        "get_links" => links::links(app, &partner, fields).await,
        "get_payouts" => payouts::list(app, &partner, fields).await,
        // Whoever asks for the head of an answer alone wants nothing done.
        "add_payout" if http_method == Method::GET => payouts::add(app, &partner, fields).await,
        _ => Err(Failure::UnknownMethod),
    }
}

/// The holder of this key; wrong ones are counted with all other credentials.
async fn admit(app: &App, client: &Client, key: &str) -> Result<Partner, Failure> {
    if key.is_empty() {
        // Nothing was tried, so nothing failed.
        return Err(Failure::BadKey);
    }
    let (tried_by, key_hash) = ([Key::address(client.address)], credentials::key_hash(key));
    let finding = partners::by_key(&app.store, &key_hash);
    let found = auth::open(app, &tried_by, &key_hash, finding, |found| &found.key_hash).await?;
    found.ok_or(Failure::BadKey)
}
