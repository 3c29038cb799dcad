//! Tokens, logins, limits, and what another domain's token sees (contract 2).
use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::House;

const TOKEN: &str = "/v1/auth/token";

fn login(domain: &str, login: &str, password: &str, more: &str) -> String {
    format!(r#"{{"domain":"{domain}","login":"{login}","password":"{password}"{more}}}"#)
}

#[tokio::test]
async fn a_login_gives_a_token_that_works_until_it_is_revoked_or_out_of_date() {
    let house = House::new(&[]).await;
    let answer =
        house.call_as("-", Method::POST, TOKEN, &login("shop", "anna", "open sesame", "")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let token = answer.json();
    let key = token["key"].as_str().unwrap();
    assert!(
        key.len() == 40 && key.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
    );
    assert_eq!(token["ctime"], "2024-07-29T12:00:00.000000+03:00");
    assert_eq!(token["expires"], "2024-08-13T17:00:00.000000+03:00", "1314000 s later");
    assert_eq!(token["issued_ip_address"], "127.0.0.1");
    assert_eq!(token["issued_device_info"], "");
    assert_eq!(house.call_as(key, Method::GET, "/program/", "").await.status, 200);

    let path = format!("{TOKEN}/{}", token["id"].as_str().unwrap());
    let strangers = house.call_as(&house.stranger, Method::DELETE, &path, "").await;
    assert_eq!(strangers.status, 404, "another domain's token");
    assert_eq!(house.call_as(key, Method::DELETE, &path, "").await.status, 204);
    assert_eq!(house.call_as(key, Method::GET, "/program/", "").await.status, 401, "at once");

    let short = login("shop", "anna", "open sesame", r#","ttl":1"#);
    let short = house.call_as("-", Method::POST, TOKEN, &short).await.json();
    house.clock.set(house.clock.now().plus_ms(1000));
    let key = short["key"].as_str().unwrap();
    assert_eq!(house.call_as(key, Method::GET, "/program/", "").await.status, 401, "out of date");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_login_is_one_and_the_same_401_and_ten_are_enough() {
    let house = House::new(&[]).await;
    let wrong = [("shop", "anna", "x"), ("shop", "nobody", "open sesame"), ("no", "anna", "x")];
    let mut bodies = std::collections::HashSet::new();
    for n in 0..10 {
        let (domain, user, password) = wrong[n % 3];
        let answer =
            house.call_as("-", Method::POST, TOKEN, &login(domain, user, password, "")).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        bodies.insert(answer.text);
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let right = login("shop", "anna", "open sesame", "");
    let answer = house.call_as("-", Method::POST, TOKEN, &right).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "61"));
    house.clock.set(house.clock.now().plus_ms(60_000));
    assert_eq!(house.call_as("-", Method::POST, TOKEN, &right).await.status, 200);
}

#[tokio::test]
async fn bad_requests_for_a_token_name_the_field() {
    let house = House::new(&[]).await;
    for (body, field) in [
        (r#"{"login":"a","password":"b"}"#.to_owned(), "domain"),
        (r#"{"domain":"a","password":"b"}"#.to_owned(), "login"),
        (r#"{"domain":"a","login":"b"}"#.to_owned(), "password"),
        (login("shop", "anna", "open sesame", r#","ttl":0"#), "ttl"),
        (login("shop", "anna", "open sesame", r#","ttl":31536001"#), "ttl"),
        (login("shop", "anna", "open sesame", r#","ttl":"soon""#), "ttl"),
    ] {
        let answer = house.call_as("-", Method::POST, TOKEN, &body).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{body}");
    }
    assert_eq!(house.call_as("-", Method::POST, TOKEN, "{").await.status, 400);
}

#[tokio::test]
async fn nothing_is_open_without_a_token_and_another_domains_sees_nothing() {
    let house = House::new(&[("RATE_LIMIT", "off")]).await;
    house.user("alice", "aaaaaaaaaaaaaaaaaaaa", None).await;
    let programme = "name=P&credit_value=1&target_value=2";
    assert_eq!(house.call(Method::POST, "/program/", programme).await.status, 201);
    let register = "user_indicator=alice&user_indicated=bob";
    for (method, path, body, strangers) in [
        (Method::POST, "/program", programme, 201),
        (Method::GET, "/program/1", "", 404),
        (Method::PUT, "/program/1/", "name=X", 404),
        (Method::DELETE, "/program/1", "", 404),
        (Method::POST, "/register/", register, 404),
        (Method::PUT, "/invoice/user/alice/", "total_amount_paid=1", 404),
        (Method::GET, "/statement/alice/", "", 404),
        (Method::PUT, "/v1/referral/aaaaaaaaaaaaaaaaaaaa", "email=a%40b", 409),
        (Method::GET, "/v1/events/x", "", 404),
        (Method::GET, "/v1/referral", "", 200),
    ] {
        let of = async |key: &str| house.call_as(key, method.clone(), path, body).await.status;
        assert_eq!(of("0123456789012345678901234567890123456789").await, 401, "{method} {path}");
        assert_eq!(of(&house.stranger).await, strangers, "{method} {path}");
    }
    assert_eq!(house.call_as("-", Method::GET, "/health", "").await.text, r#"{"status":"ok"}"#);
}

#[tokio::test]
async fn bodies_have_limits() {
    let house = House::new(&[("BODY_MAX", "2000")]).await;
    let body = |size: usize| format!("name={}", "x".repeat(size));
    assert_eq!(house.call(Method::POST, "/program/", &body(2000)).await.status, 413);
    let answer = house.call(Method::POST, "/program/", &body(300)).await;
    assert_eq!((answer.status, answer.text.contains("name:")), (422, true), "{}", answer.text);
    let request = super::client().post(format!("{}/program/", house.base)).bearer_auth(&house.key);
    let xml = request.header("content-type", "text/xml").body("<a/>").send().await.unwrap();
    assert_eq!(xml.status(), 415);
}

/// A client that never ends its headers is let go after 10 s, and a stop does not wait for it.
#[tokio::test]
async fn slow_clients_are_let_go() {
    let house = House::new(&[]).await;
    let address = house.base.strip_prefix("http://").unwrap();
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: h\r\n").await.unwrap();
    let begun = std::time::Instant::now();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(super::PATIENCE, slow.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
