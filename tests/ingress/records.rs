//! Codes and daily records (contract 2).
use reqwest::Method;
use serde_json::json;

use super::House;

const CODE: &str = "b4b9e071006f409d8e6d";

async fn put(house: &House, code: &str, email: &str) -> u16 {
    let body = json!({"email": email}).to_string();
    house.call(Method::PUT, &format!("/v1/referral/{code}"), &body).await.status
}

#[tokio::test]
async fn a_code_belongs_to_one_email_of_one_domain() {
    let house = House::new(&[]).await;
    let own = "aaaaaaaaaaaaaaaaaaaa";
    house.user("alice", own, Some("alice@example.com")).await;
    for (code, email, status) in [
        (CODE, "Ann@example.com", 201),
        (CODE, "ann@EXAMPLE.com", 200),
        (CODE, "bob@example.com", 409),
        (own, "bob@example.com", 409),
        (own, "alice@example.com", 201),
        ("short", "ann@example.com", 422),
        ("c4b9e071006f409d8e6-", "ann@example.com", 422),
        ("c4b9e071006f409d8e6d", "nobody", 422),
    ] {
        assert_eq!(put(&house, code, email).await, status, "{code} {email}");
    }
    let path = format!("/v1/referral/{CODE}");
    let body = r#"{"email":"ann@example.com"}"#;
    let stranger = house.call_as(&house.stranger, Method::PUT, &path, body).await;
    assert_eq!(stranger.status, 409, "another domain");
    let unknown =
        house.call(Method::PUT, &path, r#"{"email":"ann@example.com","program_id":7}"#).await;
    assert_eq!((unknown.status, &unknown.json()["field"]), (422, &json!("program_id")));

    let empty = house.call(Method::PUT, &path, body).await;
    let id = empty.json()["id"].as_str().unwrap().to_owned();
    let noon = "2024-07-29T12:00:00.000000+03:00";
    let record = format!(
        r#"{{"id":"{id}","ctime":"{noon}","mtime":"{noon}","date":"2024-07-29","code":"{CODE}","emails":[],"clicks":0}}"#
    );
    assert_eq!(empty.text, record);
    assert_eq!(house.get("/v1/referral").await.json()["total"], 0, "not stored");
}

fn record_id(day: &str, code: &str) -> String {
    format!("00000000-0000-4000-8000-{}{:04x}", day.replace('-', ""), code.as_bytes()[0])
}

/// Records as the worker leaves them: three days of one code, one of another, one of a third that
/// nobody has registered.
async fn fill(house: &House) {
    let domain_id = house.domain_id("shop").await;
    const RECORD: &str = "INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, \
        mtime_us) VALUES ({?}, {?}, {?}, {?}, {?}, 1722253945426324, 1722253945428960)";
    const SIGNUP: &str = "INSERT INTO daily_signup (event_key, domain_id, code, day, time_us, \
        email, email_key, seen_us) VALUES ({?}, {?}, {?}, '2024-07-29', {?}, {?}, {?}, 1)";
    for (day, code, clicks) in [
        ("2024-07-28", CODE, 3),
        ("2024-07-29", CODE, 1),
        ("2024-07-30", CODE, 0),
        ("2024-07-29", "aaaaaaaaaaaaaaaaaaaa", 2),
        ("2024-07-29", "nnnnnnnnnnnnnnnnnnnn", 9),
    ] {
        let id = record_id(day, code);
        let params = vec![domain_id.into(), day.into(), code.into(), id.into(), i64::into(clicks)];
        house.sql(RECORD, params).await;
    }
    for (key, time, email) in [
        ("k1", 30, "late@example.com"),
        ("k2", 10, "B@example.com"),
        ("k3", 20, "b@EXAMPLE.com"),
        ("k4", 10, "a@example.com"),
    ] {
        let email_key = email.to_lowercase();
        let params = vec![
            key.into(),
            domain_id.into(),
            CODE.into(),
            i64::into(time),
            email.into(),
            email_key.into(),
        ];
        house.sql(SIGNUP, params).await;
    }
}

#[tokio::test]
async fn records_are_shown_newest_first_with_each_address_once() {
    let house = House::new(&[]).await;
    fill(&house).await;
    assert_eq!(house.get("/v1/referral").await.json()["total"], 0, "no code is registered");
    assert_eq!(put(&house, CODE, "ann@example.com").await, 201);
    house.user("own", "aaaaaaaaaaaaaaaaaaaa", Some("own@example.com")).await;

    let all = house.get("/v1/referral").await.json();
    let order: Vec<String> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            format!(
                "{} {} {}",
                item["date"].as_str().unwrap(),
                &item["code"].as_str().unwrap()[..1],
                item["clicks"]
            )
        })
        .collect();
    assert_eq!(order, ["2024-07-30 b 0", "2024-07-29 a 2", "2024-07-29 b 1", "2024-07-28 b 3"]);
    assert_eq!((&all["limit"], &all["total"]), (&json!(10), &json!(4)));

    let one = house.get(&format!("/v1/referral?date=2024-07-29&code={CODE}")).await;
    let expected = format!(
        r#"{{"items":[{{"id":"{}","ctime":"2024-07-29T14:52:25.426324+03:00","mtime":"2024-07-29T14:52:25.428960+03:00","date":"2024-07-29","code":"{CODE}","emails":["a@example.com","B@example.com","late@example.com"],"clicks":1}}],"limit":10,"total":1}}"#,
        record_id("2024-07-29", CODE)
    );
    assert_eq!(one.text, expected);
}

#[tokio::test]
async fn filters_combine_and_pages_follow_each_other() {
    let house = House::new(&[]).await;
    fill(&house).await;
    assert_eq!(put(&house, CODE, "ann@example.com").await, 201);
    house.user("own", "aaaaaaaaaaaaaaaaaaaa", Some("own@example.com")).await;
    for (query, total, items) in [
        ("", 4, 4),
        ("email=ANN%40example.com", 3, 3),
        ("email=own%40example.com", 1, 1),
        ("email=nobody%40example.com", 0, 0),
        ("date=2024-07-29", 2, 2),
        ("date=2024-07-29&email=ann%40example.com", 1, 1),
        ("code=nnnnnnnnnnnnnnnnnnnn", 0, 0),
        ("limit=3", 4, 3),
        ("limit=3&page=2", 4, 1),
        ("limit=3&page=3", 4, 0),
    ] {
        let page = house.get(&format!("/v1/referral?{query}")).await.json();
        let found = (page["total"].as_i64().unwrap(), page["items"].as_array().unwrap().len());
        assert_eq!(found, (total, items), "{query}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("page=0", "page"),
        ("date=yesterday", "date"),
        ("code=x", "code"),
        ("email=x", "email"),
    ] {
        let answer = house.get(&format!("/v1/referral?{query}")).await;
        assert_eq!((answer.status, &answer.json()["field"]), (422, &json!(field)), "{query}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}
