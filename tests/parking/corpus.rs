//! Bad messages of every kind, each with the reason that it is to be parked with, and good ones
//! that are only just good.
use referral::broker::Outgoing;
use serde_json::{Value, json};

use crate::{
    harness::{
        Tenant,
        messages::{BATCH, BINARY, SINGLE},
    },
    model::{
        cases::code,
        fact::{Fact, Paid, Signup, click, paid, payment, signup},
    },
};

/// Where daily-records parks.
pub const DAILY: &str = "referral.daily-records.dead";
/// Where credits parks.
pub const CREDITS: &str = "referral.credits.dead";
/// The trace context of every case.
pub const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A bad message.
pub struct Case {
    /// Its name, and its `message-id`.
    pub name: &'static str,
    /// What is sent.
    pub message: Outgoing,
    /// Where it is to be parked.
    pub queue: &'static str,
    /// With which reason; more than one where the contract leaves it open.
    pub reasons: &'static [&'static str],
    /// What the sentence names.
    pub field: &'static str,
}

/// Only just good: edges of what is allowed.
pub fn edges(tenant: &Tenant) -> Vec<Fact> {
    let longest = "x".repeat(253);
    let tomorrow = chrono::TimeDelta::hours(23);
    let now: chrono::DateTime<chrono::Utc> = std::time::SystemTime::now().into();
    vec![
        Fact { time: now + tomorrow, ..click(&code(&tenant.world, 0)) },
        signup(&longest, Signup { email: Some("Ünïcødé@exämple.com".into()), ..Signup::default() }),
        payment(&longest, 100_000_000_000_000),
        paid(&longest, Paid::Total(0)),
        Fact {
            id: "x".repeat(2048),
            source: "/ \"quoted\" ' \\ \u{1F980}".into(),
            ..payment("b", 1)
        },
    ]
}

/// The table.
pub fn cases(tenant: &Tenant) -> Vec<Case> {
    let maker = Maker { link: code(&tenant.world, 0), domain: &tenant.name };
    [maker.whole_messages(), maker.envelopes(), maker.clicks_and_signups(), maker.payments()]
        .into_iter()
        .flatten()
        .collect()
}

struct Maker<'a> {
    link: String,
    domain: &'a str,
}

