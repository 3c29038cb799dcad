//! `/adminzone/password`: setting a password by the link of a letter.
//!
//! A link is good while the site's password is the one it was made for. Setting one is a single
//! conditional update, so each link works once, and all sessions of the password before are over.
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::Response,
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{HOME, PASSWORD, forgot, session, to, visitor::Visitor, with};
use crate::{
    credentials,
    domain::Host,
    ingress::{
        App, auth,
        fields::InQuery,
        openapi::both,
        own::Posted,
        pages::{
            self,
            zone::{Field, Flaw, Form},
        },
        problem::Refusal,
        throttle::Key,
    },
    store::{
        letters,
        sites::{self, Site},
    },
};

/// Shortest password that may be set, in characters.
const PASSWORD_MIN_CHARS: usize = 8;

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(show, set))
}

/// The form to set a password, for whoever has the link of a letter
#[utoipa::path(get, path = "/adminzone/password", tag = "umi", operation_id = "adminzone_password",
    params(("token" = Option<String>, Query, description = "From the letter", nullable = false,
        example = "da3730bfe8f2e9fff1450c67a577b46dcb1b9df6")),
    responses(
        (status = 200, description = "The form", body = String, content_type = "text/html"),
        (status = 404, description = "The link was used or has expired: the form to ask for another", body = String,
            content_type = "text/html"),
        (status = 429, description = "10 failures within a minute from one address"),
        (status = 503, description = "The database is away: safe to repeat"),
    ))]
async fn show(
    State(app): State<App>,
    visitor: Visitor,
    InQuery(query): InQuery,
) -> Result<Response, Refusal> {
    let token = query.text_if_one("token");
    Ok(match linked(&app, &visitor, &token).await? {
        Some(site) => form(StatusCode::OK, &site, &token, None),
        None => forgot::another_link(),
    })
}

/// A new password
#[derive(ToSchema)]
#[schema(as = NewPassword, example = json!({
    "token": "da3730bfe8f2e9fff1450c67a577b46dcb1b9df6", "password": "correct horse battery staple",
    "again": "correct horse battery staple",
}))]
#[expect(dead_code, reason = "documentation; read by name from a form")]
struct NewPassword {
    /// From the letter
    token: String,
    /// At most 1024 bytes
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    password: String,
    /// The same
    #[schema(format = Password)]
    again: String,
}

/// Sets a password, and signs in
///
/// A link works once. Whoever was signed in with the password before is so no more.
#[utoipa::path(post, path = "/adminzone/password", tag = "umi", operation_id = "adminzone_set_password",
    request_body(content((NewPassword = "application/x-www-form-urlencoded"))),
    responses(
        (status = 303, description = "Set, and signed in: to the page",
            headers(("Location" = String, description = "`/adminzone/`"), ("Set-Cookie" = String, description = "The session"))),
        (status = 403, description = "The form was sent by a page of another host"),
        (status = 404, description = "The link was used or has expired: the form to ask for another", body = String,
            content_type = "text/html"),
        (status = 422, description = "The form again, with what is wrong", body = String, content_type = "text/html"),
        (status = 429, description = "10 failures within a minute from one address"),
        (status = 503, description = "The database is away: safe to repeat"),
    ))]
async fn set(
    State(app): State<App>,
    visitor: Visitor,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    let [token, password, again] = ["token", "password", "again"].map(|n| fields.text_if_one(n));
    let Some(site) = linked(&app, &visitor, &token).await? else {
        return Ok(forgot::another_link());
    };
    if let Some(flaw) = flaw(&password, &again) {
        return Ok(form(StatusCode::UNPROCESSABLE_ENTITY, &site, &token, Some(flaw)));
    }
    let password_hash = app.hashing.turn().await?.hash(password).await?;
    let new = session::New::of(&app, &site.host, site.password_version + 1)?;
    let set = async || {
        let tx = app.store.begin().await?;
        let is_set =
            sites::set_password(&tx, &site.host, site.password_version, &password_hash).await?;
        if !is_set {
            tx.rollback().await?;
            return Ok(false);
        }
        new.begin(&tx).await?;
        tx.commit().await?;
        Ok(true)
    };
    if !app.store.again(set).await? {
        return Ok(forgot::another_link());
    }
    session::tidy(&app, &visitor).await;
    Ok(with(to(HOME), header::SET_COOKIE, &new.cookie(&app)))
}

/// The site whose password the link with this token is for. One that nobody was sent, or that is no
/// good any more, counts as a failed credential.
async fn linked(app: &App, visitor: &Visitor, token: &str) -> Result<Option<Site>, Refusal> {
    if token.is_empty() {
        // Nothing was tried, so nothing failed.
        return Ok(None);
    }
    let token_hash = credentials::key_hash(token);
    let finding = async {
        let link = letters::link(&app.store, &token_hash, app.clock.now()).await?;
        let Some(link) = link else { return Ok(None) };
        let Ok(host) = Host::parse(&link.host) else { return Ok(None) };
        let site = sites::by_host(&app.store, &host).await?;
        let site = site.filter(|site| site.password_version == link.password_version);
        Ok(site.map(|site| (link.token_hash, site)))
    };
    let tried_by = [Key::address(visitor.client.address)];
    let found = auth::open(app, &tried_by, &token_hash, finding, |(hash, _)| hash).await?;
    Ok(found.map(|(_, site)| site))
}

fn flaw(password: &str, again: &str) -> Option<Flaw> {
    let (field, text) = if password.chars().count() < PASSWORD_MIN_CHARS {
        ("password", "Please choose a password of 8 characters or more.")
    } else if password.len() > credentials::PASSWORD_MAX_BYTES {
        ("password", "This is too long. Please choose a shorter one.")
    } else if password != again {
        ("again", "This is not the same as above. Please type the password twice.")
    } else {
        return None;
    };
    Some(Flaw { field: Some(field), text })
}

fn form(status: StatusCode, site: &Site, token: &str, flaw: Option<Flaw>) -> Response {
    let login = Field::text("login", "E-mail address", &site.email).completed_by("username");
    let password = Field::password("password", "New password").completed_by("new-password");
    let again = Field::password("again", "The same again").completed_by("new-password");
    let form = Form {
        icon: "M19 25a7 7 0 1 1 6 6l-3 3h-3v3h-3v3h-5v-5l8-8z m12-6h.1",
        title: "Choose a password",
        lead: &format!("For {}. Whoever is signed in there will have to sign in again.", site.host),
        action: PASSWORD,
        hidden: Some(("token", token)),
        // Shown, and there for password managers; it is not read.
        fields: vec![login.fixed(), password.hint("8 characters or more"), again],
        button: "Set the password",
        aside: None,
        flaw,
    };
    pages::page(status, &form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_enough_not_too_long_and_typed_twice() {
        let (long, too_long) = ("x".repeat(1024), "é".repeat(513));
        for (password, again, expected) in [
            ("12345678", "12345678", None),
            ("пароль12", "пароль12", None),
            ("        ", "        ", None),
            (&long, &long, None),
            ("", "", Some("password")),
            ("1234567", "1234567", Some("password")),
            ("пароль1", "пароль1", Some("password")),
            (&too_long, &too_long, Some("password")),
            ("12345678", "", Some("again")),
            ("12345678", "12345678 ", Some("again")),
        ] {
            let field = flaw(password, again).and_then(|flaw| flaw.field);
            assert_eq!(field, expected, "{password} {again}");
        }
    }
}
