//! `GET /register?ref_code=CODE`: the referral link (contract 2).
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use url::{Position, Url};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::ingress::{
    App,
    openapi::both,
    pages::{self, Register},
    problem::Refusal,
    visit::Visit,
};

/// Its routes.
pub fn routes() -> OpenApiRouter<App> {
    both(routes!(follow))
}

/// The referral link
///
/// A visit is a click; a `HEAD`, a prefetch, or an unknown code is none, with the same answer. It is
/// answered once the click is kept, whether the broker is there or not.
#[utoipa::path(get, path = "/register", tag = "rcp", operation_id = "follow",
    params(
        ("ref_code" = Option<String>, Query, description = "The referral code", nullable = false, example = "b4b9e071006f409d8e6d"),
        ("click" = Option<String>, Query, description = "The click that `/ref/{code}/` has counted: not counted again", nullable = false,
            example = "01935a5e-8f0b-7c3a-9d2e-4b5f6a7c8d9e"),
    ),
    responses(
        (status = 200, description = "The built-in page, where `REGISTER_URL` is not set", body = String,
            content_type = "text/html"),
        (status = 303, description = "To `REGISTER_URL`, with `ref_code` kept",
            headers(("Location" = String, description = "Where to register"))),
        (status = 503, description = "The click could not be kept: safe to repeat"),
    ))]
async fn follow(State(app): State<App>, visit: Visit) -> Result<Response, Refusal> {
    let code = visit.given("ref_code");
    visit.click(&app, &code).await?;
    Ok(answer(app.onward.as_ref(), &code))
}

/// The way to `REGISTER_URL`: it with the code, which goes to the end of its query.
#[derive(Debug)]
pub struct Onward {
    before: String,
    after: String,
}

impl Onward {
    /// Takes it apart once; `None` for what is no URL.
    pub fn to(register_url: &str) -> Option<Self> {
        let mut url = Url::parse(register_url).ok()?;
        url.query_pairs_mut().append_pair("ref_code", "");
        let (before, after) = (&url[..Position::AfterQuery], &url[Position::AfterQuery..]);
        Some(Self { before: before.to_owned(), after: after.to_owned() })
    }

    fn with(&self, code: &str) -> String {
        let mut url = String::with_capacity(self.before.len() + code.len() + self.after.len());
        url.push_str(&self.before);
        url.extend(form_urlencoded::byte_serialize(code.as_bytes()));
        url.push_str(&self.after);
        url
    }
}

/// The same for every code, also for none.
fn answer(onward: Option<&Onward>, ref_code: &str) -> Response {
    match onward {
        Some(onward) => {
            let location = [(header::LOCATION, onward.with(ref_code))];
            // Whoever keeps this answer would swallow later clicks.
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::SEE_OTHER, no_store, location).into_response()
        }
        None => pages::page(StatusCode::OK, &Register { ref_code, email: "", problem: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_kept_and_cannot_break_out() {
        let location = |url, code| {
            let answer = answer(Onward::to(url).as_ref(), code);
            assert_eq!(answer.status(), StatusCode::SEE_OTHER);
            answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
        };
        assert_eq!(location("https://h/join?a=1", "C0"), "https://h/join?a=1&ref_code=C0");
        assert_eq!(location("https://h/join#top", "C 0"), "https://h/join?ref_code=C+0#top");
        assert_eq!(location("https://h/?", ""), "https://h/?ref_code=");
        assert_eq!(location("https://h/", "x&y\r\nz"), "https://h/?ref_code=x%26y%0D%0Az");
        assert_eq!(answer(None, "C0").status(), StatusCode::OK);
    }
}