impl Maker<'_> {
    fn click(&self) -> Value {
        click(&self.link).event(self.domain)
    }

    fn signup(&self) -> Value {
        signup("alice", Signup::default()).event(self.domain)
    }

    fn payment(&self) -> Value {
        payment("alice", 100).event(self.domain)
    }

    fn whole_messages(&self) -> Vec<Case> {
        let event = self.click().to_string();
        let mut long = self.click();
        long["padding"] = "x".repeat(20 << 20).into();
        let deep = "[".repeat(200_000);
        let unclosed = format!("{{\"specversion\":\"1.0\",\"deep\":{}", "{\"a\":".repeat(100_000));
        let mut not_utf8 = event.clone().into_bytes();
        not_utf8[20] = 0xff;
        let too_many = Value::from(vec![self.click(); 1001]).to_string();
        let twice = event.replacen('{', "{\"specversion\":\"1.0\",", 1);
        let either: &[&str] = &["malformed_json", "schema"];
        vec![
            case("20 MiB", "click", SINGLE, long.to_string(), DAILY, &["too_large"], "bytes"),
            case("1001 events", "batch", BATCH, too_many, CREDITS, &["too_large"], "1001"),
            case("empty batch", "batch", BATCH, "[]", CREDITS, &["schema"], "empty"),
            case("no array", "signup", BATCH, event.clone(), CREDITS, either, ""),
            case("text/plain", "click", "text/plain", event.clone(), DAILY, &["schema"], "content"),
            case("no content type", "payment", "", event.clone(), CREDITS, &["schema"], "content"),
            case("an empty body", "click", SINGLE, "", DAILY, &["malformed_json"], ""),
            case("not UTF-8", "click", SINGLE, not_utf8, DAILY, &["malformed_json"], "UTF-8"),
            case("cut off", "click", SINGLE, &event[..80], DAILY, &["malformed_json"], ""),
            case("two values", "click", SINGLE, event.repeat(2), DAILY, &["malformed_json"], ""),
            case("deep array", "click", SINGLE, deep, DAILY, either, ""),
            case("deep object", "click", SINGLE, unclosed, DAILY, &["malformed_json"], ""),
            case("a key twice", "click", SINGLE, twice, DAILY, &["schema"], "specversion"),
            case("null", "signup", SINGLE, "null", CREDITS, either, ""),
            case("a bare array", "click", SINGLE, as_array(&self.click()), DAILY, &["schema"], ""),
            case("binary, no headers", "click", BINARY, "{}", DAILY, &["schema"], "specversion"),
        ]
    }

    fn envelopes(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        let missing = [
            ("no specversion", "specversion"),
            ("no id", "id"),
            ("no source", "source"),
            ("no type", "type"),
            ("no time", "time"),
            ("no data", "data"),
        ];
        for (name, member) in missing {
            let event = without(&self.click(), member);
            cases.push(case(name, "click", SINGLE, event.to_string(), DAILY, &["schema"], member));
        }
        let now: chrono::DateTime<chrono::Utc> = std::time::SystemTime::now().into();
        let tomorrow = (now + chrono::TimeDelta::hours(25)).to_rfc3339();
        let long = "x".repeat(2049);
        let set = |name, member: &'static str, value: Value, reasons| {
            let mut event = self.signup();
            event[member] = value;
            case(name, "signup", SINGLE, event.to_string(), CREDITS, reasons, member)
        };
        cases.extend([
            set("version 0.3", "specversion", json!("0.3"), &["schema"]),
            set("an empty id", "id", json!(""), &["schema"]),
            set("a number as id", "id", json!(7), &["schema"]),
            set("a long id", "id", json!(long), &["schema"]),
            set("a long source", "source", json!(long), &["schema"]),
            set("a type of tomorrow", "type", json!("referral.refund.v1"), &["unknown_type"]),
            set("yesterday as time", "time", json!("yesterday"), &["schema"]),
            set("tomorrow as time", "time", json!(tomorrow), &["time_in_future"]),
            set("no such domain", "domain", json!("no such domain"), &["unknown_domain"]),
        ]);
        let (click, payment) = (self.click().to_string(), self.payment().to_string());
        let mut strange = self.click();
        strange["type"] = json!("com.example.strange");
        let strange = strange.to_string();
        cases.extend([
            case("click for credits", "payment", SINGLE, click, CREDITS, &["wrong_key"], "type"),
            case("payment for daily", "click", SINGLE, payment, DAILY, &["wrong_key"], "type"),
            case("strange as click", "click", SINGLE, strange, DAILY, &["unknown_type"], "type"),
        ]);
        cases
    }

    fn clicks_and_signups(&self) -> Vec<Case> {
        let on_click = |name, member: &str, value: Value, reasons, field| {
            let mut event = self.click();
            event["data"][member] = value;
            case(name, "click", SINGLE, event.to_string(), DAILY, reasons, field)
        };
        let on_signup = |name, member: &str, value: Value, reasons, field| {
            let mut event = self.signup();
            event["data"][member] = value;
            case(name, "signup", SINGLE, event.to_string(), CREDITS, reasons, field)
        };
        let (long, hash) = ("x".repeat(2049), "x".repeat(254));
        let mut array = self.click();
        array["data"] = json!([self.link, null, null, null, null, null]);
        let data = format!("{{\"code\":\"{0}\",\"code\":\"{0}\"}}", self.link);
        let twice = without(&self.click(), "data").to_string();
        let twice = twice.replacen('{', &format!("{{\"data\":{data},"), 1);
        vec![
            case("data as array", "click", SINGLE, array.to_string(), DAILY, &["schema"], "data"),
            case("a code twice", "click", SINGLE, twice, DAILY, &["schema"], "code"),
            on_click("no code", "code", Value::Null, &["schema"], "code"),
            on_click("a code as number", "code", json!(12345), &["schema"], "code"),
            on_click("a short code", "code", json!("short"), &["code_invalid"], "code"),
            on_click(
                "an odd code",
                "code",
                json!("0123456789012345678-"),
                &["code_invalid"],
                "code",
            ),
            on_click("a long user agent", "user_agent", json!(long), &["schema"], "user_agent"),
            on_click("a long visitor", "user_hash", json!(hash), &["schema"], "user_hash"),
            on_click("a NUL", "referrer", json!("a\u{0}b"), &["schema"], "referrer"),
            on_signup("no user", "user_hash", Value::Null, &["schema"], "user_hash"),
            on_signup("a blank in a user", "user_hash", json!("a b"), &["schema"], "user_hash"),
            on_signup("a long user", "user_hash", json!(hash), &["schema"], "user_hash"),
            on_signup("an ï in a user", "user_hash", json!("naïve"), &["schema"], "user_hash"),
            on_signup("a bad code", "code", json!("bad"), &["code_invalid"], "code"),
            on_signup("a bad referrer", "user_indicator", json!("a b"), &["schema"], "user_indi"),
            on_signup("no e-mail", "email", json!("nobody"), &["schema"], "email"),
            on_signup(
                "no programme",
                "program_id",
                json!(987_654),
                &["unknown_programme"],
                "987654",
            ),
            on_signup("a programme's name", "program_id", json!("one"), &["schema"], "program_id"),
            on_signup("half a programme", "program_id", json!(1.5), &["schema"], "program_id"),
        ]
    }

    fn payments(&self) -> Vec<Case> {
        let with = |name, data: Value, reasons, field| {
            let mut event = self.payment();
            event["data"] = data;
            case(name, "payment", SINGLE, event.to_string(), CREDITS, reasons, field)
        };
        let amount = |name, text: &str| {
            let mut event = self.payment();
            event["data"]["amount"] = json!("@");
            // As it is written, which no JSON library would keep.
            let event = event.to_string().replace("\"@\"", text);
            case(name, "payment", SINGLE, event, CREDITS, &["amount_invalid"], "amount")
        };
        let bad: &[&str] = &["schema"];
        vec![
            amount("nothing paid", "0"),
            amount("less than nothing", "-1"),
            amount("three decimals", "\"19.999\""),
            amount("a float's tail", "19.990000000000002"),
            amount("too much", "\"1000000000000.01\""),
            amount("overflow", "1e309"),
            amount("underflow", "1e-309"),
            amount("not a number", "\"NaN\""),
            amount("a comma", "\"1,50\""),
            amount("no text", "\"\""),
            with("no amount", json!({"user_hash": "alice"}), bad, "amount"),
            with(
                "both",
                json!({"user_hash": "a", "amount": 1, "total_amount_paid": 1}),
                bad,
                "amount",
            ),
            with("no payer", json!({"amount": 1}), bad, "user_hash"),
            with("usd", json!({"user_hash": "a", "amount": 1, "currency": "usd"}), bad, "currency"),
            with(
                "an odd exchange",
                json!({"user_hash": "a", "amount": 1, "exchange": 7}),
                bad,
                "exch",
            ),
        ]
    }
}

fn case(
    name: &'static str,
    key: &str,
    content_type: &str,
    body: impl Into<Vec<u8>>,
    queue: &'static str,
    reasons: &'static [&'static str],
    field: &'static str,
) -> Case {
    let message = Outgoing { any_size: true, ..Outgoing::event(key, content_type, body) };
    let message = message.with_message_id(name).with_header("traceparent", TRACE);
    Case { name, message, queue, reasons, field }
}

/// The members' values alone, in the order in which the contract lists the attributes.
fn as_array(event: &Value) -> String {
    let members = ["specversion", "id", "source", "type", "time", "domain"];
    let mut values: Vec<Value> = members.iter().map(|member| event[*member].clone()).collect();
    values.extend([Value::Null, Value::Null, event["data"].clone()]);
    Value::from(values).to_string()
}

/// The event, one member less.
pub fn without(event: &Value, member: &str) -> Value {
    let mut event = event.clone();
    event.as_object_mut().unwrap().remove(member);
    event
}
