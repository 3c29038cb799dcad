//! One-time codes of administrators (contract 2), at the times of RFC 6238's own examples.
use futures_util::future::join_all;
use referral::{
    domain::Micros,
    store::access::{self, Login},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, House};

const TOKEN: &str = "/v1/auth/token";
/// RFC 6238, appendix B: the secret in base32, and of each code the last 6 digits.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const FIRST: (i64, &str) = (1_111_111_109, "081804");
/// Its step follows at once.
const NEXT: (i64, &str) = (1_111_111_111, "050471");

async fn administrator(house: &House) -> Login {
    access::login(&house.store, "shop", "anna").await.unwrap().unwrap()
}

/// A house whose Anna has one-time codes, at this second.
async fn house(second: i64, settings: &[(&str, &str)]) -> House {
    let house = House::new(settings).await;
    let anna = administrator(&house).await.administrator_id;
    access::set_totp(&house.store, anna, Some(SECRET)).await.unwrap();
    house.clock.set(Micros(second * 1_000_000));
    house
}

async fn log_in(house: &House, password: &str, code: Option<Value>) -> Answer {
    let mut body = json!({"domain": "shop", "login": "anna", "password": password});
    if let Some(code) = code {
        body["code"] = code;
    }
    house.call_as("-", Method::POST, TOKEN, &body.to_string()).await
}

async fn status(house: &House, code: &str) -> u16 {
    log_in(house, "open sesame", Some(code.into())).await.status
}

#[tokio::test]
async fn a_login_needs_the_code_and_each_code_is_good_once() {
    let house = house(FIRST.0, &[("RATE_LIMIT", "off")]).await;
    let unknown = r#"{"domain":"shop","login":"nobody","password":"x"}"#;
    let refused = house.call_as("-", Method::POST, TOKEN, unknown).await;
    assert_eq!(refused.status, 401);
    for (password, code) in [
        ("open sesame", None),
        ("open sesame", Some(json!("081805"))),
        ("open sesame", Some(json!(81804))),
        ("open sesame", Some(json!(["081804"]))),
        ("open sesame", Some(json!("81804"))),
        ("open sesame", Some(json!(" 081804"))),
        ("open sesame", Some(json!("0".repeat(5000)))),
        ("wrong", Some(json!("081804"))),
    ] {
        let answer = log_in(&house, password, code.clone()).await;
        assert_eq!(answer.status, 401, "{password} {code:?}");
        assert_eq!(answer.text, refused.text, "{password} {code:?}");
    }
    assert_eq!(status(&house, FIRST.1).await, 200, "a wrong password did not use it up");
    let again = log_in(&house, "open sesame", Some(FIRST.1.into())).await;
    assert_eq!((again.status, again.text), (401, refused.text), "used");

    let form = "domain=shop&login=anna&password=open+sesame&code=";
    let in_form = |code| format!("{form}{code}");
    let answer = house.call_as("-", Method::POST, TOKEN, &in_form(NEXT.1)).await;
    assert_eq!(answer.status, 200, "the next step's, and as a form");
    assert_eq!(status(&house, NEXT.1).await, 401, "used too");
}

#[tokio::test]
async fn one_step_of_a_wrong_clock_is_forgiven_and_no_more() {
    for (off, expected) in [(-60, 401), (-30, 200), (30, 200), (60, 401)] {
        let house = house(FIRST.0 + off, &[]).await;
        assert_eq!(status(&house, FIRST.1).await, expected, "{off} s off");
    }
    let house = house(NEXT.0, &[]).await;
    assert_eq!(status(&house, NEXT.1).await, 200);
    assert_eq!(status(&house, FIRST.1).await, 401, "an earlier one after a later one");
}

#[tokio::test]
async fn of_several_who_come_with_one_code_at_once_one_is_let_in() {
    let house = house(FIRST.0, &[("RATE_LIMIT", "off")]).await;
    let answers = join_all((0..6).map(|_| status(&house, FIRST.1))).await;
    let let_in = answers.iter().filter(|status| **status == 200).count();
    assert_eq!((let_in, answers.len()), (1, 6), "{answers:?}");
    // However close they come, the database lets one: all of these saw the same last step.
    let anna = administrator(&house).await.administrator_id;
    let step = NEXT.0 / 30;
    let take = || access::take_step(&house.store, anna, SECRET, step);
    let taken = join_all((0..6).map(|_| take())).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
    let of_an_old_secret = access::take_step(&house.store, anna, "GEZDGNBV", step + 1).await;
    assert!(!of_an_old_secret.unwrap(), "the secret was changed meanwhile");
}

#[tokio::test]
async fn wrong_codes_count_as_failures() {
    let house = house(FIRST.0, &[]).await;
    for _ in 0..10 {
        assert_eq!(status(&house, "000000").await, 401);
    }
    let answer = log_in(&house, "open sesame", Some(FIRST.1.into())).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "61"));
}

#[tokio::test]
async fn without_them_a_code_is_ignored_whatever_it_is() {
    let house = house(FIRST.0, &[]).await;
    let anna = administrator(&house).await.administrator_id;
    access::set_totp(&house.store, anna, None).await.unwrap();
    for code in [json!("000000"), json!(""), json!(7), json!([{}]), json!("x".repeat(5000))] {
        assert_eq!(log_in(&house, "open sesame", Some(code.clone())).await.status, 200, "{code}");
    }
    assert_eq!(log_in(&house, "wrong", Some(FIRST.1.into())).await.status, 401);
}
