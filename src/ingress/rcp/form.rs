//! `POST /register/form`: the form of the built-in registration page (contract 2). What was typed
//! becomes a signup; every answer is a page, also a refusal.
//!
//! Anybody may send it, so the answer tells nothing: it is the same whether the address was known
//! or not, and waits for the broker only. Everything in the event but its time is a function of
//! what was typed: sent twice it is the same event, which counts once.
use axum::{
    extract::{FromRequest as _, Request, State},
    http::StatusCode,
    response::Response,
};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    broker::compose::Draft,
    domain::{Code, Email, EventType, event::DEFAULT_DOMAIN, key},
    ingress::{
        App,
        client::Client,
        fields::{Fields, Form, missing},
        openapi::both,
        pages::{self, Problem, Register, Thanks},
        problem::Refusal,
        throttle::Key,
    },
    store::codes,
};

/// CloudEvents `source` of these signups. Not the ingress's own: their ids are made of what was
/// typed, and nobody vouches for the address.
pub const SOURCE: &str = "/referral/ingress/register";

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(show, submit))
}

/// What the form has; whatever comes goes back into it.
#[derive(Default, ToSchema)]
#[schema(as = RegistrationForm, example = json!({"ref_code": "b4b9e071006f409d8e6d", "email": "bob@example.com"}))]
struct Given {
    /// The code of the link, whatever it is
    #[schema(required = false)]
    ref_code: String,
    /// The new user's address
    #[schema(format = Email, max_length = 254)]
    email: String,
}

/// The registration form, for those who come back to its address: no click
#[utoipa::path(get, path = "/register/form", tag = "rcp", operation_id = "form",
    responses((status = 200, description = "The form", body = String, content_type = "text/html")))]
async fn show() -> Response {
    pages::page(StatusCode::OK, &Register { ref_code: "", email: "", problem: None })
}

/// Registers from the built-in page
///
/// Everybody may, without a token, so the answer is the same whether the address was known or not. Sent twice
/// it is the same signup.
#[utoipa::path(post, path = "/register/form", tag = "rcp", operation_id = "submit_form",
    request_body(content((Given = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Thank you", body = String, content_type = "text/html"),
        (status = 408, description = "The form again: the body took over 10 s", body = String, content_type = "text/html"),
        (status = 413, description = "The form again: over `BODY_MAX` bytes", body = String, content_type = "text/html"),
        (status = 415, description = "The form again: this was none", body = String, content_type = "text/html"),
        (status = 422, description = "The form again, with what is wrong", body = String, content_type = "text/html"),
        (status = 429, description = "The form again: over `REGISTER_PER_MINUTE` from one address", body = String,
            content_type = "text/html"),
        (status = 503, description = "The form again: database or broker are away; safe to repeat", body = String,
            content_type = "text/html"),
    ))]
async fn submit(State(app): State<App>, client: Client, request: Request) -> Response {
    let fields = match Form::from_request(request, &app).await {
        Ok(Form(fields)) => fields,
        Err(refusal) => return again(&Given::default(), &refusal),
    };
    let (ref_code, email) = (fields.text_if_one("ref_code"), fields.text_if_one("email"));
    let given = Given { ref_code, email };
    match register(&app, &client, &fields, &given).await {
        Ok(email) => pages::page(StatusCode::OK, &Thanks { email: email.spelling() }),
        Err(refusal) => again(&given, &refusal),
    }
}

/// Publishes the signup; the address, once the broker has confirmed it.
async fn register(
    app: &App,
    client: &Client,
    fields: &Fields,
    given: &Given,
) -> Result<Email, Refusal> {
    app.forms.admit(Key::address(client.address))?;
    let email = fields.email("email")?.ok_or_else(|| missing("email"))?;
    let code = Code::parse(&given.ref_code).ok();
    // A code that nobody has registered yet waits in the event (contract 1, promise 2).
    let domain = match &code {
        Some(code) => codes::domain_of(&app.store, code).await?,
        None => None,
    };
    let domain = domain.as_deref().unwrap_or(DEFAULT_DOMAIN);
    let draft = signup(app, client, domain, &email, code.as_ref());
    app.groups.publish(&draft).await?;
    Ok(email)
}

fn signup(app: &App, client: &Client, domain: &str, email: &Email, code: Option<&Code>) -> Draft {
    let code = code.map(Code::as_str);
    let data = json!({
        "user_hash": name(&["user", domain, email.key()]),
        "email": email.spelling(),
        "code": code,
    });
    Draft {
        id: name(&["signup", domain, email.key(), code.unwrap_or_default()]),
        source: SOURCE.into(),
        ..app.draft(EventType::Signup, domain, client, data)
    }
}

/// A UUID that is a function of these texts, and tells none of them.
fn name(texts: &[&str]) -> String {
    let mut of = b"registration page\0".to_vec();
    for text in texts {
        of.extend((text.len() as u64).to_be_bytes());
        of.extend(text.as_bytes());
    }
    key::stable_id(&of)
}

/// The form once more, with what was typed and why.
fn again(given: &Given, refusal: &Refusal) -> Response {
    let Given { ref_code, email } = given;
    let problem = Some(problem(refusal, email));
    let response = pages::page(refusal.status, &Register { ref_code, email, problem });
    pages::retry_after(response, refusal.retry_after)
}

/// A refusal in words for people.
fn problem(refusal: &Refusal, email: &str) -> Problem {
    if refusal.field.is_some() {
        return Problem::Email(if email.trim().is_empty() {
            "Please enter your e-mail address."
        } else {
            "This is not an e-mail address. Please enter one such as name@example.com."
        });
    }
    Problem::Page(match refusal.status {
        StatusCode::SERVICE_UNAVAILABLE => {
            "We could not take your registration just now. Please try again in a moment: \
            nothing is counted twice."
                .to_owned()
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let seconds = refusal.retry_after.unwrap_or(1);
            let unit = if seconds == 1 { "second" } else { "seconds" };
            format!(
                "Too many registrations came from your network. Please try again in \
                {seconds} {unit}."
            )
        }
        _ => "We could not read your registration. Please try again.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_functions_of_all_their_texts_and_of_nothing_else() {
        let one = name(&["user", "shop", "a@b"]);
        assert_eq!(one, name(&["user", "shop", "a@b"]));
        assert_eq!(one, "1408b110-1317-82be-8f61-726ac8865383");
        for other in [
            ["user", "shop", "a@c"],
            ["user", "other", "a@b"],
            ["signup", "shop", "a@b"],
            ["user", "shopa", "@b"],
        ] {
            assert_ne!(one, name(&other), "{other:?}");
        }
    }

    #[test]
    fn people_are_told_what_to_do() {
        let wait = |seconds| Refusal {
            retry_after: Some(seconds),
            ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "x")
        };
        for (refusal, email, expected) in [
            (missing("email"), " ", "enter your e-mail"),
            (Refusal::field("email", "x"), "a", "name@example.com"),
            (Refusal::unavailable("x"), "a@b", "nothing is counted twice"),
            (wait(1), "a@b", "in 1 second."),
            (wait(20), "a@b", "in 20 seconds."),
            (Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "x"), "", "could not read"),
        ] {
            let text = match problem(&refusal, email) {
                Problem::Email(text) => text.to_owned(),
                Problem::Page(text) => text,
            };
            assert!(text.contains(expected), "{text}");
        }
    }
}
