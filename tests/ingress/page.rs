//! The built-in registration page: the form, what it publishes, and what it never tells
//! (contract 2). The page in a real browser is `browser`'s.
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, House, client, conform};

const CODE: &str = "b4b9e071006f409d8e6d";
const UNKNOWN: &str = "zzzzzzzzzzzzzzzzzzzz";
const QUEUE: &str = "referral.credits";
const FORM: &str = "application/x-www-form-urlencoded";
const EVIL: &str = r#""><script>alert('x')</script>"#;

async fn ask(house: &House, method: Method, path: &str, kind: &str, body: String) -> Answer {
    let request = client().request(method.clone(), format!("{}{path}", house.base));
    let request = request.header("content-type", kind).body(body);
    let answer = Answer::of(request.send().await.unwrap()).await;
    conform::check(method.as_str(), path, &answer);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{}", answer.text);
    assert!(answer.header("content-security-policy").starts_with("default-src 'none';"));
    assert_eq!(answer.header("cache-control"), "no-store");
    answer
}

async fn send(house: &House, email: &str, ref_code: &str) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("email", email).append_pair("ref_code", ref_code);
    ask(house, Method::POST, "/register/form", FORM, form.finish()).await
}

async fn register_code(house: &House) {
    let body = r#"{"email":"a@example.com"}"#;
    let path = format!("/v1/referral/{CODE}");
    assert_eq!(house.call(Method::PUT, &path, body).await.status, 201);
}

fn field<'a>(event: &'a Value, name: &str) -> &'a str {
    event["data"][name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn what_is_typed_is_one_signup_however_often_it_is_sent() {
    let house = House::new(&[("REGISTER_URL", "https://example.com/join")]).await;
    register_code(&house).await;
    let answer = send(&house, " Bob@Example.com ", CODE).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.contains("Thank you") && answer.text.contains("Bob@Example.com"));
    assert_eq!(send(&house, "bob@example.com", CODE).await.status, 200, "a double click");
    assert_eq!(send(&house, "bob@example.com", UNKNOWN).await.status, 200, "another link");
    assert_eq!(send(&house, "carol@example.com", CODE).await.status, 200, "somebody else");

    let (_, events) = house.taken(QUEUE, 4).await;
    let [first, again, other_link, carol] = events.as_slice() else { panic!("{events:?}") };
    let mut expected = json!({
        "specversion": "1.0", "type": "referral.signup.v1", "source": "/referral/ingress/register",
        "time": "2024-07-29T09:00:00.000000+00:00", "domain": "shop",
        "datacontenttype": "application/json",
        "data": {"email": "Bob@Example.com", "code": CODE},
    });
    expected["id"] = first["id"].clone();
    expected["data"]["user_hash"] = first["data"]["user_hash"].clone();
    assert_eq!(*first, expected);
    assert!(uuid::Uuid::try_parse(field(first, "user_hash")).is_ok(), "{first}");
    assert_eq!((&again["id"], &again["source"]), (&first["id"], &first["source"]), "one event");
    assert_eq!(field(again, "user_hash"), field(first, "user_hash"), "one user");
    for other in [other_link, carol] {
        assert_ne!(other["id"], first["id"], "{other}");
        assert_ne!(field(other, "user_hash"), field(first, "user_hash"), "{other}");
    }
}

#[tokio::test]
async fn a_code_that_nobody_has_waits_and_what_is_none_is_left_out() {
    let house = House::new(&[]).await;
    house.user("own", "oooooooooooooooooooo", None).await;
    for ref_code in [UNKNOWN, "oooooooooooooooooooo", "short", "", EVIL] {
        assert_eq!(send(&house, "bob@example.com", ref_code).await.status, 200, "{ref_code}");
    }
    let without = ask(&house, Method::POST, "/register/form", FORM, "email=b%40c.d".to_owned());
    assert_eq!(without.await.status, 200, "no ref_code at all");
    let (_, events) = house.taken(QUEUE, 6).await;
    let told: Vec<(&str, Option<&str>)> = events
        .iter()
        .map(|event| (event["domain"].as_str().unwrap(), event["data"]["code"].as_str()))
        .collect();
    let expected = [
        ("default", Some(UNKNOWN)),
        ("shop", Some("oooooooooooooooooooo")),
        ("default", None),
        ("default", None),
        ("default", None),
        ("default", None),
    ];
    assert_eq!(told, expected);
    assert_eq!(events[2]["id"], events[3]["id"], "what is no code makes no other event");
}

