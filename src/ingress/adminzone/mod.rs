//! `/adminzone/` (contract 3): the client's page of a site, and the ways in: the seed's URL with login
//! and password, a form, and the link of a letter.
//!
//! Reading order: [`visitor`] (who asks), [`own`] (whether a form is ours), [`login`] (whether a
//! password is right), [`session`] (who is signed in), [`entry`] (in and out), [`site`] (the page),
//! [`password`] and [`forgot`]. Everything here is answered with a page or a redirect. Refuses to
//! log, keep or send on what is in a query.
mod entry;
mod forgot;
mod login;
mod own;
mod password;
mod session;
mod site;
mod visitor;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The client's page.
const HOME: &str = "/adminzone/";
/// Where to ask for a letter with a link.
const FORGOT: &str = "/adminzone/forgot";
/// Where a password is set.
const PASSWORD: &str = "/adminzone/password";

/// All routes.
pub fn routes() -> OpenApiRouter<App> {
    entry::routes().merge(password::routes()).merge(forgot::routes())
}

/// 303 to another page here. Nobody keeps it, or is told where it came from.
fn to(path: &str) -> Response {
    let guard = [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
    (guard, Redirect::to(path)).into_response()
}

/// The answer with one more header of this name.
fn with(mut response: Response, name: header::HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
    response
}
