//! Contract 4, "Exports": the three forms, read back by parsers that nobody here wrote; validators and
//! 304; rendered once per change.
use std::collections::BTreeMap;

use futures_util::future::join_all;
use quick_xml::events::Event;
use reqwest::Method;
use serde_json::{Value, json, value::RawValue};

use super::{Answer, House, client, conform};
use crate::harness::clients;

/// A referral code of the domain `shop`.
pub const CODE: &str = "b4b9e071006f409d8e6d";
const FORMATS: [&str; 3] = ["xml", "json", "txt"];
/// Numbers that a float would spoil, and texts that XML has to escape.
const AWKWARD: &str = r#"[
    {"from":"PMUSD","to":"BTC","in":12345678901.5,"out":0.00000001,"amount":1e-18,"minamount":0,"maxamount":99999999999999999999,"param":"<a&b>\"'; ]]>,ü€😀"},
    {"from":"BTC","to":"PMUSD","in":"1.10","out":9007199254740993,"amount":"0.300000000000000040"},
    {"from":"0","to":"z9","in":1e19,"out":1.0}
]"#;

/// A house with a registered code.
pub async fn with_code(settings: &[(&str, &str)]) -> House {
    let house = House::new(settings).await;
    let path = format!("/v1/referral/{CODE}");
    assert_eq!(house.call(Method::PUT, &path, "email=a%40example.com").await.status, 201);
    house
}

async fn with_rates(rates: &str) -> House {
    let house = with_code(&[]).await;
    put(&house, rates).await;
    house
}

async fn put(house: &House, rates: &str) {
    let answer = house.call(Method::PUT, "/v1/rates", rates).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
}

/// Asks without a key, with these headers.
pub async fn ask(house: &House, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = client().request(method.clone(), format!("{}{path}", house.base));
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = Answer::of(request.send().await.unwrap()).await;
    conform::check(method.as_str(), path, &answer);
    answer
}

fn path(format: &str) -> String {
    format!("/service/export/{format}/{CODE}")
}

async fn export(house: &House, format: &str) -> Answer {
    let answer = ask(house, Method::GET, &path(format), &[]).await;
    assert_eq!(answer.status, 200, "{format}: {}", answer.text);
    answer
}

/// (member, text) in the order of the file.
type Item = Vec<(String, String)>;

fn item(members: &[(&str, &str)]) -> Item {
    members.iter().map(|(member, text)| ((*member).to_owned(), (*text).to_owned())).collect()
}

/// What [`AWKWARD`] says.
fn expected() -> Vec<Item> {
    vec![
        item(&[
            ("from", "PMUSD"),
            ("to", "BTC"),
            ("in", "12345678901.5"),
            ("out", "0.00000001"),
            ("amount", "0.000000000000000001"),
            ("minamount", "0"),
            ("maxamount", "99999999999999999999"),
            ("param", "<a&b>\"'; ]]>,ü€😀"),
        ]),
        item(&[
            ("from", "BTC"),
            ("to", "PMUSD"),
            ("in", "1.1"),
            ("out", "9007199254740993"),
            ("amount", "0.30000000000000004"),
        ]),
        item(&[("from", "0"), ("to", "z9"), ("in", "10000000000000000000"), ("out", "1")]),
    ]
}

/// Read by quick-xml: elements in their order, entities resolved.
fn read_xml(text: &str) -> Vec<Item> {
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut items, mut open): (Vec<Item>, Vec<String>) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Decl(declared) => {
                assert_eq!(&*declared.encoding().unwrap().unwrap(), "UTF-8");
            }
            Event::Start(element) => {
                open.push(element.name().as_ref().to_owned());
                match open.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["rates"] => {}
                    ["rates", "item"] => items.push(Item::new()),
                    ["rates", "item", member] => {
                        items.last_mut().unwrap().push((member.to_owned(), String::new()));
                    }
                    _ => panic!("{open:?}"),
                }
            }
            Event::Text(part) if open.len() == 3 => {
                let text = &mut items.last_mut().unwrap().last_mut().unwrap().1;
                text.push_str(&part);
            }
            Event::GeneralRef(name) if open.len() == 3 => {
                let resolved = quick_xml::escape::resolve_predefined_entity(&name).unwrap();
                items.last_mut().unwrap().last_mut().unwrap().1.push_str(resolved);
            }
            Event::Text(between) => assert_eq!(between.trim(), ""),
            Event::End(_) => drop(open.pop()),
            Event::Eof => return items,
            other => panic!("{other:?}"),
        }
    }
}

