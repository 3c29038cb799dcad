//! `GET /register?ref_code=CODE`: the referral link (contract 2).
//!
//! An answered click is never lost: until the durable spool is there, a click that the broker did
//! not confirm is answered 503 with `Retry-After`.
use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    domain::{Code, EventType},
    ingress::{
        App,
        client::{self, Client},
        openapi::both,
        pages::{self, Register},
        problem::Refusal,
    },
    store::codes,
};

pub fn routes() -> OpenApiRouter<App> {
    both(routes!(follow))
}

/// The referral link
///
/// A visit is a click; a `HEAD`, a prefetch, or an unknown code is none, with the same answer.
#[utoipa::path(get, path = "/register", tag = "rcp", operation_id = "follow",
    params(("ref_code" = Option<String>, Query, description = "The referral code", nullable = false, example = "b4b9e071006f409d8e6d")),
    responses(
        (status = 200, description = "The built-in page, where `REGISTER_URL` is not set", body = String,
            content_type = "text/html"),
        (status = 303, description = "To `REGISTER_URL`, with `ref_code` kept",
            headers(("Location" = String, description = "Where to register"))),
        (status = 503, description = "The click could not be kept: safe to repeat"),
    ))]
async fn follow(
    State(app): State<App>,
    client: Client,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let given = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "ref_code");
    let given = given.map(|(_, code)| code.into_owned()).unwrap_or_default();
    if is_visit(&method, &headers)
        && let Ok(code) = Code::parse(&given)
        && let Some(domain) = codes::domain_of(&app.store, &code).await?
    {
        let data = json!({
            "code": code.as_str(),
            "ip": client.address.to_string(),
            "user_agent": client.user_agent,
            "referrer": client::text(&headers, header::REFERER.as_str()),
            "query_string": client::cut(&query),
        });
        let draft = app.draft(EventType::Click, &domain, &client, data);
        app.groups.click(&draft).await?;
    }
    Ok(answer(app.settings.register_url.as_deref(), &given))
}

/// A `HEAD` or a prefetch is no visit.
fn is_visit(method: &Method, headers: &HeaderMap) -> bool {
    let ahead = |name: &str| {
        let value = headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let value = value.to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|word| value.contains(word))
    };
    method == Method::GET && !["sec-purpose", "purpose", "x-moz"].into_iter().any(ahead)
}

/// The same for every code, also for none.
fn answer(register_url: Option<&str>, ref_code: &str) -> Response {
    match register_url.and_then(|url| url::Url::parse(url).ok()) {
        Some(mut url) => {
            url.query_pairs_mut().append_pair("ref_code", ref_code);
            // Whoever keeps this answer would swallow later clicks.
            let no_store = [(header::CACHE_CONTROL, "no-store")];
            (no_store, Redirect::to(url.as_str())).into_response()
        }
        None => pages::page(StatusCode::OK, &Register { ref_code, email: "", problem: None }),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn head_and_prefetch_are_no_visits() {
        let cases = [
            (Method::GET, None, true),
            (Method::HEAD, None, false),
            (Method::GET, Some(("sec-purpose", "prefetch;prerender")), false),
            (Method::GET, Some(("purpose", "Prefetch")), false),
            (Method::GET, Some(("x-moz", "prefetch")), false),
            (Method::GET, Some(("purpose", "sale")), true),
        ];
        for (method, header, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(is_visit(&method, &headers), expected, "{method} {header:?}");
        }
    }

    #[test]
    fn the_code_is_kept_and_cannot_break_out() {
        let location = |url, code| {
            let answer = answer(Some(url), code);
            assert_eq!(answer.status(), StatusCode::SEE_OTHER);
            answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
        };
        assert_eq!(location("https://h/join?a=1", "C0"), "https://h/join?a=1&ref_code=C0");
        assert_eq!(location("https://h/", "x&y\r\nz"), "https://h/?ref_code=x%26y%0D%0Az");
        assert_eq!(answer(None, "C0").status(), StatusCode::OK);
    }
}
