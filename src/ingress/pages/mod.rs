//! The pages that people see: what they look like, and the headers they leave with.
//!
//! Plain HTML that needs no script and loads nothing, from nowhere: the one style sheet is in the
//! page and is allowed by its hash. Refuses to know what is registered; that is `rcp`'s. What clients
//! see is in [`zone`].
pub mod zone;

use std::sync::OnceLock;

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// The style sheet of all pages; its colours are the dashboard's, too.
const STYLE: &str = concat!(include_str!("palette.css"), include_str!("page.css"));

/// Why the form is shown again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// What is wrong with the address.
    Email(&'static str),
    /// What else was in the way.
    Page(String),
}

/// The registration form.
#[derive(Template)]
#[template(path = "register.html", config = "src/ingress/pages/askama.toml")]
pub struct Register<'a> {
    /// The code of the link, whatever it is: handed on unread.
    pub ref_code: &'a str,
    /// What was typed before.
    pub email: &'a str,
    /// Why the form is shown again.
    pub problem: Option<Problem>,
}

/// The answer to a registration.
#[derive(Template)]
#[template(path = "thanks.html", config = "src/ingress/pages/askama.toml")]
pub struct Thanks<'a> {
    /// The address that was typed, for its owner to check.
    pub email: &'a str,
}

/// A page as an answer. Nobody keeps it: whoever did would swallow later clicks.
pub fn page(status: StatusCode, page: &impl Template) -> Response {
    answer(status, page, policy())
}

/// A page that may load what `policy` says, as an answer that nobody keeps.
pub fn answer(status: StatusCode, page: &impl Template, policy: HeaderValue) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let guard = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (status, guard, Html(html)).into_response()
}

/// The same, with `Retry-After` in seconds where there is something to wait for.
pub fn retry_after(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// 303 to another page here. Nobody keeps it, or is told where it came from.
pub fn to(path: &str) -> Response {
    let guard = [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
    (guard, Redirect::to(path)).into_response()
}

/// The answer with one more header of this name.
pub fn with(mut response: Response, name: header::HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
    response
}

/// A decimal number with its thousands set apart.
pub fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut text = String::with_capacity(number.len() + 8);
    for (place, digit) in whole.char_indices() {
        let left = whole.len() - place;
        if left % 3 == 0 && text.ends_with(|c: char| c.is_ascii_digit()) {
            // A narrow space that does not break.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text + rest
}

/// Nothing but the style sheet above, and forms of this host.
fn policy() -> HeaderValue {
    static POLICY: OnceLock<HeaderValue> = OnceLock::new();
    let make = || {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; \
            base-uri 'none'; frame-ancestors 'none'"
        );
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    };
    POLICY.get_or_init(make).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(ref_code: &str, email: &str, problem: Option<Problem>) -> String {
        Register { ref_code, email, problem }.render().unwrap()
    }

    #[test]
    fn nothing_that_was_given_breaks_out_of_its_place() {
        let evil = r#""><script>alert(1)</script><p a='"#;
        let page = form(evil, evil, Some(Problem::Page(evil.to_owned())));
        let thanks = Thanks { email: evil }.render().unwrap();
        for (html, times) in [(page, 3), (thanks, 1)] {
            assert!(!html.contains("<script") && !html.contains("a='"), "{html}");
            assert_eq!(html.matches("&#60;script&#62;").count(), times, "{html}");
        }
    }

    #[test]
    fn a_problem_of_the_address_stands_beside_it_and_is_tied_to_it() {
        let page = form("c", "x", Some(Problem::Email("is wrong")));
        assert!(page.contains(r#"aria-describedby="email-problem""#), "{page}");
        assert!(page.contains(r#"<p class="problem" id="email-problem">is wrong</p>"#), "{page}");
        assert!(page.contains(r#"value="x""#), "{page}");
        let fresh = form("c", "", None);
        assert!(
            !fresh.contains(r#"aria-invalid="true""#) && !fresh.contains("id=\"email-problem\"")
        );
    }

    #[test]
    fn pages_ask_for_nothing() {
        for html in [form("c", "", None), Thanks { email: "a@b" }.render().unwrap()] {
            for word in ["src=", "href=", "url(", "@import", "http:", "https:", "<script"] {
                assert!(!html.contains(word), "{word}: {html}");
            }
            assert!(
                html.contains(&format!("<style>{STYLE}</style>")),
                "the policy's hash is of it"
            );
        }
        let policy = policy();
        assert!(policy.to_str().unwrap().contains("style-src 'sha256-"), "{policy:?}");
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, expected) in [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1\u{202f}000"),
            ("1234567.89", "1\u{202f}234\u{202f}567.89"),
            ("100.00", "100.00"),
            ("-1234.00", "-1\u{202f}234.00"),
            ("-123.00", "-123.00"),
        ] {
            assert_eq!(grouped(number), expected, "{number}");
        }
    }
}
