//! Request bodies: JSON objects and forms, read as named fields (contract 5: both are taken, and
//! numbers come as numbers or as decimal strings).
//!
//! Every reader names the field it refuses. Numbers are kept as their text: no float in between.
use std::{collections::HashMap, convert::Infallible};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
};
use serde_json::value::RawValue;

use super::{
    App,
    body::{self, FORM},
    problem::Refusal,
};
use crate::domain::{
    Code, Email, Micros, Money, UserHash, event::TEXT_MAX_CHARS, ids::Invalid, money,
};

/// Items of a listing's page where nothing else is said.
const LIMIT_DEFAULT: i64 = 10;
/// Most items of a listing's page.
const LIMIT_MAX: i64 = 1000;

/// A field's value as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// A JSON string or a form's value.
    Text(String),
    /// Any other JSON value but null, as its text.
    Other(String),
}

/// The fields of one body. A null is a missing field; of two of the same name the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(HashMap<String, Value>);

impl FromRequest<App> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let is_json = body::is_json(request.headers())?;
        Self::of_body(is_json, &body::read(request, app.settings.body_bytes_max).await?)
    }
}

/// The fields of an address's query.
pub struct InQuery(pub Fields);

impl<S: Send + Sync> FromRequestParts<S> for InQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Fields::of_form(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

/// A form that people sent, and nothing else.
pub struct Form(pub Fields);

impl FromRequest<App> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        if body::essence(request.headers()).as_deref() != Some(FORM) {
            let detail = "the body must be application/x-www-form-urlencoded";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = body::read(request, app.settings.body_bytes_max).await?;
        Ok(Self(Fields::of_form(&body)))
    }
}

impl Fields {
    /// Reads a body by what it says it is; one that says nothing is JSON where it begins like an object.
    pub fn of_body(is_json: Option<bool>, body: &[u8]) -> Result<Self, Refusal> {
        let begins = || body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
        if is_json.unwrap_or_else(begins) { Self::of_json(body) } else { Ok(Self::of_form(body)) }
    }

    /// Reads a JSON object.
    fn of_json(body: &[u8]) -> Result<Self, Refusal> {
        let bad = |detail: String| Refusal::new(StatusCode::BAD_REQUEST, detail);
        let members: HashMap<String, &RawValue> =
            serde_json::from_slice(body).map_err(|error| {
                if error.is_data() {
                    bad("the body must be a JSON object".to_owned())
                } else {
                    bad(format!("the body is not JSON: {error}"))
                }
            })?;
        let read = |raw: &RawValue| match raw.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw.get()).map(Value::Text),
            _ => Ok(Value::Other(raw.get().to_owned())),
        };
        let present = members.into_iter().filter(|(_, raw)| raw.get() != "null");
        present
            .map(|(name, raw)| match read(raw) {
                Ok(value) => Ok((name, value)),
                Err(error) => Err(bad(format!("{name}: {error}"))),
            })
            .collect::<Result<_, Refusal>>()
            .map(Self)
    }

    /// Reads a form or a query string.
    pub fn of_form(text: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(text);
        Self(pairs.map(|(n, v)| (n.into_owned(), Value::Text(v.into_owned()))).collect())
    }

    /// A text; an empty one counts as missing, as forms send it so.
    pub fn text(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        let text = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::Text(text)) => text,
            Some(Value::Other(_)) => return Err(Refusal::field(name, "must be a text")),
        };
        if text.chars().count() > TEXT_MAX_CHARS {
            let problem = format!("must be at most {TEXT_MAX_CHARS} characters");
            return Err(Refusal::field(name, problem));
        }
        if text.contains('\0') {
            return Err(Refusal::field(name, "must not contain U+0000"));
        }
        // What bytes become that are no UTF-8; nobody means it.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Refusal::field(name, "must be UTF-8, without U+FFFD"));
        }
        Ok(Some(text.clone()).filter(|text| !text.is_empty()))
    }

    /// A text; empty where there is none, or something else: for what may have to be ignored.
    pub fn text_if_one(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        }
    }

    /// Whether there is a field of this name, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text that has to be there.
    pub fn required(&self, name: &'static str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// Texts with commas between them, or in JSON also an array of texts; together bounded by the
    /// body's size alone. An empty text counts as missing.
    pub fn list(&self, name: &'static str) -> Result<Option<Vec<String>>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) if text.is_empty() => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.split(',').map(str::to_owned).collect())),
            Some(Value::Other(raw)) => serde_json::from_str(raw)
                .map(Some)
                .map_err(|_| Refusal::field(name, "must be a text or an array of texts")),
        }
    }

    /// The text of a number, which may have come as a decimal string.
    fn number(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.0.get(name) {
            Some(Value::Other(raw))
                if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) =>
            {
                Ok(Some(raw.clone()))
            }
            Some(Value::Other(_)) => Err(Refusal::field(name, "must be a number")),
            Some(Value::Text(_)) => Ok(self.text(name)?.map(|text| text.trim().to_owned())),
            None => Ok(None),
        }
    }

    /// An amount of money ≥ 0 with at most 2 decimals.
    pub fn money(&self, name: &'static str) -> Result<Option<Money>, Refusal> {
        read(name, self.number(name)?, Money::parse)
    }

    /// A percentage with at most 4 decimals, in ten-thousandths of a percent.
    pub fn percent(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        read(name, self.number(name)?, money::parse_percent)
    }

    /// A whole number.
    pub fn int(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let parse = |text: &str| text.parse().map_err(|_| Invalid("must be a whole number"));
        read(name, self.number(name)?, parse)
    }

    /// A user's hash.
    pub fn user_hash(&self, name: &'static str) -> Result<Option<UserHash>, Refusal> {
        self.parsed(name, UserHash::parse)
    }

    /// An e-mail address.
    pub fn email(&self, name: &'static str) -> Result<Option<Email>, Refusal> {
        self.parsed(name, Email::parse)
    }

    /// A referral code.
    pub fn code(&self, name: &'static str) -> Result<Option<Code>, Refusal> {
        self.parsed(name, Code::parse)
    }

    /// A calendar day.
    pub fn day(&self, name: &'static str) -> Result<Option<crate::domain::Day>, Refusal> {
        self.parsed(name, crate::domain::Day::parse)
    }

    /// A time.
    pub fn time(&self, name: &'static str) -> Result<Option<Micros>, Refusal> {
        self.parsed(name, Micros::parse)
    }

    /// A text of some other kind.
    pub fn parsed<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Refusal> {
        read(name, self.text(name)?, parse)
    }

    /// `limit` and `page` of a listing (contract 2), as limit and offset.
    pub fn paging(&self) -> Result<(i64, i64), Refusal> {
        let limit = self.int("limit")?.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Refusal::field("limit", format!("must be 1 to {LIMIT_MAX}")));
        }
        let page = self.int("page")?.unwrap_or(1);
        let offset = page.checked_sub(1).filter(|before| *before >= 0);
        let offset = offset.and_then(|before| before.checked_mul(limit));
        let offset = offset.ok_or_else(|| Refusal::field("page", "must be 1 or more"))?;
        Ok((limit, offset))
    }
}

