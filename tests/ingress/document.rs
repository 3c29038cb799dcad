//! The OpenAPI document against the routes: nothing is missing, nothing is different (contract 2).
mod cases;

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::cases::{CASES, Case};
use super::{
    House, client,
    conform::{self, DOCUMENT, Operation},
};

const CODE: &str = "b4b9e071006f409d8e6d";
const OTHER_CODE: &str = "cccccccccccccccccccc";

/// (method, path, status) of each answer that was seen.
pub type Seen = BTreeSet<(String, String, u16)>;

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

/// The operations that the ingress itself answers.
fn own() -> Vec<Operation> {
    conform::operations().into_iter().filter(|operation| !operation.is_elsewhere()).collect()
}

/// A path that finds something, as far as that is needed.
fn path(operation: &Operation) -> String {
    operation.path_with(|name| match name {
        "user_hash" => "alice".to_owned(),
        "code" => OTHER_CODE.to_owned(),
        "file" => "index.html".to_owned(),
        "format" => "xml".to_owned(),
        _ => "1".to_owned(),
    })
}

/// A query without which an operation does not look at what the test is about.
fn query(operation: &Operation) -> &'static str {
    match operation.path.as_str() {
        "/register" => "?ref_code=b4b9e071006f409d8e6d",
        "/service/partner/api.php" => "?api_action=pp&api_key=none&method=get_info",
        "/adminzone/password" if operation.method == "GET" => "?token=none",
        _ => "",
    }
}

/// A body that is read without complaint.
fn body(operation: &Operation) -> &'static str {
    match (operation.has_body(), operation.takes_json()) {
        (false, _) => "",
        (true, true) => CASES[0].2,
        _ if operation.path == "/partnerapi.php" => "partner=nobody&code=none",
        _ if operation.path == "/goods.php" => "domain=default",
        (true, false) => {
            "email=dave%40example.com&ref_code=b4b9e071006f409d8e6d\
            &host=shop.example.com&login=dave%40example.com&password=x&token=none"
        }
    }
}

async fn expect(house: &House, seen: &mut Seen, key: &str, sent: (&str, &str, &str), status: u16) {
    let (name, path, body) = sent;
    let answer = house.call_as(key, method(name), path, body).await;
    assert_eq!(answer.status, status, "{name} {path} {body}: {}", answer.text);
    note(seen, name, path, status);
}

fn note(seen: &mut Seen, name: &str, path: &str, status: u16) {
    let operation = conform::operation(name, path).unwrap();
    seen.insert((operation.method, operation.path, status));
}

/// What every operation of its kind is refused with.
async fn refusals(house: &House, seen: &mut Seen) {
    let none = "0123456789012345678901234567890123456789";
    for operation in own() {
        let (name, path) = (operation.method.as_str(), path(&operation));
        if operation.is_secured() {
            expect(house, seen, none, (name, &path, ""), 401).await;
        }
        // A link redirects whatever its code.
        if operation.path.contains('{') && operation.statuses().contains(&400) {
            let path = operation.path_with(|_| "%ff".to_owned());
            expect(house, seen, &house.key, (name, &path, ""), 400).await;
        }
        if operation.takes_json() {
            expect(house, seen, &house.key, (name, &path, "{"), 400).await;
        }
        if operation.has_body() {
            let long = "x".repeat(3000);
            let long =
                if operation.takes_form() { format!("x={long}") } else { format!("[{long}]") };
            expect(house, seen, &house.key, (name, &path, &long), 413).await;
            // In a dialect whose answers are of 200.
            if !operation.statuses().contains(&415) {
                continue;
            }
            let url = format!("{}{path}", house.base);
            let request = client().request(method(name), url).bearer_auth(&house.key);
            let request = request.header("content-type", "text/xml").body("<a/>");
            let answer = super::Answer::of(request.send().await.unwrap()).await;
            conform::check(name, &path, &answer);
            assert_eq!(answer.status, 415, "{name} {path}");
            note(seen, name, &path, 415);
        }
    }
}

/// All bodies that never come, at once: each takes the 10 s that it may.
async fn slow_bodies(house: &House, seen: &mut Seen) {
    let address = house.base.strip_prefix("http://").unwrap();
    let slow = own().into_iter().filter(|operation| operation.statuses().contains(&408)).map(|operation| async move {
        let (name, path) = (operation.method.clone(), path(&operation));
        let form = "application/x-www-form-urlencoded";
        let kind = if operation.takes_form() { form } else { "application/json" };
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "{name} {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\ncontent-length: 5\r\n\
             content-type: {kind}\r\nconnection: close\r\n\r\n",
            house.key
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408"), "{name} {path}: {answer}");
        (name, path)
    });
    for (name, path) in join_all(slow).await {
        note(seen, &name, &path, 408);
    }
}

