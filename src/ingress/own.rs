//! Whether a form was sent by a page of this host: the one guard of every POST of a page here, beside
//! cookies that are `SameSite=Lax`.
//!
//! What browsers say of a request cannot be forged by the pages in them. What says nothing is no
//! browser, and has nobody's cookies. The login by URL at `/adminzone/` is a GET that signs in, as the
//! contract wants it, and so is not guarded.
use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
};
use url::Url;

use super::{
    App,
    fields::{Fields, Form},
    problem::Refusal,
};

/// Proof that a request is from a page of this host, or from no page.
pub struct Own;

/// A form that is.
pub struct Posted(pub Fields);

impl FromRequestParts<App> for Own {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let here = authority(&parts.uri, &parts.headers);
        if is_own(&parts.headers, here, &app.settings.public_url) {
            Ok(Self)
        } else {
            let detail = "the form was sent by a page of another host";
            Err(Refusal::new(StatusCode::FORBIDDEN, detail))
        }
    }
}

impl FromRequest<App> for Posted {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        Own::from_request_parts(&mut parts, app).await?;
        let Form(fields) = Form::from_request(Request::from_parts(parts, body), app).await?;
        Ok(Self(fields))
    }
}

/// The name, and the port, that the request is for; empty where it says none.
pub fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let header = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it in the address.
    uri.authority().map(axum::http::uri::Authority::as_str).or_else(header).unwrap_or_default()
}

/// `Sec-Fetch-Site` where there is one, else `Origin`.
fn is_own(headers: &HeaderMap, here: &str, public_url: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
    let Some(origin) = origin.filter(Url::has_host) else { return false };
    // Whoever ends TLS in front of this program leaves the scheme to guess: the origin's own.
    let here = Url::parse(&format!("{}://{here}", origin.scheme()));
    let public = Url::parse(public_url);
    [here, public].into_iter().flatten().any(|own| own.origin() == origin.origin())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_pages_of_this_host_and_what_is_no_browser_may_send_forms() {
        const SITE: &str = "sec-fetch-site";
        for (sent, expected) in [
            (&[][..], true),
            (&[(SITE, "same-origin")], true),
            (&[(SITE, "none")], true),
            (&[(SITE, "same-site")], false),
            (&[(SITE, "cross-site")], false),
            (&[(SITE, "")], false),
            (&[(SITE, "Same-Origin")], false),
            (&[("origin", "http://shop.example:8080")], true),
            (&[("origin", "https://shop.example:8080")], true),
            (&[("origin", "http://SHOP.example:8080")], true),
            (&[("origin", "http://shop.example")], false),
            (&[("origin", "https://public.example")], true),
            (&[("origin", "https://public.example:443")], true),
            (&[("origin", "http://public.example")], false),
            (&[("origin", "https://public.example.evil")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "")], false),
            (&[("origin", "file://")], false),
            (&[("origin", "data:text/html,x")], false),
            (&[(SITE, "same-origin"), ("origin", "null")], true),
            (&[(SITE, "cross-site"), ("origin", "http://shop.example:8080")], false),
        ] {
            let headers = sent.iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            let own = is_own(&headers.collect(), "shop.example:8080", "https://public.example/x");
            assert_eq!(own, expected, "{sent:?}");
        }
        let origin = (header::ORIGIN, HeaderValue::from_static("https://shop.example"));
        let origin = HeaderMap::from_iter([origin]);
        assert!(is_own(&origin, "shop.example", "http://h"), "the default port is left out");
        assert!(is_own(&origin, "shop.example:443", "http://h"));
        assert!(!is_own(&origin, "", "http://h"), "no host at all");
    }

    #[test]
    fn a_request_is_for_its_authority_or_its_host_header() {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("h:80"))]);
        let none = HeaderMap::new();
        for (uri, headers, expected) in [
            ("/adminzone/", &headers, "h:80"),
            ("http://shop.example/adminzone/", &headers, "shop.example"),
            ("/adminzone/", &none, ""),
        ] {
            assert_eq!(authority(&Uri::from_static(uri), headers), expected, "{uri}");
        }
    }
}
