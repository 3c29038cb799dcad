//! The aura dialect (contract 4): links with currencies, rate exports, partner accounts.
mod export;
mod link;
mod partner;
mod rates;
mod rendered;

pub use partner::ById;
pub(super) use rendered::Exports;
use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The dialect's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(link::routes())
        .merge(rates::routes())
        .merge(export::routes())
        .merge(partner::routes())
}
