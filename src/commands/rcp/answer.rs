//! What a remote RCP's answers mean (contract 2; seed `000`, 4.2 and 5.1): pure.
//!
//! Owns reading and checking them. Believes nothing: a record that is wrong is named with its place,
//! and what is shown of an answer is short and in one line.
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    domain::{Code, Day, Email, Micros},
    store::remote::Record,
};

/// The most that is kept and shown of a remote's words.
const DETAIL_MAX_CHARS: usize = 300;
/// Longest key that is believed to be one.
const KEY_MAX_BYTES: usize = 1024;

/// A page of `GET /v1/referral`. Its `limit` is not looked at: how many there are in all counts.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    pub(super) total: u64,
}

/// Reads a page, or says what it is not.
pub(super) fn page(body: &[u8]) -> Result<Page, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("the answer is no page of records: {error}"))
}

/// What tells an item from the others of its day: its code, or else all of it.
pub(super) fn identity(item: &Value) -> String {
    item["code"].as_str().map_or_else(|| item.to_string(), str::to_owned)
}

/// How the times and days of records are to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The day that was asked for.
    pub(super) day: Day,
    /// Of times without an offset.
    pub(super) zone: Tz,
    pub(super) now: Micros,
}

/// Reads a record, or says which member is wrong. `ctime` and `mtime` may be missing, `emails` and
/// `clicks` too: nothing has happened then.
pub(super) fn record(item: &Value, reading: Reading) -> Result<Record, String> {
    let text = |name: &str| item[name].as_str().ok_or_else(|| format!("{name}: must be a text"));
    let Reading { day, zone, now } = reading;
    let id = Uuid::try_parse(text("id")?).map_err(|_| "id: must be a UUID".to_owned())?;
    let date = Day::parse(text("date")?).map_err(|problem| format!("date: {problem}"))?;
    if date != day {
        return Err(format!("date: {date} was not asked for"));
    }
    let time = |name: &str| {
        let given = Some(&item[name]).filter(|value| !value.is_null());
        let read = |_| Micros::parse_in(text(name)?, zone, now).map_err(|e| format!("{name}: {e}"));
        given.map(read).transpose()
    };
    Ok(Record {
        day,
        code: Code::parse(text("code")?).map_err(|problem| format!("code: {problem}"))?,
        id: id.to_string(),
        clicks: clicks(&item["clicks"])?,
        emails: emails(&item["emails"])?,
        ctime: time("ctime")?,
        mtime: time("mtime")?,
    })
}

fn clicks(value: &Value) -> Result<i64, String> {
    if value.is_null() {
        return Ok(0);
    }
    let clicks = value.as_i64().filter(|clicks| *clicks >= 0);
    clicks.ok_or_else(|| "clicks: must be a whole number, 0 or more".to_owned())
}

fn emails(value: &Value) -> Result<Vec<String>, String> {
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        _ => return Err("emails: must be an array".to_owned()),
    };
    let read = |(place, item): (usize, &Value)| {
        let email = item.as_str().and_then(|text| Email::parse(text).ok());
        let email = email.map(|email| email.spelling().to_owned());
        email.ok_or_else(|| format!("emails[{place}]: must be an e-mail address"))
    };
    items.iter().enumerate().map(read).collect()
}

/// A token that was given out.
pub(super) struct Issued {
    /// For revoking it; not every RCP need say it.
    pub(super) id: Option<Uuid>,
    /// Secret.
    pub(super) key: String,
}

/// Reads the answer of `POST /v1/auth/token`. What is wrong is said without quoting it.
pub(super) fn issued(body: &[u8]) -> Result<Issued, &'static str> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| "the answer is no JSON")?;
    let key = answer["key"].as_str().unwrap_or_default();
    let is_key = |key: &str| key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || key.len() > KEY_MAX_BYTES || !is_key(key) {
        return Err("the answer has no key");
    }
    let id = answer["id"].as_str().and_then(|id| Uuid::try_parse(id).ok());
    Ok(Issued { id, key: key.to_owned() })
}