/// Every answer that the document promises is given, and `conform` checks each against its schema.
#[tokio::test]
async fn every_documented_answer_is_given() {
    let mut seen = Seen::new();
    let house = House::new(&[
        ("REPLY_TIMEOUT", "30s"),
        ("PUBLISH_TIMEOUT", "30s"),
        ("BODY_MAX", "2000"),
        ("RATES_BODY_MAX", "2000"),
        ("RATE_LIMIT", "off"),
    ])
    .await;
    house.credits();
    house.user("alice", "aaaaaaaaaaaaaaaaaaaa", None).await;
    for Case(name, path, body, status) in CASES {
        expect(&house, &mut seen, &house.key, (name, path, body), *status).await;
    }
    let login = house.call(Method::POST, "/v1/auth/token", CASES[0].2).await.json();
    let token = format!("/v1/auth/token/{}", login["id"].as_str().unwrap());
    expect(&house, &mut seen, &house.key, ("DELETE", &token, ""), 204).await;
    let bob = house.call(Method::POST, "/register/", "user_indicator=alice&user_indicated=bob");
    let event = format!("/v1/events/{}", bob.await.json()["id"].as_str().unwrap());
    expect(&house, &mut seen, &house.key, ("GET", &event, ""), 200).await;
    let deliveries = house.get("/v1/deliveries").await.json();
    let delivery = format!("/v1/deliveries/{}", deliveries["items"][0]["id"].as_str().unwrap());
    let retry = format!("{delivery}/retry");
    expect(&house, &mut seen, &house.key, ("GET", &delivery, ""), 200).await;
    expect(&house, &mut seen, &house.key, ("POST", &retry, ""), 200).await;
    house.sql("UPDATE delivery SET state = 'delivered'", Vec::new()).await;
    expect(&house, &mut seen, &house.key, ("POST", &retry, ""), 409).await;
    let link = format!("/register?ref_code={CODE}");
    expect(&house, &mut seen, "-", ("GET", &link, ""), 200).await;
    let export = format!("/service/export/json/{CODE}");
    let fresh = super::exports::ask(&house, Method::GET, &export, &[("if-none-match", "*")]).await;
    note(&mut seen, "GET", &export, fresh.status);
    seen.extend(super::adminzone_page::provoke(&house).await);
    refusals(&house, &mut seen).await;
    slow_bodies(&house, &mut seen).await;

    let hasty = House::new(&[
        ("REPLY_TIMEOUT", "50ms"),
        ("REGISTER_URL", "https://h/"),
        ("REGISTER_PER_MINUTE", "1"),
    ])
    .await;
    hasty.user("alice", "aaaaaaaaaaaaaaaaaaaa", None).await;
    let new = ("POST", "/register/", "user_indicator=alice&user_indicated=bob");
    expect(&hasty, &mut seen, &hasty.key, new, 202).await;
    let paid = ("PUT", "/invoice/user/alice/", "total_amount_paid=1");
    expect(&hasty, &mut seen, &hasty.key, paid, 202).await;
    expect(&hasty, &mut seen, "-", ("GET", "/register", ""), 303).await;
    for _ in 0..10 {
        hasty.call_as("wrong", Method::GET, "/program/", "").await;
    }
    let form = ("POST", "/register/form", "email=dave%40example.com");
    expect(&hasty, &mut seen, "-", form, 200).await;
    for operation in own().iter().filter(|operation| operation.statuses().contains(&429)) {
        let body = body(operation);
        let path = format!("{}{}", path(operation), query(operation));
        let sent = (operation.method.as_str(), &*path, body);
        expect(&hasty, &mut seen, &hasty.key, sent, 429).await;
    }
    without_a_database(&mut seen).await;

    let documented = own().into_iter().flat_map(|operation| {
        let Operation { method, path, .. } = operation.clone();
        operation.statuses().into_iter().map(move |status| (method.clone(), path.clone(), status))
    });
    let never: Vec<_> = documented.filter(|answer| !seen.contains(answer)).collect();
    assert_eq!(never, [], "documented, but never given");
}

async fn without_a_database(seen: &mut Seen) {
    let house = House::new(&[]).await;
    house.store.connection().clone().close().await.unwrap();
    for operation in own().iter().filter(|operation| operation.statuses().contains(&503)) {
        let body = body(operation);
        let path = format!("{}{}", path(operation), query(operation));
        let sent = (operation.method.as_str(), &*path, body);
        expect(&house, seen, &house.key, sent, 503).await;
    }
}

