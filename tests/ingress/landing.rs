//! The link with currencies: where it leads, and what of it is a click (contract 4, "Link").
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    Answer, House,
    link::{CODE, QUEUE, follow, register},
};

const EVIL: [&str; 12] = [
    "//evil.example",
    "/%2F%2Fevil.example",
    "%2F%2Fevil.example",
    "%5Cevil.example",
    "https:%2F%2Fevil.example",
    "@evil.example",
    "%0d%0aLocation:%20https:%2F%2Fevil.example",
    "a%2Fb",
    "%2e%2e",
    "%ff%fe",
    "%00",
    "%3Cscript%3E",
];

async fn get(house: &House, path: &str) -> Answer {
    follow(house, Method::GET, path, &[]).await
}

async fn location(house: &House, path: &str) -> String {
    let answer = get(house, path).await;
    assert_eq!((answer.status, answer.header("cache-control")), (302, "no-store"), "{path}");
    assert_eq!(answer.text, "");
    answer.header("location").to_owned()
}

#[tokio::test]
async fn a_link_leads_to_the_landing_address_with_currencies_and_code() {
    let template = "https://x.example/{cur_from}-{cur_to}/?r={code}";
    let house = House::new(&[("LANDING_URL", template)]).await;
    register(&house).await;
    let both = format!("https://x.example/PMUSD-BTC/?r={CODE}");
    let none = format!("https://x.example/-/?r={CODE}");
    let long = "a".repeat(21);
    for (query, expected) in [
        ("?cur_from=PMUSD&cur_to=BTC", both.as_str()),
        ("?x=1&cur_to=BTC&y&cur_from=PMUSD&cur_from=OTHER", &both),
        ("?cur_from=%50MUSD&cur_to=BTC", &both),
        ("", &none),
        ("?", &none),
        ("?cur_from=&cur_to", &none),
        ("?cur_from=PM-USD&cur_to=..", &none),
        ("?cur_from=%2F%2Fevil.example&cur_to=%0d%0aX:y", &none),
        ("?cur_from=%F0%9F%92%A9&cur_to=%ff", &none),
        (&format!("?cur_from={long}&cur_to={long}"), &none),
        ("?CUR_FROM=PMUSD&Cur_To=BTC", &none),
    ] {
        for slash in ["", "/"] {
            let path = format!("/ref/{CODE}{slash}{query}");
            assert_eq!(location(&house, &path).await, expected, "{path}");
        }
    }
    let (_, events) = house.taken(QUEUE, 22).await;
    assert_eq!(events.len(), 22);
    let queries: Vec<&Value> = events.iter().map(|event| &event["data"]["query_string"]).collect();
    assert_eq!((queries[0], queries[1]), (&json!("cur_from=PMUSD&cur_to=BTC"), queries[0]));
    assert!(events.iter().all(|event| event["domain"] == "shop" && event["data"]["code"] == CODE));
}

#[tokio::test]
async fn an_unknown_code_redirects_all_the_same_and_is_no_click() {
    let house = House::new(&[("LANDING_URL", "https://x.example/?r={code}")]).await;
    register(&house).await;
    let unknown = "zzzzzzzzzzzzzzzzzzzz";
    for (code, kept) in [(unknown, unknown), ("short", "short"), ("not-a-code", "")] {
        let path = format!("/ref/{code}/?cur_from=A");
        assert_eq!(location(&house, &path).await, format!("https://x.example/?r={kept}"));
    }
    let link = format!("/ref/{CODE}/");
    for (method, headers) in [
        (Method::HEAD, vec![]),
        (Method::GET, vec![("sec-purpose", "prefetch;prerender")]),
        (Method::GET, vec![("x-moz", "prefetch")]),
    ] {
        let answer = follow(&house, method, &link, &headers).await;
        let expected = format!("https://x.example/?r={CODE}");
        assert_eq!((answer.status, answer.header("location")), (302, expected.as_str()));
    }
    assert_eq!(house.taken(QUEUE, 0).await.0, 0);
}

/// The head of the answer to exactly this path, which a client would tidy up.
async fn raw(house: &House, path: &str) -> String {
    let address = house.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split("\r\n\r\n").next().unwrap().to_owned()
}

#[tokio::test]
async fn there_is_no_open_redirect() {
    for template in ["https://x.example/{code}/{cur_from}", "/{cur_from}/{code}", ""] {
        let house = House::new(&[("LANDING_URL", template)]).await;
        let own = url::Url::parse("https://own.example/ref/x/").unwrap();
        let host = if template.starts_with("https") { "x.example" } else { "own.example" };
        for evil in EVIL {
            for path in [
                format!("/ref/{evil}/?cur_from={evil}&cur_to={evil}&click={evil}"),
                format!("/ref/evil/?cur_from={evil}&ref_code={evil}"),
                format!("/ref/{evil}?LANDING_URL=https://evil.example&url={evil}"),
            ] {
                let head = raw(&house, &path).await;
                if head.starts_with("HTTP/1.1 404") {
                    assert!(evil.starts_with('/'), "{path} is no link at all");
                    continue;
                }
                assert!(head.starts_with("HTTP/1.1 302"), "{path}: {head}");
                let locations = head.lines().filter_map(|line| line.strip_prefix("location: "));
                let [location] = locations.collect::<Vec<_>>()[..] else { panic!("{head}") };
                let target = own.join(location).unwrap();
                assert_eq!(target.host_str(), Some(host), "{path}: {location}");
                assert!(
                    !location.contains("evil.example") && !location.contains('%'),
                    "{location}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_very_long_query_is_cut_to_what_an_event_may_carry() {
    let house = House::new(&[("LANDING_URL", "https://x.example/{cur_from}")]).await;
    register(&house).await;
    let long = format!("cur_from=BTC&x={}", "y".repeat(20_000));
    let path = format!("/ref/{CODE}/?{long}");
    assert_eq!(location(&house, &path).await, "https://x.example/BTC");
    let (_, events) = house.taken(QUEUE, 1).await;
    assert_eq!(events[0]["data"]["query_string"], long[..2048]);
}

#[tokio::test]
async fn without_a_landing_address_the_visitor_registers_and_counts_once() {
    let house = House::new(&[]).await;
    register(&house).await;
    let landed = location(&house, &format!("/ref/{CODE}/?cur_from=PMUSD&cur_to=BTC")).await;
    let id = landed.strip_prefix(&format!("/register?ref_code={CODE}&click=")).unwrap();
    assert_eq!(get(&house, &landed).await.status, 200);
    assert_eq!(get(&house, &landed).await.status, 200, "a reload");
    assert_eq!(get(&house, &format!("/register?ref_code={CODE}&click=forged")).await.status, 200);
    let (_, events) = house.taken(QUEUE, 4).await;
    let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids[..3], [id, id, id]);
    assert_ne!(ids[3], id);
    assert_eq!(events[0]["data"]["query_string"], "cur_from=PMUSD&cur_to=BTC");
    for (path, expected) in [
        ("/ref/zzzzzzzzzzzzzzzzzzzz/", "/register?ref_code=zzzzzzzzzzzzzzzzzzzz"),
        ("/ref/%26click=x/", "/register?ref_code="),
    ] {
        assert_eq!(location(&house, path).await, expected, "no click, so none is named");
    }
}
