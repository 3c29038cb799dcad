//! Whether somebody is the administrator of a site: by e-mail and password, as in `auth` for others.
use crate::{
    domain::{Email, Host},
    ingress::{App, auth, problem::Refusal, throttle::Key},
    store::{
        StoreError,
        sites::{self, Site},
    },
};

use super::visitor::Visitor;

/// What the logins of these pages are counted under: no domain's name, and none that can be sent.
const ZONE: &str = "\0adminzone";

/// What was given to sign in with.
pub struct Given {
    /// The site; may be empty.
    pub host: String,
    /// The administrator's address.
    pub login: String,
    /// Their password.
    pub password: String,
}

/// The site that this signs in at. Unknown site, wrong login and wrong password are one and the same
/// `None`, in the same time.
pub async fn log_in(app: &App, visitor: &Visitor, given: Given) -> Result<Option<Site>, Refusal> {
    let Given { host, login, password } = given;
    let email = Email::parse(&login).ok();
    // Whatever site is named: an address has so many tries at all of its sites together.
    let name = email.as_ref().map_or(login.as_str(), Email::key);
    let tried_by = [Key::address(visitor.client.address), Key::login(ZONE, name)];
    let turn = auth::admit(app, &tried_by).await?;
    let found = match &email {
        Some(email) => find(app, visitor, &host, email).await?,
        None => None,
    };
    let stored = found.as_ref().map(|site| site.password_hash.as_str());
    if turn.verify(password, stored).await {
        return Ok(found);
    }
    app.throttle.failed(&tried_by, app.clock.now());
    Ok(None)
}

/// The site that is named, else the one by whose name the visitor came, else the only one of this
/// address; if this address is its administrator's.
async fn find(
    app: &App,
    visitor: &Visitor,
    named: &str,
    email: &Email,
) -> Result<Option<Site>, StoreError> {
    let site = match (named.trim(), &visitor.here) {
        ("", Some(here)) => match sites::by_host(&app.store, here).await? {
            Some(site) => Some(site),
            None => sites::only_of(&app.store, email).await?,
        },
        ("", None) => sites::only_of(&app.store, email).await?,
        (named, _) => match Host::parse(named) {
            Ok(host) => sites::by_host(&app.store, &host).await?,
            Err(_) => None,
        },
    };
    Ok(site.filter(|site| site.email_key == email.key()))
}