/// The remote's reason in its own words: `detail` of a problem (RFC 9457), or the beginning of the
/// body.
pub(super) fn detail(body: &[u8]) -> Option<String> {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let told = problem["detail"].as_str().map(str::to_owned);
    let told = told.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    // Nothing that moves a terminal's cursor or breaks a log's line.
    let line: String = told.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line: String = line.trim().chars().take(DETAIL_MAX_CHARS).collect();
    Some(line).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reading() -> Reading {
        let now = Micros::parse("2024-07-30T00:00:00Z").unwrap();
        let (day, zone) = (Day::parse("2024-07-29").unwrap(), "Europe/Moscow".parse().unwrap());
        Reading { day, zone, now }
    }

    /// The seed's own example, with a code that is one.
    fn example() -> Value {
        json!({
            "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "ctime": "2024-07-29T14:52:25.426324",
            "mtime": "2024-07-29T14:52:25.428960",
            "date": "2024-07-29",
            "code": "b4b9e071006f409d8e6d",
            "emails": ["a@example.com"],
            "clicks": 1
        })
    }

    #[test]
    fn the_seeds_record_is_read_with_and_without_offset() {
        let read = record(&example(), reading()).unwrap();
        assert_eq!(read.mtime, Micros::parse("2024-07-29T11:52:25.428960Z").ok());
        assert_eq!((read.clicks, read.emails.as_slice()), (1, &["a@example.com".to_owned()][..]));
        assert_eq!(read.id, "3fa85f64-5717-4562-b3fc-2c963f66afa6");
        let mut ours = example();
        ours["mtime"] = "2024-07-29T14:52:25.428960+03:00".into();
        ours["ctime"] = "2024-07-29T11:52:25.426324+00:00".into();
        assert_eq!(record(&ours, reading()).unwrap(), read);
        let id = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
        let least = json!({"id": id, "date": "2024-07-29", "code": "b4b9e071006f409d8e6d"});
        let read = record(&least, reading()).unwrap();
        assert_eq!((read.ctime, read.mtime, read.clicks, read.emails.len()), (None, None, 0, 0));
    }

    #[test]
    fn what_is_wrong_with_a_record_is_named() {
        for (name, value) in [
            ("id", json!(7)),
            ("id", json!("seven")),
            ("ctime", json!("yesterday")),
            ("mtime", json!(1_722_253_945)),
            ("date", json!("2024-07-28")),
            ("date", json!("29.07.2024")),
            ("date", Value::Null),
            ("code", json!("string")),
            ("code", Value::Null),
            ("emails", json!("a@example.com")),
            ("emails[1]", json!(["a@example.com", "nobody"])),
            ("emails[0]", json!([7])),
            ("clicks", json!(-1)),
            ("clicks", json!("1")),
            ("clicks", json!(1.5)),
        ] {
            let mut item = example();
            item[name.split('[').next().unwrap()] = value.clone();
            let problem = record(&item, reading()).unwrap_err();
            assert!(problem.starts_with(&format!("{name}: ")), "{name} {value}: {problem}");
        }
        assert!(record(&json!([1]), reading()).is_err());
    }

    #[test]
    fn a_page_has_items_and_a_total() {
        let read = page(br#"{"items":[{"code":"a"},2],"limit":10,"total":10}"#).unwrap();
        assert_eq!((read.items.len(), read.total), (2, 10));
        assert_ne!(identity(&read.items[0]), identity(&read.items[1]));
        for bad in ["", "[]", "{}", r#"{"items":[]}"#, r#"{"items":[],"total":-1}"#, "<html>"] {
            assert!(page(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_a_key_that_a_header_can_carry() {
        let id = "16f3b266-d622-4b83-b541-90a50d7f2107";
        let body = json!({"id": id, "key": "da3730bfe8f2e9fff1450c67a577b46dcb1b9df6"});
        let read = issued(body.to_string().as_bytes()).ok().unwrap();
        assert_eq!(read.id.map(|id| id.to_string()).as_deref(), Some(id));
        assert_eq!(read.key, "da3730bfe8f2e9fff1450c67a577b46dcb1b9df6");
        for bad in ["{}", r#"{"key":""}"#, r#"{"key":"a b"}"#, r#"{"key":7}"#, "no"] {
            assert!(issued(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_remotes_words_are_one_short_line() {
        let long = "x".repeat(1000);
        for (body, expected) in [
            (
                r#"{"detail":"code: belongs to another\u001b[2J"}"#,
                Some("code: belongs to another [2J"),
            ),
            ("two\nlines", Some("two lines")),
            ("", None),
            (" \n", None),
            (long.as_str(), Some(&long[..DETAIL_MAX_CHARS])),
        ] {
            assert_eq!(detail(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }
}
