//! Tokens: what they say, how long they live, and how often a credential may be tried (contract 2).

use reqwest::Method;
use uuid::Uuid;

use super::{Answer, House, client};

const TOKEN: &str = "/v1/auth/token";

async fn log_in(house: &House, domain: &str, login: &str, password: &str, more: &str) -> Answer {
    let body =
        format!(r#"{{"domain":"{domain}","login":"{login}","password":"{password}"{more}}}"#);
    house.call_as("-", Method::POST, TOKEN, &body).await
}

/// A call from this address, as the trusted proxy says.
async fn from(
    house: &House,
    address: &str,
    method: Method,
    path: &str,
    key: &str,
    body: &str,
) -> Answer {
    let request = client().request(method, format!("{}{path}", house.base)).bearer_auth(key);
    let request = request.header("content-type", "application/json").body(body.to_owned());
    Answer::of(request.header("x-forwarded-for", address).send().await.unwrap()).await
}

#[tokio::test]
async fn a_token_says_to_whom_it_was_issued_in_the_contracts_order() {
    let house = House::new(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let body = r#"{"domain":"shop","login":"anna","password":"open sesame"}"#;
    let request = client().post(format!("{}{TOKEN}", house.base)).body(body);
    let request =
        request.header("user-agent", "Firefox \"128\"").header("x-forwarded-for", "203.0.113.9");
    let answer = Answer::of(request.send().await.unwrap()).await;
    let token = answer.json();
    let (id, key) = (token["id"].as_str().unwrap(), token["key"].as_str().unwrap());
    assert_eq!(Uuid::parse_str(id).unwrap().to_string(), id);
    let expected = format!(
        r#"{{"id":"{id}","key":"{key}","ctime":"2024-07-29T12:00:00.000000+03:00","issued_device_info":"Firefox \"128\"","issued_ip_address":"203.0.113.9","expires":"2024-08-13T17:00:00.000000+03:00"}}"#
    );
    assert_eq!((answer.status, answer.text), (200, expected));
}

#[tokio::test]
async fn a_token_may_live_a_year_and_no_second_longer() {
    let house = House::new(&[]).await;
    let year = log_in(&house, "shop", "anna", "open sesame", r#","ttl":31536000"#).await;
    assert_eq!(
        (year.status, year.json()["expires"].as_str()),
        (200, Some("2025-07-29T12:00:00.000000+03:00"))
    );
    let longer = log_in(&house, "shop", "anna", "open sesame", r#","ttl":31536001"#).await;
    assert_eq!((longer.status, longer.json()["field"].as_str()), (422, Some("ttl")));
    let key = year.json()["key"].as_str().unwrap().to_owned();
    let works = async || house.call_as(&key, Method::GET, "/v1/referral", "").await.status;
    house.clock.set(house.clock.now().plus_ms(31_535_999_999));
    assert_eq!(works().await, 200);
    house.clock.set(house.clock.now().plus_ms(1));
    assert_eq!(works().await, 401);
}

#[tokio::test]
async fn a_one_time_code_is_ignored_where_totp_is_not_switched_on() {
    let house = House::new(&[]).await;
    for code in [r#","code":"000000""#, r#","code":"string""#, r#","code":null"#, r#","code":"""#] {
        let answer = log_in(&house, "shop", "anna", "open sesame", code).await;
        assert_eq!(answer.status, 200, "{code}: {}", answer.text);
    }
}

/// What takes the time is the hash: there is one for each try, whoever it is for, and of the same cost
/// (`credentials::nobodys_hash_costs_what_everybodys_does`).
#[tokio::test]
async fn an_unknown_login_or_domain_takes_as_long_as_a_wrong_password() {
    let house = House::new(&[("RATE_LIMIT", "off")]).await;
    let logins = [("shop", "anna"), ("shop", "nobody"), ("nowhere", "anna")];
    for (n, (domain, login)) in logins.into_iter().enumerate() {
        let body = format!(r#"{{"domain":"{domain}","login":"{login}","password":"wrong"}}"#);
        assert_eq!(house.call_as("-", Method::POST, TOKEN, &body).await.status, 401);
        assert_eq!(house.metrics.passwords_hashed.get(), n as u64 + 1, "{domain} {login}");
    }
}

#[tokio::test]
async fn ten_failures_for_one_login_shut_it_whatever_the_addresses() {
    let house = House::new(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let body =
        |password: &str| format!(r#"{{"domain":"shop","login":"anna","password":"{password}"}}"#);
    for n in 0..10 {
        let address = format!("203.0.113.{n}");
        let answer = from(&house, &address, Method::POST, TOKEN, "-", &body("wrong")).await;
        assert_eq!(answer.status, 401, "{n}");
    }
    let fresh = "203.0.113.200";
    let shut = from(&house, fresh, Method::POST, TOKEN, "-", &body("open sesame")).await;
    assert_eq!((shut.status, shut.header("retry-after")), (429, "61"));
    assert_eq!(shut.header("content-type"), "application/problem+json");
    let other = r#"{"domain":"other","login":"anna","password":"open sesame"}"#;
    let other = from(&house, fresh, Method::POST, TOKEN, "-", other).await;
    assert_eq!(other.status, 200, "the same login of another domain");
    house.clock.set(house.clock.now().plus_ms(60_000));
    let open = from(&house, fresh, Method::POST, TOKEN, "-", &body("open sesame")).await;
    assert_eq!(open.status, 200, "a minute later");
}

#[tokio::test]
async fn ten_wrong_tokens_from_one_address_shut_that_address() {
    let house = House::new(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    for path in ["/v1/referral", "/program/"] {
        let (shut, open) = (format!("203.0.113.{}", path.len()), "203.0.113.100");
        for n in 0..10 {
            let key = format!("{n:040}");
            let answer = from(&house, &shut, Method::GET, path, &key, "").await;
            assert_eq!(answer.status, 401, "{path} {n}");
        }
        let answer = from(&house, &shut, Method::GET, path, &house.key, "").await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, "61"), "{path}");
        let answer = from(&house, open, Method::GET, path, &house.key, "").await;
        assert_eq!(answer.status, 200, "{path}: another address");
    }
}