#[tokio::test]
async fn a_bad_address_is_named_kept_and_published_to_nobody() {
    let house = House::new(&[]).await;
    register_code(&house).await;
    for (email, kept, told) in [
        ("bob", "bob", "This is not an e-mail address"),
        ("bob@", "bob@", "This is not an e-mail address"),
        (EVIL, "&#34;&#62;&#60;script&#62;", "This is not an e-mail address"),
        ("a\0@b", "a\0@b", "This is not an e-mail address"),
        ("", "", "enter your e-mail address"),
        (" ", " ", "enter your e-mail address"),
    ] {
        let answer = send(&house, email, CODE).await;
        assert_eq!(answer.status, 422, "{email}");
        assert!(answer.text.contains(&format!(r#"type="email" value="{kept}"#)), "{}", answer.text);
        assert!(answer.text.contains(told), "{email}: {}", answer.text);
        assert!(answer.text.contains(r#"aria-describedby="email-problem""#));
        assert!(answer.text.contains(&format!(r#"name="ref_code" value="{CODE}""#)));
        assert!(!answer.text.contains("<script"), "{}", answer.text);
    }
    let long = format!("{}@example.com", "x".repeat(3000));
    assert_eq!(send(&house, &long, CODE).await.status, 422);
    assert_eq!(house.taken(QUEUE, 0).await.0, 0);
}

#[tokio::test]
async fn whatever_is_sent_the_answer_is_a_page() {
    let house = House::new(&[("BODY_MAX", "1024")]).await;
    register_code(&house).await;
    let json = r#"{"email":"bob@example.com"}"#;
    let multipart = "multipart/form-data; boundary=x";
    for (method, kind, body, expected) in [
        (Method::POST, "application/json", json.to_owned(), 415),
        (Method::POST, multipart, "--x--".to_owned(), 415),
        (Method::POST, FORM, format!("email={}", "x".repeat(2000)), 413),
        (Method::POST, FORM, json.to_owned(), 422),
        (Method::GET, FORM, String::new(), 200),
    ] {
        let answer = ask(&house, method.clone(), "/register/form", kind, body).await;
        assert_eq!(answer.status, expected, "{method} {kind}");
        assert!(answer.text.contains(r#"<form method="post" action="/register/form">"#));
    }
    let (clicks, _) = house.taken("referral.daily-records", 0).await;
    assert_eq!((clicks, house.taken(QUEUE, 0).await.0), (0, 0));
}

#[tokio::test]
async fn pages_differ_in_nothing_but_the_code_that_was_given() {
    let house = House::new(&[]).await;
    register_code(&house).await;
    let visit = async |code: &str| {
        let query: String = form_urlencoded::byte_serialize(code.as_bytes()).collect();
        let path = format!("/register?ref_code={query}");
        let answer = ask(&house, Method::GET, &path, FORM, String::new()).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("<script"), "{}", answer.text);
        answer
    };
    let known = visit(CODE).await;
    assert!(known.text.contains(&format!(r#"name="ref_code" value="{CODE}""#)), "{}", known.text);
    let escaped = "&#34;&#62;&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;";
    for (code, shown) in [(UNKNOWN, UNKNOWN), ("short", "short"), ("", ""), (EVIL, escaped)] {
        let answer = visit(code).await;
        let in_place = |shown: &str| format!(r#"name="ref_code" value="{shown}""#);
        assert_eq!(answer.text.replace(&in_place(shown), &in_place(CODE)), known.text, "{code}");
        let names = |answer: &Answer| -> Vec<String> {
            answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect()
        };
        let alike = |names: Vec<String>| -> Vec<String> {
            let differs = |n: &String| n.starts_with("content-length") || n.starts_with("date");
            names.into_iter().filter(|n| !differs(n)).collect()
        };
        assert_eq!(alike(names(&answer)), alike(names(&known)), "{code}");
    }
    let link = format!("/register?ref_code={CODE}");
    let ahead = ask(&house, Method::HEAD, &link, FORM, String::new()).await;
    assert_eq!((ahead.status, ahead.text.as_str()), (200, ""));
    let (_, clicks) = house.taken("referral.daily-records", 1).await;
    assert_eq!(clicks.len(), 1, "the one visit with a code that is one: {clicks:?}");
}

#[tokio::test]
async fn the_answer_does_not_tell_who_is_registered() {
    let house = House::new(&[]).await;
    register_code(&house).await;
    house.user("bob", "oooooooooooooooooooo", Some("bob@example.com")).await;
    let known = send(&house, "bob@example.com", CODE).await;
    let unknown = send(&house, "eve@example.com", CODE).await;
    assert_eq!((known.status, unknown.status), (200, 200));
    assert_eq!(known.text.replace("bob@", "eve@"), unknown.text);
}

#[tokio::test]
async fn one_address_may_send_it_only_so_often() {
    let settings = [("REGISTER_PER_MINUTE", "2"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let house = House::new(&settings).await;
    let send_from = async |from: &str, email: &str| {
        let request = client().post(format!("{}/register/form", house.base));
        let request = request.header("x-forwarded-for", from).header("content-type", FORM);
        let answer = request.body(format!("email={email}")).send().await.unwrap();
        Answer::of(answer).await
    };
    assert_eq!(send_from("203.0.113.1", "a%40b.c").await.status, 200);
    assert_eq!(send_from("203.0.113.1", "bad").await.status, 422, "counts as well");
    let refused = send_from("203.0.113.1", "a%40b.c").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("content-type"), "text/html; charset=utf-8");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert!(refused.text.contains("Too many") && refused.text.contains(r#"value="a@b.c""#));
    assert_eq!(send_from("203.0.113.2", "a%40b.c").await.status, 200, "another address");

    let house = House::new(&[("REGISTER_PER_MINUTE", "1"), ("RATE_LIMIT", "off")]).await;
    for _ in 0..5 {
        assert_eq!(send(&house, "a@b.c", "").await.status, 200);
    }
}

#[tokio::test]
async fn what_is_not_confirmed_is_not_thanked_for() {
    let nowhere = "amqp://guest:guest@127.0.0.1:9/%2f";
    let house = House::at(nowhere, &[("PUBLISH_TIMEOUT", "300ms")]).await;
    let answer = send(&house, "bob@example.com", CODE).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "no broker");
    assert!(answer.text.contains(r#"value="bob@example.com""#), "{}", answer.text);
    assert!(answer.text.contains(&format!(r#"value="{CODE}""#)), "{}", answer.text);
    assert!(answer.text.contains(r#"role="alert""#), "{}", answer.text);

    house.store.connection().clone().close().await.unwrap();
    let answer = send(&house, "bob@example.com", CODE).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "no database");
    assert!(answer.text.contains("try again in a moment"), "{}", answer.text);
}
