//! `/adminzone/forgot`: asking for a letter with a link to set a password.
//!
//! Anybody may ask, so the answer tells nothing: it is the same, after the same time, whether there is
//! such a site or not.
use std::time::Duration;

use axum::{extract::State, http::StatusCode, response::Response};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{FORGOT, HOME, visitor::Visitor};
use crate::{
    domain::{Email, Host},
    ingress::{
        App,
        openapi::both,
        own::Posted,
        pages::{
            self,
            zone::{Field, Flaw, Form, Note},
        },
        problem::Refusal,
        throttle::Key,
        umi::relay,
    },
    store::{
        StoreError,
        letters::{self, LetterKind},
        sites,
    },
};

/// The kind of the letter.
const KIND: LetterKind = LetterKind::Password;
/// A site is sent no second such letter within so many milliseconds.
const LETTER_EVERY_MS: i64 = 5 * 60 * 1000;
/// When the answer comes, whatever there was to do: far more than that takes.
const ANSWERED_AFTER: Duration = Duration::from_millis(250);

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(show, ask))
}

/// The form to ask for a letter with a link to set a password
#[utoipa::path(get, path = "/adminzone/forgot", tag = "umi", operation_id = "adminzone_forgot",
    responses((status = 200, description = "The form", body = String, content_type = "text/html")))]
async fn show() -> Response {
    form(StatusCode::OK, &Typed::default(), None)
}

/// Whose password was forgotten
#[derive(Default, ToSchema)]
#[schema(as = ForgottenPassword, example = json!({"host": "shop.example.com", "email": "bob@example.com"}))]
struct Typed {
    /// The site
    #[schema(max_length = 253)]
    host: String,
    /// Its administrator's address
    #[schema(format = Email, max_length = 254)]
    email: String,
}

/// Asks for a letter with a link to set a password
///
/// The answer is the same whether there is such a site or not. A site gets one such letter within 5 minutes.
#[utoipa::path(post, path = "/adminzone/forgot", tag = "umi", operation_id = "adminzone_ask",
    request_body(content((Typed = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "If there is such a site, a letter is on its way", body = String,
            content_type = "text/html"),
        (status = 403, description = "The form was sent by a page of another host"),
        (status = 422, description = "The form again, with what is wrong", body = String, content_type = "text/html"),
        (status = 429, description = "The form again: over `REGISTER_PER_MINUTE` from one address", body = String,
            content_type = "text/html"),
        (status = 503, description = "The form again: the database is away; safe to repeat", body = String,
            content_type = "text/html"),
    ))]
async fn ask(
    State(app): State<App>,
    visitor: Visitor,
    Posted(fields): Posted,
) -> Result<Response, Refusal> {
    let typed = Typed { host: fields.text_if_one("host"), email: fields.text_if_one("email") };
    if let Err(refusal) = app.forms.admit(Key::address(visitor.client.address)) {
        let text = "Too many came from your network. Please wait a minute, then try again.";
        return Ok(again(&typed, text, &refusal));
    }
    let flaw = |field, text| {
        form(StatusCode::UNPROCESSABLE_ENTITY, &typed, Some(Flaw { field: Some(field), text }))
    };
    let Ok(host) = Host::parse(typed.host.trim()) else {
        return Ok(flaw("host", "Please enter the name of your site, such as shop.example.com."));
    };
    let Ok(email) = Email::parse(&typed.email) else {
        return Ok(flaw("email", "Please enter an e-mail address such as name@example.com."));
    };
    let (posted, ()) = tokio::join!(post(&app, &host, &email), tokio::time::sleep(ANSWERED_AFTER));
    match posted {
        Ok(()) => Ok(pages::page(StatusCode::OK, &SENT)),
        Err(error) => {
            let text = "We could not do that just now. Please try again in a moment.";
            Ok(again(&typed, text, &error.into()))
        }
    }
}

const SENT: Note<'static> = Note {
    icon: "M11 15h26v18H11zm0 .5 13 10 13-10",
    title: "Check your mail",
    text: "If there is such a site with this address, a letter with a link is on its way. It may take a \
        few minutes; ask again if it does not come.",
    aside: Some((HOME, "Back to sign in")),
};

/// Posts the letter, if there is such a site and it was sent none of late: decided behind a lock on the
/// site, so that those who ask at once get one.
async fn post(app: &App, host: &Host, email: &Email) -> Result<(), StoreError> {
    let now = app.clock.now();
    let post = async || {
        let tx = app.store.begin().await?;
        let site = sites::locked(&tx, host).await?;
        // As the site has it: what was typed may be spelled otherwise.
        let to = site.and_then(|site| Email::parse(&site.email).ok());
        let since = now.plus_ms(-LETTER_EVERY_MS);
        let to = match to.filter(|to| to.key() == email.key()) {
            Some(to) if !letters::posted_since(&tx, KIND, host, since).await? => to,
            _ => return tx.rollback().await.map(|()| None),
        };
        let letter = letters::post(&tx, KIND, host, &to, now).await?;
        tx.commit().await?;
        Ok(Some(letter))
    };
    if let Some(letter) = app.store.again(post).await? {
        relay::announce(app, letter);
    }
    Ok(())
}

/// For those whose link is no good any more: the form to ask for another.
pub fn another_link() -> Response {
    let text = "This link was used already or has expired. Ask for another here.";
    form(StatusCode::NOT_FOUND, &Typed::default(), Some(Flaw { field: None, text }))
}

fn again(typed: &Typed, text: &'static str, refusal: &Refusal) -> Response {
    let response = form(refusal.status, typed, Some(Flaw { field: None, text }));
    pages::retry_after(response, refusal.retry_after)
}

fn form(status: StatusCode, typed: &Typed, flaw: Option<Flaw>) -> Response {
    let host = Field::text("host", "Site", &typed.host).required().completed_by("off");
    let email = Field::text("email", "E-mail address", &typed.email).required();
    let form = Form {
        icon: "M11 15h26v18H11zm0 .5 13 10 13-10",
        title: "Forgot your password?",
        lead: "Tell us your site and the address you sign in with. We send you a link to choose a new \
            password.",
        action: FORGOT,
        hidden: None,
        fields: vec![host.hint("Such as shop.example.com"), email.completed_by("username")],
        button: "Send the link",
        aside: Some((HOME, "Back to sign in")),
        flaw,
    };
    pages::page(status, &form)
}