fn read<T>(
    name: &'static str,
    text: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Result<Option<T>, Refusal> {
    text.map(|text| parse(&text)).transpose().map_err(|e| Refusal::field(name, e))
}

/// 422: a field that has to be there is not.
pub fn missing(name: &'static str) -> Refusal {
    Refusal::field(name, "is required")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Fields {
        Fields::of_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn json_and_form_say_the_same() {
        let cases = [
            json(r#"{"name":"A b","credit":19.99,"id":7,"none":null}"#),
            json(r#"{"name":"A b","credit":"19.99","id":"7","none":""}"#),
            Fields::of_form(b"name=A+b&credit=19.99&id=7&none="),
        ];
        for fields in cases {
            assert_eq!(fields.required("name").unwrap(), "A b");
            assert_eq!(fields.money("credit").unwrap(), Some(Money::from_minor(1999)));
            assert_eq!(fields.int("id").unwrap(), Some(7));
            assert_eq!(fields.text("none").unwrap(), None);
            assert_eq!(fields.money("absent").unwrap(), None);
        }
    }

    #[test]
    fn a_list_is_separated_by_commas_or_an_array() {
        let long = "x".repeat(TEXT_MAX_CHARS + 1);
        let fields = json(&format!(r#"{{"a":"x, y,","b":["x"," y",""],"c":"{long}","d":""}}"#));
        let list = |name| fields.list(name).unwrap();
        let texts = |texts: &[&str]| Some(texts.iter().map(|t| (*t).to_owned()).collect());
        assert_eq!(list("a"), texts(&["x", " y", ""]));
        assert_eq!(list("b"), texts(&["x", " y", ""]));
        assert_eq!(list("c"), texts(&[&long]), "longer than any one text may be");
        assert_eq!((list("d"), list("e")), (None, None));
        assert_eq!(Fields::of_form(b"a=x,+y,").list("a").unwrap(), list("a"));
        for bad in ["7", "{}", "[7]", "[null]", "true"] {
            let refusal = json(&format!(r#"{{"a":{bad}}}"#)).list("a").unwrap_err();
            assert_eq!(refusal.field.as_deref(), Some("a"), "{bad}");
        }
    }

    #[test]
    fn what_is_refused_is_named() {
        let fields = json(r#"{"a":"x","b":1e309,"c":[1],"d":1.5,"e":true,"f":"\u0000"}"#);
        let no_utf8 = Fields::of_form(b"h=%ff%40b").email("h").unwrap_err();
        assert!(no_utf8.detail.starts_with("h: must be UTF-8"), "{}", no_utf8.detail);
        let refusals = [
            ("a", fields.money("a").err()),
            ("a", fields.email("a").err()),
            ("a", fields.code("a").err()),
            ("b", fields.money("b").err()),
            ("c", fields.text("c").err()),
            ("c", fields.money("c").err()),
            ("d", fields.int("d").err()),
            ("e", fields.money("e").err()),
            ("f", fields.text("f").err()),
            ("g", fields.required("g").err()),
        ];
        for (name, refusal) in refusals {
            let refusal = refusal.unwrap();
            assert_eq!(refusal.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
            assert_eq!(refusal.field.as_deref(), Some(name));
            assert!(refusal.detail.starts_with(name), "{}", refusal.detail);
        }
    }

    #[test]
    fn what_is_no_json_object_is_400() {
        for body in ["", "{", "[1]", "1", "{\"a\":1}x", "\u{feff}{}"] {
            let refusal = Fields::of_json(body.as_bytes()).unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{body}");
        }
    }
}