#[tokio::test]
async fn the_document_is_openapi_3_1_with_examples_and_served_as_it_is() {
    let house = House::new(&[]).await;
    let served = house.call_as("-", Method::GET, "/v1/openapi.json", "").await;
    assert_eq!(served.json(), *DOCUMENT);
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for Operation { method, path, object } in conform::operations() {
        let told = format!("{method} {path}");
        assert!(ids.insert(object["operationId"].as_str().unwrap().to_owned()), "{told}");
        assert!(!object["summary"].as_str().unwrap_or_default().is_empty(), "{told}");
        assert!(object["tags"][0].is_string(), "{told}");
        for parameter in object["parameters"].as_array().into_iter().flatten() {
            let value = &parameter["example"];
            let needs = parameter["in"] == "path";
            assert!(!needs || !value.is_null(), "{told}: {}", parameter["name"]);
            if !value.is_null() {
                conform::matches(&parameter["schema"], value)
                    .unwrap_or_else(|e| panic!("{told}: {e}"));
            }
        }
        for content in object["requestBody"]["content"].as_object().into_iter().flatten() {
            let example = &conform::resolve(&content.1["schema"])["example"];
            assert!(example.is_object() || example.is_array(), "{told}");
        }
    }
}

/// The document itself is open: whoever reads it, Swagger UI first, has no token yet.
#[tokio::test]
async fn everything_under_v1_needs_a_token_but_logging_in_and_the_document() {
    let house = House::new(&[]).await;
    let mut open = Vec::new();
    for operation in own().iter().filter(|operation| operation.path.starts_with("/v1/")) {
        let url = format!("{}{}", house.base, path(operation));
        let answer = client().request(method(&operation.method), url).send().await.unwrap();
        if answer.status() != 401 {
            open.push(format!("{} {}", operation.method, operation.path));
        }
    }
    assert_eq!(open, ["POST /v1/auth/token", "GET /v1/openapi.json"]);
}

/// Whatever has an example is what it is an example of.
#[test]
fn examples_are_what_their_schemas_say() {
    let mut checked = 0;
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        for (place, schema) in std::iter::once((name.clone(), schema)).chain(
            schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(member, schema)| (format!("{name}.{member}"), schema)),
        ) {
            let example = &schema["example"];
            if !example.is_null() {
                conform::matches(schema, example).unwrap_or_else(|e| panic!("{place}: {e}"));
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "only {checked} examples");
    let strange = json!({"status": "ok", "other": 1});
    let health = json!({"$ref": "#/components/schemas/Health"});
    assert!(conform::matches(&health, &strange).is_err(), "the judge sees what is not documented");
}

/// Swagger UI comes from the program itself, and its policy lets the browser fetch nothing from elsewhere.
#[tokio::test]
async fn swagger_ui_is_served_from_the_program_alone() {
    let house = House::new(&[]).await;
    let bare = house.call_as("-", Method::GET, "/swagger", "").await;
    assert_eq!((bare.status, bare.header("location")), (308, "/swagger/"));
    let page = house.call_as("-", Method::GET, "/swagger/", "").await;
    assert_eq!(page.header("content-type"), "text/html");
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("http"), "{policy}");
    let assets: Vec<&str> = page.text.split(['"', '\'']).filter(|t| t.starts_with("./")).collect();
    assert!(assets.len() >= 4, "{}", page.text);
    assert!(
        !page.text.contains("src=\"http") && !page.text.contains("href=\"http"),
        "{}",
        page.text
    );
    for asset in assets {
        let path = format!("/swagger/{}", asset.trim_start_matches("./"));
        let file = client().get(format!("{}{path}", house.base)).send().await.unwrap();
        assert_eq!(file.status(), 200, "{path}");
    }
    let initializer = house.call_as("-", Method::GET, "/swagger/swagger-initializer.js", "").await;
    assert!(initializer.text.contains(r#""url": "/v1/openapi.json""#), "{}", initializer.text);
    assert!(initializer.text.contains(r#""validatorUrl": "none""#), "{}", initializer.text);
}

#[test]
fn every_schema_is_used() {
    let text = DOCUMENT["paths"].to_string() + &DOCUMENT["components"].to_string();
    let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap();
    let unused: Vec<&String> = schemas
        .keys()
        .filter(|name| !text.contains(&format!("\"#/components/schemas/{name}\"")))
        .collect();
    assert_eq!(unused, Vec::<&String>::new());
}
