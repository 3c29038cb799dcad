//! In and out: `GET /adminzone/` (the page, the form, the login by URL), `POST /adminzone/` (the form's
//! login), `POST /adminzone/logout`.
//!
//! An address with secrets in it is never stayed at: whatever becomes of it, the browser is sent to the
//! bare one.
use axum::{
    extract::State,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    FORGOT, HOME,
    login::{self, Given},
    session, site, to,
    visitor::Visitor,
    with,
};
use crate::{
    domain::Host,
    ingress::{
        App,
        fields::Fields,
        openapi::both,
        own::{Own, Posted},
        pages::{
            self,
            zone::{Field, Flaw, Form},
        },
        problem::Refusal,
    },
};

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(show, log_in)).merge(both(routes!(log_out)))
}

/// What became of a login by URL, in the word that the bare address has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Login or password were wrong.
    Login,
    /// There were too many tries.
    Wait,
    /// Something is away.
    Away,
}

impl Problem {
    const ALL: [(Self, &str); 3] =
        [(Self::Login, "login"), (Self::Wait, "wait"), (Self::Away, "away")];

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == word).map(|(problem, _)| problem)
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        if refusal.status == StatusCode::TOO_MANY_REQUESTS { Self::Wait } else { Self::Away }
    }

    fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(problem, _)| *problem == self).map_or("", |(_, word)| word)
    }

    /// In a sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Login => {
                "The address or the password was wrong. If you have several sites, name the \
                one you want to see."
            }
            Self::Wait => "There were too many failed tries. Please wait a minute, then try again.",
            Self::Away => "We could not sign you in just now. Please try again in a moment.",
        }
    }
}

/// The bare address, with what there is to tell.
fn bare(path: &str, problem: Option<Problem>) -> String {
    match problem {
        Some(problem) => format!("{path}?problem={}", problem.word()),
        None => path.to_owned(),
    }
}

/// The client's page of a site; the login form for those who are not signed in
///
/// With `login` and `password` (the seed's URL login) it signs in: a session cookie and a redirect to the bare
/// address, whatever comes of it. Which site: `host`, else the one whose name this server was asked by, else the
/// only one of this e-mail address. Off with `ADMINZONE_URL_LOGIN=off`. Over the limit the page that says so has
/// `Refresh` to the bare address. A browser on its way from an address with secrets is once answered 409 with
/// `Refresh`, so that it does not show or propose that address.
#[utoipa::path(get, path = "/adminzone/", tag = "umi", operation_id = "adminzone",
    security((), ("session" = [])),
    params(
        ("login" = Option<String>, Query, description = "The administrator's e-mail address", nullable = false, example = "bob@example.com"),
        ("password" = Option<String>, Query, description = "Their password", nullable = false, format = Password),
        ("host" = Option<String>, Query, description = "The site; without a login it is put into the form", nullable = false,
            example = "shop.example.com"),
        ("problem" = Option<String>, Query, description = "What became of a login: `login`, `wait` or `away`", nullable = false,
            example = "login"),
    ),
    responses(
        (status = 200, description = "The page, or the form", body = String, content_type = "text/html"),
        (status = 303, description = "To the bare address",
            headers(("Location" = String, description = "`/adminzone/`, with `?problem=login` where it was wrong"))),
        (status = 409, description = "A page that at once goes on to the bare address"),
        (status = 429, description = "10 failures within a minute from one address or for one login"),
        (status = 503, description = "The database is away: safe to repeat"),
    ))]
async fn show(
    State(app): State<App>,
    visitor: Visitor,
    method: Method,
    uri: Uri,
) -> Result<Response, Refusal> {
    let query = uri.query().unwrap_or_default();
    let fields = Fields::of_form(query.as_bytes());
    if fields.has("login") || fields.has("password") {
        let response = log_in_by_url(&app, &visitor, &method, &fields).await?;
        // Only a browser has a history.
        let is_noted = visitor.navigates && response.status() == StatusCode::SEE_OTHER;
        let noted = |response| with(response, header::SET_COOKIE, &session::sent(&app));
        return Ok(if is_noted { noted(response) } else { response });
    }
    let problem = Problem::of(&fields.text_if_one("problem"));
    if visitor.navigates && visitor.is_sent {
        return Ok(passed(&app, problem));
    }
    if !uri.path().ends_with('/') {
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        return Ok(to(&format!("{HOME}{query}")));
    }
    if let Some(site) = session::current(&app, &visitor).await? {
        return site::page(&app, &site, problem).await;
    }
    let typed = Typed { host: fields.text_if_one("host"), login: String::new() };
    let response = form(StatusCode::OK, &typed, problem.map(whole));
    let is_stale = visitor.key.is_some();
    let cleared = |response| with(response, header::SET_COOKIE, &session::no_cookie(&app));
    Ok(if is_stale { cleared(response) } else { response })
}

async fn log_in_by_url(
    app: &App,
    visitor: &Visitor,
    method: &Method,
    fields: &Fields,
) -> Result<Response, Refusal> {
    // Whoever asks for the head of an answer alone wants nothing done.
    if !app.settings.adminzone_url_login || method != Method::GET {
        return Ok(to(HOME));
    }
    match enter(app, visitor, given(fields)).await {
        Ok(Some(cookie)) => Ok(with(to(HOME), header::SET_COOKIE, &cookie)),
        Ok(None) => Ok(to(&bare(HOME, Some(Problem::Login)))),
        Err(refusal) => {
            let there = bare(HOME, Some(Problem::of_refusal(&refusal)));
            Ok(with(refusal.into_response(), header::REFRESH, &format!("0; url={there}")))
        }
    }
}

