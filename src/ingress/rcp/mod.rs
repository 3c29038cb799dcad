//! The RCP dialect (contract 2): tokens, codes, daily records, the referral link and
//! the form of its page.
mod form;
pub mod link;
pub mod pace;
mod referral;
mod token;

use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The dialect's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(token::routes())
        .merge(referral::routes())
        .merge(link::routes())
        .merge(form::routes())
}
