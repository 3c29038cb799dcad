//! The referral link: what is a click, what it says, and what becomes of it (contract 2).
use std::collections::HashSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{Answer, House, client, conform};

pub const CODE: &str = "b4b9e071006f409d8e6d";
pub const QUEUE: &str = "referral.daily-records";

pub async fn follow(house: &House, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = client().request(method.clone(), format!("{}{path}", house.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = Answer::of(request.send().await.unwrap()).await;
    conform::check(method.as_str(), path, &answer);
    answer
}

pub async fn register(house: &House) {
    let body = r#"{"email":"a@example.com"}"#;
    let path = format!("/v1/referral/{CODE}");
    assert_eq!(house.call(Method::PUT, &path, body).await.status, 201);
}

#[tokio::test]
async fn a_visit_is_one_click_of_the_codes_domain_and_nothing_else_is() {
    let settings =
        [("REGISTER_URL", "https://example.com/join?a=1"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let house = House::new(&settings).await;
    register(&house).await;
    house.user("own", "oooooooooooooooooooo", None).await;
    let link = format!("/register?ref_code={CODE}&x=1");
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [
        ("user-agent", "Firefox"),
        ("referer", "https://blog.example.com/"),
        ("x-forwarded-for", "203.0.113.9"),
        ("traceparent", traceparent),
    ];
    let answer = follow(&house, Method::GET, &link, &headers).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), format!("https://example.com/join?a=1&ref_code={CODE}"));
    assert_eq!(answer.header("cache-control"), "no-store");

    for (method, path, headers) in [
        (Method::HEAD, link.as_str(), vec![]),
        (Method::GET, link.as_str(), vec![("sec-purpose", "prefetch;prerender")]),
        (Method::GET, link.as_str(), vec![("purpose", "prefetch")]),
        (Method::GET, link.as_str(), vec![("x-moz", "prefetch")]),
        (Method::GET, "/register?ref_code=zzzzzzzzzzzzzzzzzzzz", vec![]),
        (Method::GET, "/register?ref_code=short", vec![]),
        (Method::GET, "/register", vec![]),
    ] {
        let answer = follow(&house, method.clone(), path, &headers).await;
        assert_eq!(answer.status, 303, "{method} {path} {headers:?}");
    }
    let own = follow(&house, Method::GET, "/register/?ref_code=oooooooooooooooooooo", &[]).await;
    assert_eq!(own.status, 303, "a user's own code");

    let (_, events) = house.taken(QUEUE, 2).await;
    let codes: Vec<_> =
        events.iter().map(|event| event["data"]["code"].as_str().unwrap()).collect();
    assert_eq!(codes, [CODE, "oooooooooooooooooooo"]);
    let click = &events[0];
    assert_eq!(
        (&click["type"], &click["source"]),
        (&json!("referral.click.v1"), &json!("/referral/ingress"))
    );
    assert_eq!((&click["domain"], &click["traceparent"]), (&json!("shop"), &json!(traceparent)));
    let data = json!({
        "code": CODE, "ip": "203.0.113.9", "user_agent": "Firefox",
        "referrer": "https://blog.example.com/", "query_string": format!("ref_code={CODE}&x=1"),
    });
    assert_eq!(click["data"], data);
}

/// A user's own code can be computed by anybody, so another domain may have registered it first.
#[tokio::test]
async fn a_users_own_code_leads_to_the_users_domain_whoever_registered_it_before() {
    let house = House::new(&[]).await;
    let body = r#"{"email":"thief@example.com"}"#;
    let path = format!("/v1/referral/{CODE}");
    assert_eq!(house.call_as(&house.stranger, Method::PUT, &path, body).await.status, 201);
    let link = format!("/register?ref_code={CODE}");
    assert_eq!(follow(&house, Method::GET, &link, &[]).await.status, 200);
    house.user("alice", CODE, None).await;
    // What is known of a code is asked for again after a minute.
    house.clock.set(house.clock.now().plus_ms(60_000));
    assert_eq!(follow(&house, Method::GET, &link, &[]).await.status, 200);
    let (_, events) = house.taken(QUEUE, 2).await;
    let domains: Vec<_> = events.iter().map(|event| event["domain"].as_str().unwrap()).collect();
    assert_eq!(domains, ["other", "shop"]);
}

#[tokio::test]
async fn without_a_target_there_is_a_page() {
    let house = House::new(&[]).await;
    let answer = follow(&house, Method::GET, "/register?ref_code=<script>", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(!answer.text.contains("<script>"), "{}", answer.text);
}

#[tokio::test]
async fn many_clicks_at_once_leave_in_few_messages_and_none_is_lost() {
    let house = House::new(&[("GROUP_LINGER_MS", "5")]).await;
    register(&house).await;
    // One client: the making of 300 would take longer than all that they ask for.
    let (client, link) = (client(), format!("{}/register?ref_code={CODE}", house.base));
    let visit = async |_| client.get(&link).send().await.unwrap().status();
    let answers = join_all((0..300).map(visit)).await;
    assert!(answers.iter().all(|status| status.as_u16() == 200), "{answers:?}");
    let (messages, events) = house.taken(QUEUE, 300).await;
    let ids: HashSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!((events.len(), ids.len()), (300, 300));
    assert!(messages < 150, "{messages} messages");
}
