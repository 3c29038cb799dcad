//! Bodies and query strings (contract 5): a form and a JSON object say the same, what is read keeps its
//! bounds, and what is refused is named.
//!
//! Input: the body.
use std::fmt::Debug;

use referral::{
    domain::{event::TEXT_MAX_CHARS, ids, money::AMOUNT_MAX_MINOR},
    ingress::{fields::Fields, problem::Refusal},
};
use serde_json::json;

/// The fields that are asked for, each as everything that a field can be.
const NAMES: [&str; 8] = ["a", "amount", "code", "email", "emails", "limit", "page", "user_hash"];

/// See the module.
pub fn forms(body: &[u8]) {
    let by_look = Fields::of_body(None, body);
    let by_word = [true, false].map(|is_json| Fields::of_body(Some(is_json), body));
    assert!(by_word.contains(&by_look), "what says nothing is one of the two");
    assert!(by_word[1].is_ok(), "everything is a form");
    for read in by_word {
        match read {
            Ok(fields) => whole(&fields),
            Err(refusal) => {
                assert_eq!((refusal.status.as_u16(), &refusal.field), (400, &None), "{refusal:?}");
                assert!(!refusal.detail.is_empty());
            }
        }
    }
}

fn whole(fields: &Fields) {
    for name in NAMES {
        bounds(fields, name);
        refusals(fields, name);
        both(fields, name);
    }
    match fields.paging() {
        Ok((limit, offset)) => {
            assert!((1..=1000).contains(&limit) && offset >= 0 && offset % limit == 0);
        }
        Err(refusal) => {
            let name = if fields.int("limit").is_err() { "limit" } else { "page" };
            let at_fault = refusal.field.as_deref().unwrap_or_default().to_owned();
            assert!(at_fault == name || at_fault == "limit", "{refusal:?}");
            named(&refusal, &at_fault);
        }
    }
}

fn bounds(fields: &Fields, name: &'static str) {
    if let Ok(Some(text)) = fields.text(name) {
        assert!((1..=TEXT_MAX_CHARS).contains(&text.chars().count()), "{name}");
        assert!(!text.contains(['\0', char::REPLACEMENT_CHARACTER]), "{name}: {text:?}");
        assert_eq!(fields.text_if_one(name), text);
    }
    assert_eq!(fields.required(name).ok(), fields.text(name).ok().flatten(), "{name}");
    assert!(fields.has(name) || fields.list(name) == Ok(None), "{name}");
    if let Ok(Some(money)) = fields.money(name) {
        assert!((0..=AMOUNT_MAX_MINOR).contains(&money.minor()), "{name}: {money}");
    }
    if let Ok(Some(percent_e4)) = fields.percent(name) {
        assert!((0..=1_000_000).contains(&percent_e4), "{name}: {percent_e4}");
    }
    if let Ok(Some(email)) = fields.email(name) {
        let (spelling, key) = (email.spelling(), email.key());
        assert!(spelling.chars().count().max(key.chars().count()) <= ids::EMAIL_MAX_CHARS);
        assert_eq!(ids::Email::parse(spelling).as_ref(), Ok(&email), "{name}");
        assert_eq!(ids::Email::parse(key).as_ref().map(ids::Email::key), Ok(key), "{name}");
    }
}

/// What is refused is named, whatever was asked for.
fn refusals(fields: &Fields, name: &'static str) {
    fn refusal<T>(read: Result<Option<T>, Refusal>) -> Option<Refusal> {
        read.err()
    }
    let refusals = [
        refusal(fields.text(name)),
        refusal(fields.required(name).map(Some)),
        refusal(fields.list(name)),
        refusal(fields.money(name)),
        refusal(fields.percent(name)),
        refusal(fields.int(name)),
        refusal(fields.user_hash(name)),
        refusal(fields.email(name)),
        refusal(fields.code(name)),
        refusal(fields.day(name)),
        refusal(fields.time(name)),
    ];
    for refusal in refusals.iter().flatten() {
        named(refusal, name);
    }
}

fn named(refusal: &Refusal, name: &str) {
    assert_eq!((refusal.status.as_u16(), refusal.field.as_deref()), (422, Some(name)));
    let rest = refusal.detail.strip_prefix(name);
    assert!(rest.is_some_and(|rest| rest.len() > 1), "{}", refusal.detail);
    assert!(!refusal.detail.contains(char::is_control), "{:?}", refusal.detail);
}

/// A text says the same in a form and in JSON; so does a number, and a number as a text.
fn both(fields: &Fields, name: &'static str) {
    let text = fields.text_if_one(name);
    if fields.text(name).is_ok() && !text.is_empty() {
        let (form, json) = (as_form(name, &text), as_json(name, &json!(text)));
        assert_eq!(all(&form, name), all(&json, name), "{name}: {text:?}");
        assert_eq!(all(&form, name), all(fields, name), "{name}: {text:?}");
    }
    if let Ok(Some(money)) = fields.money(name) {
        let number = money.json_number();
        assert_eq!(as_form(name, &money.to_string()).money(name), Ok(Some(money)));
        assert_eq!(as_form(name, number.get()).money(name), Ok(Some(money)));
        assert_eq!(as_json(name, &json!(number)).money(name), Ok(Some(money)));
    }
    if let Ok(Some(number)) = fields.int(name) {
        assert_eq!(as_form(name, &number.to_string()).int(name), Ok(Some(number)));
        assert_eq!(as_json(name, &json!(number)).int(name), Ok(Some(number)));
    }
}

fn as_form(name: &str, text: &str) -> Fields {
    let mut form = form_urlencoded::Serializer::new(String::new());
    Fields::of_form(form.append_pair(name, text).finish().as_bytes())
}

fn as_json(name: &str, value: &serde_json::Value) -> Fields {
    let body = json!({ name: value }).to_string();
    Fields::of_body(Some(true), body.as_bytes()).expect("an object")
}

/// Everything that a field can be.
fn all(fields: &Fields, name: &'static str) -> impl PartialEq + Debug {
    (
        fields.text(name),
        fields.list(name),
        fields.money(name),
        fields.percent(name),
        fields.int(name),
        fields.user_hash(name),
        fields.email(name),
        fields.code(name),
        fields.day(name),
        fields.time(name),
    )
}
