//! In and out: the login form, what it sends, and the way out.
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::Response,
};

use super::{
    LOGIN,
    session::{self, Admin, COOKIE},
};
use crate::ingress::{
    App, auth,
    client::Client,
    fields::InQuery,
    own::{Own, Posted},
    pages::{
        self, to, with,
        zone::{Field, Flaw, Form},
    },
    problem::Refusal,
};

/// The form.
pub async fn show(InQuery(query): InQuery) -> Response {
    let typed = Typed { next: query.text_if_one("next"), ..Typed::default() };
    form(StatusCode::OK, &typed, None)
}

/// What was typed, but the secrets.
#[derive(Default)]
struct Typed {
    domain: String,
    login: String,
    next: String,
}

/// Signs in.
pub async fn log_in(
    State(app): State<App>,
    client: Client,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    let typed = Typed {
        domain: fields.text_if_one("domain").trim().to_owned(),
        login: fields.text_if_one("login").trim().to_owned(),
        next: fields.text_if_one("next"),
    };
    let password = fields.text_if_one("password");
    if let Some(flaw) = flaw(&typed, &password) {
        // Nothing was tried, so nothing failed.
        return Ok(form(StatusCode::UNPROCESSABLE_ENTITY, &typed, Some(flaw)));
    }
    let code = fields.text_if_one("code");
    let Typed { domain, login, .. } = &typed;
    let id = match auth::log_in(&app, &client, domain, login, password, code).await {
        Ok(id) => id,
        Err(refusal) => {
            let (status, text) = match refusal.status {
                StatusCode::UNAUTHORIZED => (
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "Domain, login, password or code were wrong.",
                ),
                StatusCode::TOO_MANY_REQUESTS => (
                    refusal.status,
                    "There were too many failed tries. Please wait a minute, then try again.",
                ),
                status => (status, "We could not sign you in just now. Please try again."),
            };
            let response = form(status, &typed, Some(Flaw { field: None, text }));
            return Ok(pages::retry_after(response, refusal.retry_after));
        }
    };
    let session = app.settings.dashboard.session;
    let token = auth::issue(&app, client, id, session.as_millis() as i64).await?;
    let cookie = COOKIE.set(&app, &token.key, session.as_secs());
    Ok(with(to(session::next(&typed.next)), header::SET_COOKIE, &cookie))
}

fn flaw(typed: &Typed, password: &str) -> Option<Flaw> {
    let missing = |field, text| Some(Flaw { field: Some(field), text });
    if typed.domain.is_empty() {
        return missing("domain", "Please enter your domain.");
    }
    if typed.login.is_empty() {
        return missing("login", "Please enter your login.");
    }
    if password.is_empty() {
        return missing("password", "Please enter your password.");
    }
    None
}

fn form(status: StatusCode, typed: &Typed, flaw: Option<Flaw>) -> Response {
    let domain = if typed.domain.is_empty() { "default" } else { &typed.domain };
    let fields = vec![
        Field::text("domain", "Domain", domain).required().completed_by("organization"),
        Field::text("login", "Login", &typed.login).required().completed_by("username"),
        Field::password("password", "Password").completed_by("current-password"),
        Field::text("code", "One-time code", "")
            .hint("Only if you have switched it on")
            .completed_by("one-time-code"),
    ];
    let form = Form {
        icon: "M10 34l9-10 7 6 12-15M10 38h28",
        title: "Dashboard",
        lead: "Clicks, signups, credits and deliveries of your domain.",
        action: LOGIN,
        hidden: (!typed.next.is_empty()).then_some(("next", typed.next.as_str())),
        fields,
        button: "Sign in",
        aside: None,
        flaw,
    };
    pages::page(status, &form)
}

/// Signs out: the session ends, its cookie goes.
pub async fn log_out(State(app): State<App>, admin: Admin, _own: Own) -> Result<Response, Refusal> {
    admin.end(&app, app.clock.now()).await?;
    Ok(with(to(LOGIN), header::SET_COOKIE, &COOKIE.remove(&app)))
}
