//! Contract 5: "Paths work with and without the last slash; bodies are JSON or form-encoded;
//! numbers come as numbers or as decimal strings."
use reqwest::Method;
use serde_json::{Value, json};

use super::House;

/// An object as a form.
fn form(body: &Value) -> String {
    let members = body.as_object().unwrap().iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), text)
    });
    form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish()
}

/// What differs between two answers to the same call.
fn without_names(mut answer: Value) -> Value {
    match &mut answer {
        Value::Object(members) => {
            for name in ["id", "link", "code", "hash", "user_hash"] {
                members.remove(name);
            }
            members.values_mut().for_each(|member| *member = without_names(member.take()));
        }
        Value::Array(all) => all.truncate(1),
        _ => {}
    }
    answer
}

#[tokio::test]
async fn every_path_works_both_ways_with_json_and_forms_and_numbers_as_texts() {
    let house = House::new(&[("REPLY_TIMEOUT", "30s"), ("PUBLISH_TIMEOUT", "30s")]).await;
    house.credits();
    house.user("alice", "aaaaaaaaaaaaaaaaaaaa", None).await;
    let texts = json!({"name": "P", "credit_value": "10.50", "target_value": "25"});
    let numbers = json!({"name": "P", "credit_value": 10.5, "target_value": 25.00});
    // `N` is another number at each call, so that none repeats an earlier one; there are eight
    // programmes by then.
    let calls = [
        (Method::GET, "/health", Value::Null, 200),
        (Method::POST, "/program", texts, 201),
        (Method::POST, "/program", numbers, 201),
        (Method::GET, "/program", Value::Null, 200),
        (Method::GET, "/program/1", Value::Null, 200),
        (Method::PUT, "/program/1", json!({"target_value": 30}), 200),
        (Method::PUT, "/program/1", json!({"target_value": "30.0"}), 200),
        (
            Method::POST,
            "/register",
            json!({"user_indicator": "alice", "user_indicated": "uN", "referral_program_id": 2}),
            201,
        ),
        (
            Method::POST,
            "/register",
            json!({"user_indicator": "alice", "user_indicated": "vN", "referral_program_id": "2"}),
            201,
        ),
        (Method::PUT, "/invoice/user/alice", json!({"total_amount_paid": 12.5}), 200),
        (Method::PUT, "/invoice/user/alice", json!({"total_amount_paid": "12.50"}), 200),
        (Method::GET, "/statement/alice", Value::Null, 200),
        (
            Method::POST,
            "/emailindication",
            json!({"user_indicator": "alice", "emails": "not one"}),
            201,
        ),
        (Method::POST, "/emailverification", json!({"emails": "a@example.com"}), 200),
        (Method::DELETE, "/program/N", Value::Null, 204),
    ];
    let ways = [("", true), ("/", true), ("", false), ("/", false)];
    for (method, path, body, status) in calls {
        let mut first = None;
        for (number, (slash, is_json)) in (5..).zip(ways) {
            let body = match &body {
                Value::Null => String::new(),
                body if is_json => body.to_string(),
                body => form(body),
            };
            let [path, body] =
                [format!("{path}{slash}"), body].map(|text| text.replace('N', &number.to_string()));
            let answer = house.call(method.clone(), &path, &body).await;
            assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text);
            if status == 204 {
                assert_eq!(answer.text, "");
                continue;
            }
            let told = without_names(answer.json());
            let first = first.get_or_insert_with(|| told.clone());
            assert_eq!(told, *first, "{method} {path} {body}");
        }
    }
}
