//! Contract 4: "Rates come in through `PUT /v1/rates` (Bearer, JSON array, replaces the domain's set
//! atomically: 204, or 422 naming item and member; currency names are `[0-9A-Za-z]{1,20}`)".
use std::fmt::Write as _;

use reqwest::Method;

use super::{Answer, House, client, exports::CODE};

/// The path of the route.
const RATES: &str = "/v1/rates";

/// What the domain `shop` exports, in lines.
async fn exported(house: &House) -> String {
    house.get(&format!("/service/export/txt/{CODE}")).await.text
}

async fn put(house: &House, body: &str) -> Answer {
    house.call(Method::PUT, RATES, body).await
}

/// So many directions, each of them another.
fn many(count: usize) -> String {
    let mut body = String::from("[");
    for number in 0..count {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(body, r#"{comma}{{"from":"C{number}","to":"BTC","in":{number}.5,"out":1}}"#);
    }
    body + "]"
}

#[tokio::test]
async fn put_replaces_the_domains_set_and_answers_204() {
    let house = super::exports::with_code(&[]).await;
    assert_eq!(exported(&house).await, "", "no rates yet");
    let first = r#"[{"from":"A","to":"B","in":"1.50","out":2e-8,"amount":3},{"from":"B","to":"A","in":1,"out":1}]"#;
    let answer = put(&house, first).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(exported(&house).await, "A;B;1.5;0.00000002;3;\nB;A;1;1;;\n");
    assert_eq!(put(&house, r#"[{"from":"C","to":"A","in":7,"out":"8"}]"#).await.status, 204);
    assert_eq!(exported(&house).await, "C;A;7;8;;\n", "nothing of the first is left");
    assert_eq!(put(&house, "[]").await.status, 204);
    assert_eq!(exported(&house).await, "", "an empty array clears them");
}

#[tokio::test]
async fn a_bad_item_is_422_naming_item_and_member_and_changes_nothing() {
    let house = super::exports::with_code(&[]).await;
    assert_eq!(put(&house, r#"[{"from":"K","to":"L","in":1,"out":1}]"#).await.status, 204);
    let cases = [
        (r#"{"to":"B","in":1,"out":1}"#, "[1].from"),
        (r#"{"from":"A B","to":"B","in":1,"out":1}"#, "[1].from"),
        (r#"{"from":"123456789012345678901","to":"B","in":1,"out":1}"#, "[1].from"),
        (r#"{"from":"A","to":"Б","in":1,"out":1}"#, "[1].to"),
        (r#"{"from":"A","to":"B","out":1}"#, "[1].in"),
        (r#"{"from":"A","to":"B","in":0,"out":1}"#, "[1].in"),
        (r#"{"from":"A","to":"B","in":1,"out":"-1"}"#, "[1].out"),
        (r#"{"from":"A","to":"B","in":1,"out":1e-19}"#, "[1].out"),
        (r#"{"from":"A","to":"B","in":1,"out":1,"amount":"much"}"#, "[1].amount"),
        (r#"{"from":"A","to":"B","in":1,"out":1,"minamount":-1}"#, "[1].minamount"),
        (r#"{"from":"A","to":"B","in":1,"out":1,"maxamount":1e20}"#, "[1].maxamount"),
        (r#"{"from":"A","to":"B","in":1,"out":1,"param":7}"#, "[1].param"),
        (r#"{"from":"A","to":"B","in":1,"out":1,"param":"\u0000"}"#, "[1].param"),
        (r#"{"from":"X","to":"Y","in":2,"out":2}"#, "[1].to"),
        ("null", "[1]"),
    ];
    for (item, field) in cases {
        let body = format!(r#"[{{"from":"X","to":"Y","in":1,"out":1}},{item}]"#);
        let answer = put(&house, &body).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (422, "application/problem+json")
        );
        let problem = answer.json();
        assert_eq!(problem["field"], field, "{item}");
        assert!(
            problem["detail"].as_str().unwrap().starts_with(&format!("{field}: ")),
            "{problem}"
        );
        assert_eq!(exported(&house).await, "K;L;1;1;;\n", "{item}");
    }
    for (body, status) in [("[", 400), ("{}", 400), ("[] []", 400), ("from=A", 415)] {
        assert_eq!(put(&house, body).await.status, status, "{body}");
    }
    assert_eq!(exported(&house).await, "K;L;1;1;;\n");
}

#[tokio::test]
async fn numbers_are_kept_exactly_however_they_were_written() {
    let house = super::exports::with_code(&[]).await;
    for (written, shown) in [
        ("0.00000001", "0.00000001"),
        ("1e-8", "0.00000001"),
        ("\"1E-8\"", "0.00000001"),
        ("12345678901.5", "12345678901.5"),
        ("1.23456789015e10", "12345678901.5"),
        ("0.1", "0.1"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("9007199254740993", "9007199254740993"),
        ("\"99999999999999999999.999999999999999999\"", "99999999999999999999.999999999999999999"),
        ("1e-18", "0.000000000000000001"),
        ("100.000", "100"),
        ("1e3", "1000"),
    ] {
        let body =
            format!(r#"[{{"from":"A","to":"B","in":{written},"out":1,"amount":{written}}}]"#);
        assert_eq!(put(&house, &body).await.status, 204, "{written}");
        assert_eq!(exported(&house).await, format!("A;B;{shown};1;{shown};\n"), "{written}");
    }
}

#[tokio::test]
async fn the_very_same_set_changes_nothing() {
    let house = super::exports::with_code(&[]).await;
    let state = async || {
        let row = house.store.one("SELECT MAX(changed_us) AS changed FROM rate_set", Vec::new());
        let changed = row.await.unwrap().unwrap().int_or_null("changed").unwrap();
        let export = house.get(&format!("/service/export/xml/{CODE}")).await;
        (changed, export.header("etag").to_owned(), export.header("last-modified").to_owned())
    };
    let none = state().await;
    assert_eq!(put(&house, "[]").await.status, 204);
    assert_eq!(state().await, none, "no rates are what there was");
    let set = r#"[{"from":"A","to":"B","in":1.0,"out":2},{"from":"B","to":"A","in":1,"out":2}]"#;
    assert_eq!(put(&house, set).await.status, 204);
    let before = state().await;
    assert_ne!(before.1, none.1);
    house.clock.set(house.clock.now().plus_ms(5000));
    let same = r#"[{"to":"B","from":"A","in":"1","out":2.00},{"from":"B","to":"A","in":1,"out":2,"param":""}]"#;
    assert_eq!(put(&house, same).await.status, 204);
    assert_eq!(state().await, before);
    let turned = r#"[{"from":"B","to":"A","in":1,"out":2},{"from":"A","to":"B","in":1,"out":2}]"#;
    assert_eq!(put(&house, turned).await.status, 204);
    let after = state().await;
    assert!(after.1 != before.1 && after.2 != before.2, "the order is part of it: {after:?}");
}

#[tokio::test]
async fn rates_have_a_limit_of_items_and_one_of_bytes_of_their_own() {
    let house = super::exports::with_code(&[("BODY_MAX", "2000")]).await;
    let most = many(10_001);
    let answer = put(&house, &most.replace(":0.5,", ":1,")).await;
    assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some("[10000]")));
    let most = many(10_000);
    assert!(most.len() > 300_000);
    assert_eq!(put(&house, &most).await.status, 204);
    let lines = exported(&house).await;
    assert_eq!(lines.lines().count(), 10_000);
    assert!(lines.ends_with("C9999;BTC;9999.5;1;;\n"), "{}", lines.lines().last().unwrap());
    let over = format!("[{}]", " ".repeat(4 << 20));
    assert_eq!(put(&house, &over).await.status, 413, "the default is 4 MiB");
    let narrow = super::exports::with_code(&[("RATES_BODY_MAX", "1024")]).await;
    assert_eq!(put(&narrow, &format!("[{}]", " ".repeat(1022))).await.status, 204);
    assert_eq!(put(&narrow, &format!("[{}]", " ".repeat(1023))).await.status, 413);
}

#[tokio::test]
async fn a_domain_sets_its_own_rates_only_and_needs_a_token_to() {
    let house = super::exports::with_code(&[]).await;
    let own = r#"[{"from":"OWN","to":"B","in":1,"out":1}]"#;
    let theirs = r#"[{"from":"THEIRS","to":"B","in":1,"out":1}]"#;
    assert_eq!(put(&house, own).await.status, 204);
    assert_eq!(house.call_as(&house.stranger, Method::PUT, RATES, theirs).await.status, 204);
    let code = "/v1/referral/ssssssssssssssssssss";
    let code = house.call_as(&house.stranger, Method::PUT, code, "email=s%40example.com").await;
    assert_eq!(code.status, 201);
    assert_eq!(exported(&house).await, "OWN;B;1;1;;\n");
    let export = house.get("/service/export/txt/ssssssssssssssssssss").await;
    assert_eq!(export.text, "THEIRS;B;1;1;;\n");
    let bare = client().put(format!("{}{RATES}", house.base)).body("[]").send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(exported(&house).await, "OWN;B;1;1;;\n");
}
