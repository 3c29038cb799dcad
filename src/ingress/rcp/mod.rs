//! The RCP dialect (contract 2): tokens, codes, daily records, the referral link.
mod link;
mod referral;
mod token;

use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The dialect's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(token::routes()).merge(referral::routes()).merge(link::routes())
}