fn given(fields: &Fields) -> Given {
    Given {
        host: fields.text_if_one("host"),
        login: fields.text_if_one("login"),
        password: fields.text_if_one("password"),
    }
}

/// The cookie of a new session; none where it was not the administrator.
async fn enter(app: &App, visitor: &Visitor, given: Given) -> Result<Option<String>, Refusal> {
    match login::log_in(app, visitor, given).await? {
        Some(site) => session::begin(app, visitor, &site).await.map(Some),
        None => Ok(None),
    }
}

/// A browser keeps every address of a chain of redirects. It hides the chain where that ends in an
/// error, and forgets where a page came from that another page sent it to: so both are done once,
/// on the way from an address with secrets in it.
fn passed(app: &App, problem: Option<Problem>) -> Response {
    let response = pages::page(StatusCode::CONFLICT, &pages::zone::Passing { next: HOME });
    let response = with(response, header::SET_COOKIE, &session::arrived(app));
    let next = bare(HOME.trim_end_matches('/'), problem);
    with(response, header::REFRESH, &format!("0; url={next}"))
}

/// Who wants to sign in
#[derive(ToSchema)]
#[schema(as = SiteLogin, example = json!({"host": "shop.example.com", "login": "bob@example.com", "password": "correct horse battery staple"}))]
#[expect(dead_code, reason = "documentation; read by name from a form")]
struct SignIn {
    /// The site; needed by those who have several
    #[schema(required = false, max_length = 253)]
    host: String,
    /// The administrator's e-mail address
    #[schema(max_length = 254)]
    login: String,
    #[schema(format = Password)]
    password: String,
}

/// What was typed, but the password.
struct Typed {
    host: String,
    login: String,
}

/// Signs in by the form
///
/// Unknown site, wrong login and wrong password are one and the same 422.
#[utoipa::path(post, path = "/adminzone/", tag = "umi", operation_id = "adminzone_log_in",
    request_body(content((SignIn = "application/x-www-form-urlencoded"))),
    responses(
        (status = 303, description = "Signed in: to the page",
            headers(("Location" = String, description = "`/adminzone/`"), ("Set-Cookie" = String, description = "The session"))),
        (status = 403, description = "The form was sent by a page of another host"),
        (status = 422, description = "The form again, with what is wrong", body = String, content_type = "text/html"),
        (status = 429, description = "The form again: 10 failures within a minute from one address or for one login",
            body = String, content_type = "text/html"),
        (status = 503, description = "The form again: the database is away; safe to repeat", body = String,
            content_type = "text/html"),
    ))]
async fn log_in(
    State(app): State<App>,
    visitor: Visitor,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    let given = given(&fields);
    let typed = Typed { host: given.host.clone(), login: given.login.clone() };
    if let Some(flaw) = flaw(&given) {
        // Nothing was tried, so nothing failed.
        return Ok(form(StatusCode::UNPROCESSABLE_ENTITY, &typed, Some(flaw)));
    }
    match enter(&app, &visitor, given).await {
        Ok(Some(cookie)) => Ok(with(to(HOME), header::SET_COOKIE, &cookie)),
        Ok(None) => Ok(form(StatusCode::UNPROCESSABLE_ENTITY, &typed, Some(whole(Problem::Login)))),
        Err(refusal) => {
            let flaw = whole(Problem::of_refusal(&refusal));
            let response = form(refusal.status, &typed, Some(flaw));
            Ok(pages::retry_after(response, refusal.retry_after))
        }
    }
}

fn whole(problem: Problem) -> Flaw {
    Flaw { field: None, text: problem.text() }
}

fn flaw(given: &Given) -> Option<Flaw> {
    let host = given.host.trim();
    if !host.is_empty() && Host::parse(host).is_err() {
        return Some(Flaw {
            field: Some("host"),
            text: "Please enter a name such as shop.example.com.",
        });
    }
    if given.login.trim().is_empty() {
        return Some(Flaw { field: Some("login"), text: "Please enter your e-mail address." });
    }
    let text = "Please enter your password.";
    given.password.is_empty().then_some(Flaw { field: Some("password"), text })
}

/// The login form, with what was typed and why it is shown again.
fn form(status: StatusCode, typed: &Typed, flaw: Option<Flaw>) -> Response {
    let Typed { host, login } = typed;
    let host = Field::text("host", "Site", host).hint("If you have several").completed_by("off");
    let login = Field::text("login", "E-mail address", login).required().completed_by("username");
    let password = Field::password("password", "Password").completed_by("current-password");
    let form = Form {
        icon: "M14 22h20v14H14zm4 0v-5a6 6 0 0 1 12 0v5m-6 5v4",
        title: "Sign in",
        lead: "See your site, your referral link, and what it has brought you.",
        action: HOME,
        hidden: None,
        fields: vec![login, password, host],
        button: "Sign in",
        aside: Some((FORGOT, "Forgot your password?")),
        flaw,
    };
    pages::page(status, &form)
}

/// Signs out: the session ends, its cookie goes
#[utoipa::path(post, path = "/adminzone/logout", tag = "umi", operation_id = "adminzone_log_out",
    security((), ("session" = [])),
    responses(
        (status = 303, description = "To the form",
            headers(("Location" = String, description = "`/adminzone/`"), ("Set-Cookie" = String, description = "An end to it"))),
        (status = 403, description = "The form was sent by a page of another host"),
        (status = 503, description = "The database is away: safe to repeat"),
    ))]
async fn log_out(State(app): State<App>, visitor: Visitor, _own: Own) -> Result<Response, Refusal> {
    session::end(&app, &visitor).await?;
    Ok(with(to(HOME), header::SET_COOKIE, &session::no_cookie(&app)))
}
