//! The aura dialect (contract 4): links with currencies, rate exports, partner accounts.
mod link;

use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The dialect's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(link::routes())
}
