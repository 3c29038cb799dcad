//! Contract 1, section Envelope, line by line.
use super::*;
use crate::domain::{Money, event::Paid};

pub(super) const NOW: &str = "2026-11-22T12:00:00Z";
const CODE: &str = "b4b9e071006f409d8e6d";

pub(super) fn decode_as(
    content_type: &str,
    key: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Decoded {
    let header =
        |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    let incoming =
        Incoming { content_type: Some(content_type), routing_key: key, body, header: &header };
    decode(&incoming, Micros::parse(NOW).unwrap(), 4 << 20)
}

pub(super) fn event(kind: &str, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"1","source":"/t","type":"referral.{kind}.v1","time":"{NOW}","data":{data}}}"#
    )
}

fn one(decoded: Decoded) -> Result<Event, Bad> {
    match decoded {
        Decoded::Whole(bad) => Err(bad),
        Decoded::Events(mut items) => items.remove(0).checked,
    }
}

fn decoded(kind: &str, data: &str) -> Result<Event, Bad> {
    one(decode_as(SINGLE, kind, &[], event(kind, data).as_bytes()))
}

#[test]
fn a_click_has_all_its_members() {
    let data = format!(
        r#"{{"code":"{CODE}","ip":"192.0.2.1","user_agent":"ü","referrer":"r","user_hash":"u","query_string":"a=b","later":[1]}}"#
    );
    let Data::Click(click) = decoded("click", &data).unwrap().data else { panic!("no click") };
    assert_eq!((click.code.as_str(), click.ip.as_deref()), (CODE, Some("192.0.2.1")));
    assert_eq!(click.user_agent.as_deref(), Some("ü"));
    assert_eq!((click.referrer.as_deref(), click.user_hash.as_deref()), (Some("r"), Some("u")));
    assert_eq!(click.query_string.as_deref(), Some("a=b"));
}

#[test]
fn missing_null_and_empty_optional_members_are_null() {
    let data = r#"{"user_hash":"bob","code":null,"email":"","user_indicator":null}"#;
    let event = decoded("signup", data).unwrap();
    assert_eq!((event.domain.as_str(), event.trace.parent), ("default", None));
    let Data::Signup(signup) = event.data else { panic!("no signup") };
    assert_eq!(
        (signup.code, signup.email, signup.user_indicator, signup.program_id),
        (None, None, None, None)
    );
}