/// Read by serde_json, numbers as they stand there.
fn read_json(text: &str) -> Vec<BTreeMap<String, String>> {
    let whole: BTreeMap<String, Vec<BTreeMap<String, Box<RawValue>>>> =
        serde_json::from_str(text).unwrap();
    assert_eq!(whole.keys().collect::<Vec<_>>(), ["rates"]);
    let read = |raw: &RawValue| {
        serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
    };
    let members = |item: &BTreeMap<String, Box<RawValue>>| {
        item.iter().map(|(name, raw)| (name.clone(), read(raw))).collect()
    };
    whole["rates"].iter().map(members).collect()
}

#[tokio::test]
async fn exports_are_read_back_exactly_by_real_parsers() {
    let house = with_rates(AWKWARD).await;
    let [xml, json, txt] =
        [0, 1, 2].map(|n| FORMATS[n]).map(async |format| export(&house, format).await);
    let (xml, json, txt) = (xml.await, json.await, txt.await);
    assert_eq!(read_xml(&xml.text), expected());
    let members = expected().into_iter().map(BTreeMap::from_iter).collect::<Vec<_>>();
    assert_eq!(read_json(&json.text), members);
    let lines = [
        "PMUSD;BTC;12345678901.5;0.00000001;0.000000000000000001;",
        "BTC;PMUSD;1.1;9007199254740993;0.30000000000000004;",
        "0;z9;10000000000000000000;1;;",
        "",
    ];
    assert_eq!(txt.text.split('\n').collect::<Vec<_>>(), lines);

    let all = json!({"xml": xml.text, "json": json.text, "txt": txt.text});
    let found = clients::python_exports(&all).await;
    let items = |format: &str| serde_json::from_value::<Vec<Item>>(found[format].clone()).unwrap();
    assert_eq!(items("xml"), expected(), "Python's xml.etree");
    assert_eq!(
        items("json"),
        expected(),
        "Python's json, numbers as Decimal, members in their order"
    );
    let short = |item: Item| {
        item.into_iter().filter(|(name, _)| !name.ends_with("mount") || name == "amount")
    };
    let short = expected()
        .into_iter()
        .map(|item| short(item).filter(|(name, _)| name != "param").collect());
    assert_eq!(items("txt"), short.collect::<Vec<Item>>());
}

