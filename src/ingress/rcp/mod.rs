//! The RCP dialect (contract 2): tokens, codes, daily records, the referral link.
mod link;
mod referral;
mod token;

use axum::Router;

use super::App;

/// The dialect's routes.
pub fn routes() -> Router<App> {
    Router::new().merge(token::routes()).merge(referral::routes()).merge(link::routes())
}