#[test]
fn amounts_are_decimal_strings_or_numbers_and_exact() {
    for (data, expected) in [
        (r#"{"user_hash":"b","amount":19.99}"#, Paid::Amount(Money::from_minor(1999))),
        (r#"{"user_hash":"b","amount":"19.99"}"#, Paid::Amount(Money::from_minor(1999))),
        (r#"{"user_hash":"b","total_amount_paid":0,"amount":null}"#, Paid::Total(Money::ZERO)),
    ] {
        let Data::Payment(payment) = decoded("payment", data).unwrap().data else {
            panic!("no payment")
        };
        assert_eq!(payment.paid, expected);
    }
}

#[test]
fn a_failed_exchange_is_no_success() {
    for (exchange, success) in [
        (r#"{"success":false}"#, false),
        (r#"{"id":5,"success":true}"#, true),
        ("null", true),
        ("{}", true),
    ] {
        let data = format!(r#"{{"user_hash":"b","amount":1,"exchange":{exchange}}}"#);
        let Data::Payment(payment) = decoded("payment", &data).unwrap().data else {
            panic!("no payment")
        };
        assert_eq!(payment.success, success, "{exchange}");
    }
}

#[test]
fn bad_data_is_refused_with_its_reason_and_field() {
    let long = "x".repeat(2049);
    let cases: Vec<(&str, String, Reason, &str)> = vec![
        ("click", "{}".into(), Reason::Schema, "data.code"),
        ("click", r#"{"code":"short"}"#.into(), Reason::CodeInvalid, "data.code"),
        ("click", r#"{"code":5}"#.into(), Reason::Schema, "data.code"),
        ("click", format!(r#"{{"code":"{CODE}","code":"{CODE}"}}"#), Reason::Schema, "code"),
        (
            "click",
            format!(r#"{{"code":"{CODE}","user_agent":"{long}"}}"#),
            Reason::Schema,
            "data.user_agent",
        ),
        ("click", format!(r#"{{"code":"{CODE}","ip":"\u0000"}}"#), Reason::Schema, "data.ip"),
        (
            "click",
            format!(r#"{{"code":"{CODE}","user_hash":"{}"}}"#, "x".repeat(254)),
            Reason::Schema,
            "data.user_hash",
        ),
        (
            "click",
            format!(r#"{{"code":"{CODE}","ip":"\ud800"}}"#),
            Reason::MalformedJson,
            "data.ip",
        ),
        ("click", "null".into(), Reason::Schema, "data"),
        ("click", "[]".into(), Reason::Schema, "data"),
        ("click", format!(r#"["{CODE}",null,null,null,null,null]"#), Reason::Schema, "data"),
        ("signup", r#"{"code":"b4b9e071006f409d8e6d"}"#.into(), Reason::Schema, "data.user_hash"),
        ("signup", r#"{"user_hash":"a b"}"#.into(), Reason::Schema, "data.user_hash"),
        ("signup", r#"{"user_hash":"b","code":"x"}"#.into(), Reason::CodeInvalid, "data.code"),
        ("signup", r#"{"user_hash":"b","email":"x"}"#.into(), Reason::Schema, "data.email"),
        (
            "signup",
            r#"{"user_hash":"b","program_id":1.5}"#.into(),
            Reason::Schema,
            "data.program_id",
        ),
        (
            "signup",
            r#"{"user_hash":"b","user_indicator":"ü"}"#.into(),
            Reason::Schema,
            "data.user_indicator",
        ),
        ("payment", r#"{"user_hash":"b"}"#.into(), Reason::Schema, "data.amount"),
        (
            "payment",
            r#"{"user_hash":"b","amount":1,"total_amount_paid":1}"#.into(),
            Reason::Schema,
            "data.amount",
        ),
        ("payment", r#"{"user_hash":"b","amount":0}"#.into(), Reason::AmountInvalid, "data.amount"),
        (
            "payment",
            r#"{"user_hash":"b","amount":"1e13"}"#.into(),
            Reason::AmountInvalid,
            "data.amount",
        ),
        (
            "payment",
            r#"{"user_hash":"b","amount":1.999}"#.into(),
            Reason::AmountInvalid,
            "data.amount",
        ),
        (
            "payment",
            r#"{"user_hash":"b","total_amount_paid":-1}"#.into(),
            Reason::AmountInvalid,
            "data.total_amount_paid",
        ),
        (
            "payment",
            r#"{"user_hash":"b","amount":true}"#.into(),
            Reason::AmountInvalid,
            "data.amount",
        ),
        (
            "payment",
            r#"{"user_hash":"b","amount":1,"currency":"eur"}"#.into(),
            Reason::Schema,
            "data.currency",
        ),
        (
            "payment",
            r#"{"user_hash":"b","amount":1,"exchange":{"success":"no"}}"#.into(),
            Reason::Schema,
            "data.exchange.success",
        ),
    ];
    for (kind, data, reason, field) in cases {
        let bad = decoded(kind, &data).unwrap_err();
        assert_eq!(bad.reason, reason, "{kind} {data}: {bad}");
        assert!(bad.detail.contains(field), "{kind} {data}: {bad}");
    }
}

#[test]
fn bad_envelopes_are_refused_with_their_reason_and_field() {
    let good = event("click", &format!(r#"{{"code":"{CODE}"}}"#));
    let cases = [
        (good.replace("\"1.0\"", "\"0.3\""), Reason::Schema, "specversion"),
        (good.replace(r#""id":"1","#, ""), Reason::Schema, "id"),
        (good.replace(r#""id":"1""#, r#""id":"""#), Reason::Schema, "id"),
        (good.replace(r#""id":"1""#, r#""id":1"#), Reason::Schema, "id"),
        (good.replace("/t", &"s".repeat(2049)), Reason::Schema, "source"),
        (good.replace(NOW, "yesterday"), Reason::Schema, "time"),
        (good.replace(NOW, "2026-11-23T12:00:01Z"), Reason::TimeInFuture, "time"),
        (good.replace(NOW, "0000-01-01T00:00:00+14:00"), Reason::Schema, "time"),
        (good.replace("\"id\"", r#""a\nb":[tru],"id""#), Reason::MalformedJson, r"a\nb"),
        (good.replace("click.v1", "click.v9"), Reason::UnknownType, "type"),
        (good.replace("click.v1", "signup.v1"), Reason::WrongKey, "routing key"),
        (good.replace("\"data\"", "\"date\""), Reason::Schema, "data"),
        (good[..good.len() - 1].to_owned(), Reason::MalformedJson, "the event"),
        (format!("{good} x"), Reason::MalformedJson, "the event"),
        ("5".to_owned(), Reason::Schema, "the event"),
        (
            format!(r#" ["1.0","1","/t","referral.click.v1","{NOW}",null,null,null,{{}}]"#),
            Reason::Schema,
            "the event",
        ),
    ];
    for (body, reason, field) in cases {
        let bad = one(decode_as(SINGLE, "click", &[], body.as_bytes())).unwrap_err();
        assert_eq!(bad.reason, reason, "{body}: {bad}");
        assert!(bad.detail.contains(field), "{body}: {bad}");
    }
    assert!(
        one(decode_as(SINGLE, "click", &[], good.replace(NOW, "2026-11-23T12:00:00Z").as_bytes()))
            .is_ok()
    );
}

#[test]
fn one_bad_event_of_a_batch_is_bad_alone_and_its_bytes_are_found() {
    let good = event("click", &format!(r#"{{"code":"{CODE}"}}"#));
    let bad = event("click", "{}");
    let body = format!("[{good}, {bad} ,{good}]");
    let Decoded::Events(items) = decode_as(BATCH, "batch", &[], body.as_bytes()) else {
        panic!("whole")
    };
    let verdicts: Vec<bool> = items.iter().map(|item| item.checked.is_ok()).collect();
    assert_eq!(verdicts, [true, false, true]);
    assert_eq!(&body[items[1].raw.clone().unwrap()], bad);
    assert_eq!(items[1].named, Some(("1".into(), "/t".into())));
}

#[test]
fn batches_have_one_to_a_thousand_events() {
    let good = event("click", &format!(r#"{{"code":"{CODE}"}}"#));
    let many = |n: usize| format!("[{}]", vec![good.clone(); n].join(","));
    assert!(matches!(
        decode_as(BATCH, "batch", &[], b"[]"),
        Decoded::Whole(Bad { reason: Reason::Schema, .. })
    ));
    assert!(
        matches!(decode_as(BATCH, "batch", &[], many(1000).as_bytes()), Decoded::Events(items) if items.len() == 1000)
    );
    assert!(matches!(
        decode_as(BATCH, "batch", &[], many(1001).as_bytes()),
        Decoded::Whole(Bad { reason: Reason::TooLarge, .. })
    ));
}

#[test]
fn binary_mode_takes_the_attributes_from_headers_in_both_spellings() {
    for separator in [":", "_"] {
        let names = ["id", "source", "type", "time", "specversion", "domain", "traceparent"];
        let values = ["7", "/b", "referral.click.v1", NOW, "1.0", "shop", "00-trace"];
        let names: Vec<String> =
            names.iter().map(|n| format!("cloudEvents{separator}{n}")).collect();
        let headers: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values).collect();
        let body = format!(r#"{{"code":"{CODE}"}}"#);
        let event =
            one(decode_as("application/json; charset=utf-8", "click", &headers, body.as_bytes()))
                .unwrap();
        assert_eq!(
            (event.id.as_str(), event.source.as_str(), event.domain.as_str()),
            ("7", "/b", "shop")
        );
        assert_eq!(event.trace.parent.as_deref(), Some("00-trace"));
        assert_eq!(event.key, EventKey::new("/b", "7"));
    }
}

#[test]
fn hostile_messages_are_refused_whole() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let cases: [(&str, &[u8], Reason); 6] = [
        (SINGLE, b"\xff\xfe", Reason::MalformedJson),
        (SINGLE, b"", Reason::MalformedJson),
        (SINGLE, deep.as_bytes(), Reason::Schema),
        (BATCH, b"{}", Reason::Schema),
        (BATCH, b"[1", Reason::MalformedJson),
        ("text/plain", b"{}", Reason::Schema),
    ];
    for (content_type, body, reason) in cases {
        let bad = one(decode_as(content_type, "batch", &[], body)).unwrap_err();
        assert_eq!(bad.reason, reason, "{content_type}: {bad}");
    }
    let incoming = Incoming {
        content_type: Some(SINGLE),
        routing_key: "click",
        body: &[b' '; 11],
        header: &|_| None,
    };
    assert!(matches!(
        decode(&incoming, Micros(0), 10),
        Decoded::Whole(Bad { reason: Reason::TooLarge, .. })
    ));
}

#[test]
fn good_events_of_every_type_are_read_with_their_data_at_once() {
    for (kind, data) in [
        ("click", format!(r#"{{"code":"{CODE}","ip":"192.0.2.1","later":{{"code":1}}}}"#)),
        ("signup", r#"{"user_hash":"b","email":"a@b.example","program_id":1}"#.to_owned()),
        ("payment", r#"{"user_hash":"b","amount":1.5,"exchange":{"a":1}}"#.to_owned()),
    ] {
        let text = event(kind, &data);
        assert!(serde_json::from_str::<Object<WholeEnvelope<'_>>>(&text).is_ok(), "{text}");
    }
    // All members in their order, which a derived structure would take.
    let array = r#"["1.0","1","/t","referral.click.v1","2026-01-01T00:00:00Z",null,null,null,{}]"#;
    assert!(serde_json::from_str::<WholeEnvelope<'_>>(array).is_ok());
    assert!(serde_json::from_str::<Object<WholeEnvelope<'_>>>(array).is_err());
}