#[tokio::test]
async fn xml_is_bestchanges_format_an_item_on_a_line_of_its_own() {
    let house = with_rates(AWKWARD).await;
    let answer = export(&house, "xml").await;
    assert_eq!(answer.header("content-type"), "application/xml; charset=utf-8");
    let lines: Vec<&str> = answer.text.split('\n').collect();
    assert_eq!(lines[..2], [r#"<?xml version="1.0" encoding="UTF-8"?>"#, "<rates>"]);
    assert_eq!(
        lines[3],
        "<item><from>BTC</from><to>PMUSD</to><in>1.1</in><out>9007199254740993</out><amount>0.30000000000000004</amount></item>"
    );
    assert!(lines[2].starts_with("<item>") && lines[2].ends_with("</item>"));
    assert!(lines[2].contains("<param>&lt;a&amp;b&gt;"), "{}", lines[2]);
    assert_eq!(lines[5..], ["</rates>", ""]);
    assert_eq!(export(&house, "json").await.header("content-type"), "application/json");
    assert_eq!(export(&house, "txt").await.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn exports_need_no_key_and_a_code_that_somebody_has() {
    let house = with_rates(AWKWARD).await;
    house.user("alice", "aaaaaaaaaaaaaaaaaaaa", None).await;
    let own = ask(&house, Method::GET, "/service/export/txt/aaaaaaaaaaaaaaaaaaaa", &[]).await;
    assert_eq!(
        (own.status, own.text),
        (200, export(&house, "txt").await.text),
        "a user's own code"
    );
    for path in [
        "/service/export/xml/cccccccccccccccccccc",
        "/service/export/xml/B4B9E071006F409D8E6D",
        "/service/export/xml/short",
        "/service/export/xml/b4b9e071006f409d8e6d%20",
        "/service/export/csv/b4b9e071006f409d8e6d",
        "/service/export/XML/b4b9e071006f409d8e6d",
    ] {
        let answer = ask(&house, Method::GET, path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        let error = answer.json();
        assert!(error["error"].is_string() && error.as_object().unwrap().len() == 1, "{error}");
    }
}

#[tokio::test]
async fn etag_last_modified_and_304_are_honoured() {
    let house = with_rates(AWKWARD).await;
    let mut tags = Vec::new();
    for format in FORMATS {
        let whole = export(&house, format).await;
        assert_eq!(whole.header("cache-control"), "no-cache");
        assert_eq!(whole.header("last-modified"), "Mon, 29 Jul 2024 09:00:00 GMT");
        let etag = whole.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 20, "strong: {etag}");
        let cases = [
            ("if-none-match", etag.clone(), 304),
            ("if-none-match", format!("W/{etag}"), 304),
            ("if-none-match", format!("\"x\", {etag}"), 304),
            ("if-none-match", "*".to_owned(), 304),
            ("if-none-match", "\"x\"".to_owned(), 200),
            ("if-modified-since", whole.header("last-modified").to_owned(), 304),
            ("if-modified-since", "Tue, 30 Jul 2024 09:00:00 GMT".to_owned(), 304),
            ("if-modified-since", "Mon, 29 Jul 2024 08:59:59 GMT".to_owned(), 200),
            ("if-modified-since", "yesterday".to_owned(), 200),
        ];
        for (name, value, status) in cases {
            for method in [Method::GET, Method::HEAD] {
                let answer = ask(&house, method.clone(), &path(format), &[(name, &value)]).await;
                assert_eq!(answer.status, status, "{method} {format} {name}: {value}");
                assert_eq!(answer.header("etag"), etag, "{name}: {value}");
                let is_whole = status == 200 && method == Method::GET;
                assert_eq!(answer.text, if is_whole { whole.text.as_str() } else { "" });
            }
        }
        let both =
            [("if-none-match", "\"x\""), ("if-modified-since", whole.header("last-modified"))];
        assert_eq!(ask(&house, Method::GET, &path(format), &both).await.status, 200);
        let head = ask(&house, Method::HEAD, &path(format), &[]).await;
        assert_eq!(head.header("content-length"), whole.text.len().to_string());
        tags.push(etag);
    }
    put(&house, "[]").await;
    for (format, etag) in FORMATS.into_iter().zip(&tags) {
        let after = ask(&house, Method::GET, &path(format), &[("if-none-match", etag)]).await;
        assert_eq!(after.status, 200, "{format} has changed");
    }
    put(&house, AWKWARD).await;
    for (format, etag) in FORMATS.into_iter().zip(&tags) {
        assert_eq!(export(&house, format).await.header("etag"), etag, "the same content again");
    }
}

/// `Last-Modified` has seconds only: what changes within one must not pass for what was there before.
#[tokio::test]
async fn changes_within_a_second_are_not_taken_for_each_other() {
    let house = with_rates(AWKWARD).await;
    for (number, rates) in ["[]", AWKWARD, "[]", AWKWARD].into_iter().enumerate() {
        let before = export(&house, "txt").await;
        house.clock.set(house.clock.now().plus_ms(100 * i64::from(number == 2)));
        put(&house, rates).await;
        let since = [("if-modified-since", before.header("last-modified"))];
        let after = ask(&house, Method::GET, &path("txt"), &since).await;
        assert_eq!(after.status, 200, "change {number}");
        assert_ne!(after.text, before.text);
        let date = httpdate::parse_http_date(after.header("last-modified")).unwrap();
        let now = house.clock.now().0 / 1_000_000;
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.unsigned_abs());
        assert!(date <= now, "never later than now: {}", after.header("last-modified"));
    }
    house.clock.set(house.clock.now().plus_ms(10_000));
    let last = export(&house, "txt").await;
    let since = [("if-modified-since", last.header("last-modified"))];
    assert_eq!(ask(&house, Method::GET, &path("txt"), &since).await.status, 304);
}

/// By the metric `referral_exports_rendered_total`.
#[tokio::test]
async fn exports_are_rendered_once_per_change_not_per_request() {
    let house = with_rates(AWKWARD).await;
    let rendered = || {
        let text = house.metrics.text();
        let line = text.lines().find(|line| line.starts_with("referral_exports_rendered_total"));
        line.unwrap().rsplit_once(' ').unwrap().1.parse::<u32>().unwrap()
    };
    assert_eq!(rendered(), 0, "nobody has asked");
    let all = || join_all((0..60).map(|n| export(&house, FORMATS[n % 3])));
    all().await;
    assert_eq!(rendered(), 1, "sixty at once, in all three forms");
    for format in FORMATS {
        export(&house, format).await;
        ask(&house, Method::GET, &path(format), &[("if-none-match", "*")]).await;
        ask(&house, Method::HEAD, &path(format), &[]).await;
    }
    put(&house, AWKWARD).await;
    all().await;
    assert_eq!(rendered(), 1, "the very same set is no change");
    put(&house, "[]").await;
    let texts = all().await;
    assert_eq!(rendered(), 2);
    assert!(texts.iter().all(|answer| !answer.text.contains("PMUSD")), "at once");
}

#[tokio::test]
async fn a_domain_without_rates_has_empty_exports() {
    let house = with_code(&[]).await;
    assert_eq!(read_xml(&export(&house, "xml").await.text), Vec::<Item>::new());
    assert_eq!(export(&house, "json").await.json(), json!({"rates": Value::Array(Vec::new())}));
    assert_eq!(export(&house, "txt").await.text, "");
}
