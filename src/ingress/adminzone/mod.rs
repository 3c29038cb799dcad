//! `/adminzone/` (contract 3): the client's page of a site, and the ways in: the seed's URL with login
//! and password, a form, and the link of a letter.
//!
//! Reading order: [`visitor`] (who asks), [`login`] (whether a password is right), [`session`] (who is
//! signed in), [`entry`] (in and out), [`site`] (the page), [`password`] and [`forgot`]. Everything here is answered with a page or a redirect. Refuses to
//! log, keep or send on what is in a query.
mod entry;
mod forgot;
mod login;
mod password;
mod session;
mod site;
mod visitor;

use utoipa_axum::router::OpenApiRouter;

use super::{
    App,
    pages::{to, with},
};

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
