//! `GET /ref/{code}/?cur_from=…&cur_to=…`: the link with currencies (contract 4).
//!
//! Leads to `LANDING_URL`, whatever the code: the host is the settings', so there is no open
//! redirect.
use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    domain::landing::{self, Brought},
    ingress::{App, openapi::both, problem::Refusal, visit::Visit},
};

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(land))
}

/// The link with currencies
///
/// A visit is a click; a `HEAD`, a prefetch, or an unknown code is none, with the same answer. Values
/// other than 1 to 20 of `[0-9A-Za-z]` are left out of the address.
#[utoipa::path(get, path = "/ref/{code}/", tag = "aura", operation_id = "land",
    params(
        ("code" = String, Path, description = "The referral code", example = "b4b9e071006f409d8e6d"),
        ("cur_from" = Option<String>, Query, description = "The currency given", nullable = false, example = "PMUSD"),
        ("cur_to" = Option<String>, Query, description = "The currency got", nullable = false, example = "BTC"),
    ),
    responses(
        (status = 302, description = "To `LANDING_URL`, filled in, or to `/register`",
            headers(("Location" = String, description = "Where to land"))),
        (status = 503, description = "The click could not be kept: safe to repeat"),
    ))]
async fn land(
    State(app): State<App>,
    code: Result<Path<String>, PathRejection>,
    visit: Visit,
) -> Result<Response, Refusal> {
    // What is not even UTF-8 is no code either.
    let code = code.map(|Path(code)| code).unwrap_or_default();
    let click = visit.click(&app, &code).await?;
    let (cur_from, cur_to) = (visit.given("cur_from"), visit.given("cur_to"));
    let brought = Brought { cur_from: &cur_from, cur_to: &cur_to, code: &code };
    let location = match &app.settings.landing {
        Some(landing) => landing.fill(&brought),
        None => register(&code, click.as_deref()),
    };
    // Whoever keeps this answer would swallow later clicks.
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::FOUND, headers).into_response())
}

/// The registration page, told of the click, which it does not count again.
fn register(code: &str, click: Option<&str>) -> String {
    let code = landing::value(code);
    let click = click.map(|id| format!("&click={id}")).unwrap_or_default();
    format!("/register?ref_code={code}{click}")
}
