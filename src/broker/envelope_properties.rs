//! However an event is read, at once with its data or one after the other, it says the same.
use proptest::prelude::*;

use super::{
    tests::{NOW, decode_as, event},
    *,
};

/// Members of data: good ones, and what is wrong in every way.
const MEMBERS: &[&str] = &[
    r#""code":"b4b9e071006f409d8e6d""#,
    r#""c\u006fde":"b4b9e071006f409d8e6\u0064""#,
    r#""code":7"#,
    r#""code":null"#,
    r#""user_hash":"bob""#,
    r#""user_hash":"\u0000""#,
    r#""user_hash":["bob"]"#,
    r#""user_agent":"ü \ud83d\ude00""#,
    r#""query_string":"\ud800""#,
    r#""referrer":"a"b"#,
    r#""email":"a@b.example""#,
    r#""email":5"#,
    r#""user_indicator":"amy""#,
    r#""program_id":1"#,
    r#""program_id":1.5"#,
    r#""currency":"EUR""#,
    r#""amount":"1.00""#,
    r#""amount":1e400"#,
    r#""amount":null"#,
    r#""total_amount_paid":3"#,
    r#""exchange":{"success":false}"#,
    r#""exchange":[true]"#,
    r#""later":[[{}]]"#,
];

/// The members of all types in their order, as an array: no data, though a derived structure would take it.
const ARRAY: &str =
    r#"["b4b9e071006f409d8e6d","bob","1","2","3","4","5","a@b.example",1,"USD",1,null,null]"#;

/// What stands between the events of a batch, or should not.
const BETWEEN: &[&str] = &[",", ", ", ",,", "]", "[", " ", "\u{a0}", ",{},", ",[],", ",7,", ","];

fn data() -> impl Strategy<Value = String> {
    let members = prop::collection::vec(prop::sample::select(MEMBERS), 0..6);
    (members, 0..20).prop_map(|(members, form)| match form {
        0 => ARRAY.to_owned(),
        1 => "null".to_owned(),
        2 => members.concat(),
        _ => format!("{{{}}}", members.join(",")),
    })
}

fn events() -> impl Strategy<Value = String> {
    let kinds = prop::sample::select(&["click", "signup", "payment", "other"][..]);
    (kinds, data()).prop_map(|(kind, data)| event(kind, &data))
}

/// An event and its data read one after the other, as if nothing could be read at once.
fn slowly(body: &str, content_type: &str, key: &str) -> Decoded {
    let incoming = Incoming {
        content_type: Some(content_type),
        routing_key: key,
        body: body.as_bytes(),
        header: &|_| None,
    };
    let now = Micros::parse(NOW).unwrap();
    if content_type == SINGLE {
        Decoded::Events(vec![single_slowly(body, &incoming, now)])
    } else {
        batch_slowly(body, &incoming, now)
    }
}

proptest! {
    #[test]
    fn at_once_or_one_after_the_other_an_event_says_the_same(
        event in events(),
        key in prop::sample::select(&["click", "signup", "payment", "batch"][..]),
    ) {
        let (quick, slow) = (decode_as(SINGLE, key, &[], event.as_bytes()), slowly(&event, SINGLE, key));
        prop_assert_eq!(format!("{quick:?}"), format!("{slow:?}"));
    }

    #[test]
    fn at_once_or_one_by_one_the_events_of_a_batch_are_the_same(
        events in prop::collection::vec((events(), prop::sample::select(BETWEEN)), 0..5),
        in_array in prop::bool::weighted(0.8),
    ) {
        let texts: Vec<String> = events.iter().map(|(event, between)| format!("{event}{between}")).collect();
        let text = texts.concat();
        let text = if in_array { format!("[{}]", text.trim_end_matches([',', ' '])) } else { text };
        let (quick, slow) = (decode_as(BATCH, "batch", &[], text.as_bytes()), slowly(&text, BATCH, "batch"));
        prop_assert_eq!(format!("{quick:?}"), format!("{slow:?}"));
    }
}
