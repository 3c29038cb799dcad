//! What the tests of the client's pages share: a site, its administrator, and how they ask.
use referral::{credentials, domain::Email};
use reqwest::{Method, header::HeaderMap};

use super::{Answer, House, client, conform};

pub const HOME: &str = "/adminzone/";
pub const SHOP: &str = "shop.example.com";
pub const BOB: &str = "Bob@example.com";
pub const PASSWORD: &str = "open & sesame";
const FORM: &str = "application/x-www-form-urlencoded";

/// A site of the domain `shop`, whose administrator has [`PASSWORD`].
pub async fn site(house: &House, host: &str, email: &str) {
    const INSERT: &str = "INSERT INTO site (host, domain_id, partner_id, email, email_key, \
        password_hash, password_version, tariff_id, paid_forever, ctime_us) \
        VALUES ({?}, {?}, 1, {?}, {?}, {?}, 1, 7, 0, 0)";
    let domain_id = house.domain_id("shop").await;
    let email = Email::parse(email).unwrap();
    let hash = credentials::hash_password(PASSWORD).unwrap();
    let params = vec![
        host.into(),
        domain_id.into(),
        email.spelling().into(),
        email.key().into(),
        hash.into(),
    ];
    house.sql(INSERT, params).await;
}

/// Asks with these headers; every answer that has a body is a page that nobody keeps.
pub async fn ask(
    house: &House,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answer {
    let mut request = client().request(method.clone(), format!("{}{path}", house.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", FORM).body(body.to_owned());
    }
    let answer = Answer::of(request.send().await.unwrap()).await;
    conform::check(method.as_str(), path, &answer);
    assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
    assert_eq!(answer.header("www-authenticate"), "", "{path}");
    if !answer.text.is_empty() {
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none';"));
    }
    answer
}

pub async fn get(house: &House, path: &str) -> Answer {
    ask(house, Method::GET, path, &[], None).await
}

pub async fn get_as(house: &House, path: &str, cookie: &str) -> Answer {
    ask(house, Method::GET, path, &[("cookie", cookie)], None).await
}

pub async fn post(house: &House, path: &str, fields: &[(&str, &str)]) -> Answer {
    ask(house, Method::POST, path, &[], Some(&form(fields))).await
}

/// Fields as a form or a query.
pub fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The address of the URL login.
pub fn url(fields: &[(&str, &str)]) -> String {
    format!("{HOME}?{}", form(fields))
}

/// The cookies that an answer sets.
pub fn cookies(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect()
}

/// What a browser sends back of the one cookie of an answer.
pub fn cookie(answer: &Answer) -> String {
    let cookies = cookies(&answer.headers);
    let [cookie] = cookies.as_slice() else { panic!("{cookies:?}: {}", answer.status) };
    cookie.split(';').next().unwrap().to_owned()
}

/// Signs in; the cookie.
pub async fn sign_in(house: &House, host: &str, email: &str, password: &str) -> String {
    let answer =
        post(house, HOME, &[("host", host), ("login", email), ("password", password)]).await;
    assert_eq!((answer.status, answer.header("location")), (303, HOME), "{}", answer.text);
    cookie(&answer)
}

pub async fn is_in(house: &House, cookie: &str) -> bool {
    let answer = get_as(house, HOME, cookie).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text.contains(r#"action="/adminzone/logout""#)
}

pub async fn count(house: &House, table: &str) -> i64 {
    let count = format!("SELECT COUNT(*) AS n FROM {table}");
    house.store.one(&count, Vec::new()).await.unwrap().unwrap().int("n").unwrap()
}

pub fn later(house: &House, seconds: i64) {
    house.clock.set(house.clock.now().plus_ms(seconds * 1000));
}
