//! `/dashboard/`: what administrators see of their domain, and what they do about it.
//!
//! Pages that are whole without JavaScript; a script adds plots ([`assets`]) and the figures of the moment
//! ([`live`]). Everything is from this host and said so by a strict policy. A login here is a token as
//! contract 2 has it, in a cookie: there is one kind of key for an administrator. Every figure is read
//! through the same functions as the API's.
//!
//! Reading order: [`session`] (who), [`entry`] (in and out), [`frame`] (what pages have in common),
//! [`table`] (lists, as pages and as CSV), then a file a page. What is of all domains (queues, parked
//! messages) is shown to administrators of `DASHBOARD_OPERATORS` alone.
mod assets;
mod codes;
mod dead;
mod deliveries;
mod entry;
mod frame;
pub mod live;
mod overview;
mod partners;
mod programmes;
mod session;
mod table;

use axum::{
    Router,
    response::Response,
    routing::{get, post},
};

use super::{App, pages::to};

/// The first page.
const HOME: &str = "/dashboard/";
/// Where people sign in.
const LOGIN: &str = "/dashboard/login";

/// All routes: pages for people, which the document of the API leaves out.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/dashboard", get(async || -> Response { to(HOME) }))
        .route(HOME, get(overview::show))
        .route("/dashboard/days.csv", get(overview::export))
        .route("/dashboard/live", get(live::stream))
        .route(LOGIN, get(entry::show).post(entry::log_in))
        .route("/dashboard/logout", post(entry::log_out))
        .route("/dashboard/assets/{name}", get(assets::serve))
        .route("/dashboard/codes", get(codes::list))
        .route("/dashboard/codes.csv", get(codes::export))
        .route("/dashboard/codes/{code}", get(codes::show))
        .route("/dashboard/records.csv", get(codes::export_records))
        .route("/dashboard/programmes", get(programmes::list).post(programmes::create))
        .route("/dashboard/programmes.csv", get(programmes::export))
        .route("/dashboard/programmes/{id}", get(programmes::show).post(programmes::change))
        .route("/dashboard/deliveries", get(deliveries::list))
        .route("/dashboard/deliveries.csv", get(deliveries::export))
        .route("/dashboard/deliveries/retry", post(deliveries::retry_all))
        .route("/dashboard/deliveries/{id}", get(deliveries::show))
        .route("/dashboard/deliveries/{id}/retry", post(deliveries::retry))
        .route("/dashboard/dead", get(dead::list))
        .route("/dashboard/dead.csv", get(dead::export))
        .route("/dashboard/dead/replay", post(dead::replay))
        .route("/dashboard/dead/drop", post(dead::remove))
        .route("/dashboard/partners", get(partners::list))
        .route("/dashboard/partners.csv", get(partners::export))
        .route("/dashboard/partners/key", post(partners::make_key))
        .route("/dashboard/partners/revoke", post(partners::revoke_key))
        .route("/dashboard/payouts.csv", get(partners::export_payouts))
        .route("/dashboard/payouts/{id}", post(partners::close_payout))
}
