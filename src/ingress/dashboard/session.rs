//! Who is signed in: a token of contract 2 whose key is in a cookie.
//!
//! It ends with its time, by signing out, or by being revoked like any other token.
use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse as _, Response},
};

use super::LOGIN;
use crate::{
    domain::Micros,
    ingress::{App, auth, client::Client, cookie::Cookie, pages::to, problem::Refusal},
    store::{access, reference::Domain},
};

/// The cookie of a session.
pub const COOKIE: Cookie = Cookie { name: "dashboard", path: "/dashboard" };

/// An administrator who is signed in.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The tenant that they see and change.
    pub domain: Domain,
    /// Their login.
    pub login: String,
    /// Whether they see what is of all domains.
    pub is_operator: bool,
    token_id: String,
}

impl FromRequestParts<App> for Admin {
    /// The way to the login.
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match current(parts, app).await {
            Ok(Some(admin)) => Ok(admin),
            Ok(None) => {
                let asked = parts.uri.path_and_query().map_or("", |asked| asked.as_str());
                Err(to(&login_for(asked)))
            }
            Err(refusal) => Err(refusal.into_response()),
        }
    }
}

/// Whoever is signed in. A key that nobody was given counts as a failed credential.
pub async fn current(parts: &mut Parts, app: &App) -> Result<Option<Admin>, Refusal> {
    let Some(key) = COOKIE.key(&parts.headers) else { return Ok(None) };
    let Ok(client) = Client::from_request_parts(parts, app).await;
    let held = auth::holder(app, &client, &key).await?;
    Ok(held.map(|held| Admin {
        is_operator: app.settings.dashboard.operators.contains(&held.domain.name),
        domain: held.domain,
        login: held.login,
        token_id: held.id,
    }))
}

impl Admin {
    /// Ends the session.
    pub async fn end(&self, app: &App, now: Micros) -> Result<(), Refusal> {
        access::revoke_token(&app.store, self.domain.id, &self.token_id, now).await?;
        Ok(())
    }

    /// A refusal for those who do not see what is of all domains.
    pub fn must_operate(&self) -> Result<(), Refusal> {
        if self.is_operator {
            return Ok(());
        }
        Err(Refusal::not_found("only operators see this"))
    }
}

/// The login that leads on to this page of the dashboard; to any other place it does not lead.
pub fn login_for(asked: &str) -> String {
    if next(asked) == super::HOME {
        return LOGIN.to_owned();
    }
    let next: String = form_urlencoded::byte_serialize(asked.as_bytes()).collect();
    format!("{LOGIN}?next={next}")
}

/// The page that a login goes on to.
pub fn next(asked: &str) -> &str {
    let is_page = asked.starts_with(super::HOME)
        && asked.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && !["/dashboard/login", "/dashboard/live", "/dashboard/logout"]
            .iter()
            .any(|not| asked.starts_with(not));
    if is_page { asked } else { super::HOME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_pages_of_the_dashboard_alone() {
        for (asked, expected) in [
            ("/dashboard/codes?q=a&page=2", "/dashboard/codes?q=a&page=2"),
            ("/dashboard/", "/dashboard/"),
            ("", "/dashboard/"),
            ("https://evil.example/dashboard/", "/dashboard/"),
            ("//evil.example/dashboard/", "/dashboard/"),
            ("/dashboard/\\evil", "/dashboard/"),
            ("/dashboard/\r\nx: y", "/dashboard/"),
            ("/dashboard/login?next=/dashboard/login", "/dashboard/"),
            ("/dashboardx", "/dashboard/"),
            ("/v1/referral", "/dashboard/"),
        ] {
            assert_eq!(next(asked), expected, "{asked:?}");
        }
        assert_eq!(login_for("/dashboard/"), "/dashboard/login");
        let on = login_for("/dashboard/codes?q=a&page=2");
        assert_eq!(on, "/dashboard/login?next=%2Fdashboard%2Fcodes%3Fq%3Da%26page%3D2");
    }
}
