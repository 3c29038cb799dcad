//! A visit through a referral link: what of it is a click, and what the click says (contracts 2
//! and 4). The one way in which links make clicks.
use std::{borrow::Cow, convert::Infallible, net::IpAddr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, header, request::Parts},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    App,
    client::{self, Client},
    problem::Refusal,
};
use crate::{
    broker::compose::{Draft, Members},
    domain::{Code, EventType, Micros},
};

/// For how long a click's id says that its visitor has been counted: long enough to be sent on and
/// to reload. An address that is passed on to others counts again afterwards.
const COUNTED_FOR_MS: u64 = 60 * 60 * 1000;

/// A request of a link.
pub struct Visit {
    client: Client,
    counts: bool,
    /// The page the link stood on.
    referrer: Option<String>,
    /// Its whole query string.
    query: String,
}

/// What a click says (contract 1).
#[derive(Serialize)]
struct Said<'a> {
    code: &'a str,
    ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referrer: Option<&'a str>,
    query_string: Cow<'a, str>,
}

impl FromRequestParts<App> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self {
            client: Client::from_request_parts(parts, app).await?,
            counts: is_visit(&parts.method, &parts.headers),
            referrer: client::text(&parts.headers, &header::REFERER),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

impl Visit {
    /// The first value of this name in the query; empty where there is none.
    pub fn given(&self, name: &str) -> Cow<'_, str> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(given, _)| given == name).map(|(_, value)| value).unwrap_or_default()
    }

    /// Keeps the visit as a click on `code`; the click's id, or none where it is no click: a `HEAD`,
    /// a prefetch, a code that is none or nobody's.
    pub async fn click(&self, app: &App, code: &str) -> Result<Option<String>, Refusal> {
        if !self.counts {
            return Ok(None);
        }
        let Ok(code) = Code::parse(code) else { return Ok(None) };
        let Some(domain) = app.codes.domain_of(&app.store, &code, app.clock.now()).await? else {
            return Ok(None);
        };
        let said = Members::of(&Said {
            code: code.as_str(),
            ip: self.client.address,
            user_agent: self.client.user_agent.as_deref(),
            referrer: self.referrer.as_deref(),
            query_string: client::cut(&self.query),
        });
        let draft = app.draft(EventType::Click, domain, &self.client, said);
        // The visitor whom `/ref/CODE/` sent on has been counted: the same event.
        let id = counted(&self.given("click"), draft.time).unwrap_or(draft.id);
        let draft = Draft { id, ..draft };
        app.clicks.keep(&draft).await?;
        Ok(Some(draft.id))
    }
}

/// The id of a click that was made here a short while ago, if that is what it is. A forged one
/// counts once, like any visit.
fn counted(id: &str, now: Micros) -> Option<String> {
    let made = Uuid::try_parse(id).ok().filter(|uuid| uuid.get_version_num() == 7)?;
    let made_ms = Micros::of_uuid(&made)?.0 / 1000;
    ((now.0 / 1000).abs_diff(made_ms) <= COUNTED_FOR_MS).then(|| made.to_string())
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

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;
    use crate::ingress::event_id;

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
    fn an_id_of_a_click_counts_as_one_for_a_while() {
        let now = Micros::parse("2024-07-29T09:00:00.123456Z").unwrap();
        let (hour, minute) = (3_600_000, 60_000);
        for (name, made, is_one) in [
            ("of now", now, true),
            ("within the hour", now.plus_ms(minute - hour), true),
            ("of another clock", now.plus_ms(minute), true),
            ("too old", now.plus_ms(-hour - minute), false),
            ("of the future", now.plus_ms(hour + minute), false),
        ] {
            let id = event_id(made);
            assert_eq!(counted(&id, now), is_one.then_some(id), "{name}");
        }
        let id = event_id(now);
        assert_eq!(counted(&id.to_uppercase(), now), Some(id), "one spelling");
        let random = Uuid::new_v4().to_string();
        for bad in ["", "1", "x", &random, "00000000-0000-0000-0000-000000000000"] {
            assert_eq!(counted(bad, now), None, "{bad}");
        }
        assert_eq!(counted(&event_id(now), Micros(-1)), None);
    }
}
