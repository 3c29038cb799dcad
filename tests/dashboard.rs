//! `/dashboard/`: what administrators see equals what the API says, what they do is done, and nobody else
//! sees or does it.
use std::sync::Arc;

use referral::clock::Clock;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::{
    deliveries::{all_are, house, refer},
    harness::{
        Bed, Database, Ingress, PATIENCE, Program, Receiver, bed::run, eventually, http,
        ingress::PASSWORD, messages::single, on_every_database,
    },
    model::fact::{Fact, Signup, click, payment, signup},
};

on_every_database!(its_numbers_are_the_apis, what_is_done_there_is_done);

/// Of the domain `default`.
pub const CODE: &str = "dashboarddashboard01";

/// A browser without a window, script or memory but for its cookie.
pub struct Visitor<'a> {
    program: &'a Program,
    cookie: String,
}

/// An answer: status, headers, text.
pub struct Page {
    /// The status.
    pub status: u16,
    /// The body.
    pub text: String,
    headers: header::HeaderMap,
}

impl Page {
    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text of the element that carries this name.
    fn live(&self, name: &str) -> &str {
        self.live_in(&format!("data-live=\"{name}\"")).expect(name)
    }

    /// The text of the element with this attribute.
    pub fn live_in(&self, attribute: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(attribute)?;
        rest.split_once('>')?.1.split('<').next()
    }
}

impl<'a> Visitor<'a> {
    /// Nobody yet.
    pub fn of(program: &'a Program) -> Self {
        Self { program, cookie: String::new() }
    }

    /// Signed in.
    pub async fn signed_in(program: &'a Program, domain: &str, login: &str) -> Self {
        let mut visitor = Self::of(program);
        let form = [("domain", domain), ("login", login), ("password", PASSWORD)];
        let answer = visitor.post("/dashboard/login", &form).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/dashboard/"));
        let cookie = answer.header("set-cookie").to_owned();
        assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
        cookie.split(';').next().unwrap().clone_into(&mut visitor.cookie);
        visitor
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Page {
        self.call(Method::GET, path, None, &[]).await
    }

    /// `POST` of a form.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.call(Method::POST, path, Some(form), &[]).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        form: Option<&[(&str, &str)]>,
        headers: &[(&str, &str)],
    ) -> Page {
        let mut request = http::client().request(method, self.program.url(path));
        request = request.header(header::COOKIE, &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(form) = form {
            let mut pairs = form_urlencoded::Serializer::new(String::new());
            let kind = "application/x-www-form-urlencoded";
            request = request.header(header::CONTENT_TYPE, kind);
            request = request.body(pairs.extend_pairs(form).finish());
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Page { status, headers, text: answer.text().await.unwrap() }
    }
}

/// The same, just now.
pub fn now(fact: Fact) -> Fact {
    fact.at(&Clock::system().now().rfc3339(chrono_tz::UTC))
}

/// Two clicks and one signup by a code, a payment, and a credit on its way to a receiver that refuses it.
pub async fn busy(bed: &Bed) -> (Ingress, Vec<Program>, Receiver, Program) {
    let receiver = Receiver::start().await;
    receiver.answer(500);
    let (ingress, mut workers) = house(bed).await;
    workers.push(bed.start("daily-records").await);
    let billing = bed.plan("billing");
    let billing = billing.set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &receiver.endpoint());
    let billing = bed.start_planned(billing.set("BILLING_RETRY_INITIAL", "1h")).await;
    let body = json!({"email": "alice@example.com"});
    assert_eq!(ingress.put(&format!("/v1/referral/{CODE}"), body).await.0, 201);
    let email = Some("bob@example.com".to_owned());
    let by_code = Signup { code: Some(CODE.to_owned()), email, ..Signup::default() };
    let facts = [click(CODE), click(CODE), signup("carol", by_code), payment("bob", 700)];
    bed.publish(facts.map(|fact| single(&now(fact), "default")).into()).await;
    refer(&ingress, "bob").await;
    all_are(&ingress, 1, "pending", 1).await;
    (ingress, workers, receiver, billing)
}

async fn its_numbers_are_the_apis(bed: Arc<Bed>) {
    let (ingress, workers, _receiver, _billing) = busy(&bed).await;
    bed.drain(workers).await;
    let admin = Visitor::signed_in(&ingress.program, "default", "root").await;
    let (_, records) = ingress.get("/v1/referral?limit=1000").await;
    let items = records["items"].as_array().unwrap();
    let clicks: i64 = items.iter().map(|record| record["clicks"].as_i64().unwrap()).sum();
    assert_eq!(clicks, 2);
    let day = items[0]["date"].as_str().unwrap();
    let (_, deliveries) = ingress.get("/v1/deliveries?state=pending").await;

    let overview = admin.get("/dashboard/").await;
    assert_eq!(overview.status, 200, "{}", overview.text);
    for (name, expected) in [
        ("clicks", "2"),
        // Carol and Bob; Alice was before.
        ("signups", "2"),
        ("payments", "1"),
        ("pending", &deliveries["total"].to_string()),
        ("dead", "0"),
        ("credits", "1"),
        ("granted", "10.00 USD"),
    ] {
        assert_eq!(overview.live(name), expected, "{name}");
    }
    let days = admin.get("/dashboard/days.csv?days=2").await;
    let lines: Vec<&str> = days.text.lines().collect();
    assert_eq!(lines[0], "day,clicks,signups,credits,granted,payments");
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2], format!("{day},2,2,1,10.00 USD,1"));

    let codes = admin.get("/dashboard/codes.csv").await.text;
    let own: Vec<&str> = codes.lines().filter(|line| line.starts_with(CODE)).collect();
    assert_eq!(own, [format!("{CODE},alice@example.com,,,2,1,{day}")]);
    for (query, found) in [("q=ALICE@", true), ("q=nobody", false), (&format!("q={CODE}"), true)] {
        let page = admin.get(&format!("/dashboard/codes?{query}&sort=signups")).await;
        assert_eq!(page.text.contains(&format!("/dashboard/codes/{CODE}")), found, "{query}");
    }
    let code = admin.get(&format!("/dashboard/codes/{CODE}")).await;
    assert!(code.text.contains("bob@example.com") && code.text.contains(day), "{}", code.text);
    let records = admin.get(&format!("/dashboard/records.csv?code={CODE}")).await.text;
    assert_eq!(records, format!("day,code,clicks,emails\r\n{day},{CODE},2,bob@example.com\r\n"));

    let id = deliveries["items"][0]["id"].as_str().unwrap();
    let delivery = admin.get(&format!("/dashboard/deliveries/{id}")).await.text;
    for part in ["bob", "10.00 USD", "signup_credit", "<td class=\"n\">500</td>", "pending"] {
        assert!(delivery.contains(part), "{part}: {delivery}");
    }
    let dead = admin.get("/dashboard/deliveries?state=dead").await.text;
    assert!(!dead.contains(id) && dead.contains("There are none."), "{dead}");
}

async fn what_is_done_there_is_done(bed: Arc<Bed>) {
    let (ingress, _workers, receiver, _billing) = busy(&bed).await;
    let admin = Visitor::signed_in(&ingress.program, "default", "root").await;

    // Programmes.
    let terms = [("name", "=Summer"), ("credit_value", "5"), ("target_value", "12.50")];
    let made = admin.post("/dashboard/programmes", &terms).await;
    assert_eq!((made.status, made.header("location")), (303, "/dashboard/programmes?told=created"));
    let bad = [("name", "Winter"), ("credit_value", "-5"), ("target_value", "1")];
    let refused = admin.post("/dashboard/programmes", &bad).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("id=\"credit_value-problem\""), "{}", refused.text);
    assert!(refused.text.contains("value=\"Winter\""), "what was typed is kept");
    let (_, all) = ingress.get("/program/").await;
    let summer = all.as_array().unwrap().iter().find(|one| one["name"] == "=Summer").unwrap();
    let id = summer["id"].to_string();
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
    let change = [("name", "Spring"), ("credit_value", "6"), ("target_value", "")];
    let changed = admin.post(&format!("/dashboard/programmes/{id}"), &change).await;
    assert_eq!(changed.status, 303, "{}", changed.text);
    let (_, changed) = ingress.get(&format!("/program/{id}/")).await;
    assert_eq!((&changed["name"], &changed["credit_value"]), (&json!("Spring"), &json!(6.0)));
    assert_eq!(changed["target_value"], json!(12.5), "what is left empty stays");

    // Deliveries, one and all.
    receiver.answer(204);
    let (_, pending) = ingress.get("/v1/deliveries?state=pending").await;
    let delivery = pending["items"][0]["id"].as_str().unwrap();
    let all = [("state", "delivered")];
    assert_eq!(admin.post("/dashboard/deliveries/retry", &all).await.status, 422);
    let retry = format!("/dashboard/deliveries/{delivery}/retry");
    let retried = admin.post(&retry, &[]).await;
    let told = format!("/dashboard/deliveries/{delivery}?told=retried&n=1");
    assert_eq!((retried.status, retried.header("location")), (303, &*told));
    all_are(&ingress, 1, "delivered", 2).await;
    assert_eq!(admin.post(&retry, &[]).await.status, 409);
    receiver.answer(410);
    refer(&ingress, "dave").await;
    eventually("Dave's is dead", PATIENCE, async || {
        match ingress.get("/v1/deliveries?state=dead").await.1["total"] {
            Value::Number(ref n) if n.as_u64() == Some(1) => Ok(()),
            ref other => Err(other.to_string()),
        }
    })
    .await;
    receiver.answer(204);
    let again = admin.post("/dashboard/deliveries/retry", &[("state", "dead")]).await;
    assert_eq!(again.header("location"), "/dashboard/deliveries?told=retried&n=1");
    all_are(&ingress, 2, "delivered", 2).await;

    // Keys of partners.
    let key = admin.post("/dashboard/partners/key", &[("email", "alice@example.com")]).await;
    assert_eq!(key.status, 200, "{}", key.text);
    let (_, shown) = key.text.split_once("<p class=\"secret\"><code>").unwrap();
    let shown = shown.split('<').next().unwrap();
    let info = format!("/service/partner/api.php?api_action=pp&method=get_info&api_key={shown}");
    let (_, answer) = ingress.get(&info).await;
    assert_eq!(answer["error"], json!(0), "{answer}");
    let list = admin.get("/dashboard/partners").await.text;
    assert!(list.contains("alice@example.com") && !list.contains(shown), "shown once");
    let revoked = admin.post("/dashboard/partners/revoke", &[("email", "alice@example.com")]).await;
    assert_eq!(revoked.status, 303);
    assert_ne!(ingress.get(&info).await.1["error"], json!(0), "it stopped working at once");
    let bad = admin.post("/dashboard/partners/key", &[("email", "nobody")]).await;
    assert_eq!(bad.status, 422);
    assert!(bad.text.contains("id=\"email-problem\""), "{}", bad.text);

    // Signing out ends it, and not only here.
    assert_eq!(admin.post("/dashboard/logout", &[]).await.status, 303);
    assert_eq!(admin.get("/dashboard/").await.status, 303, "the key is worth nothing any more");
}

/// Every page, with an id that is another domain's where there is one.
const PAGES: [&str; 13] = [
    "/dashboard/",
    "/dashboard/days.csv",
    "/dashboard/live",
    "/dashboard/codes",
    "/dashboard/codes.csv",
    "/dashboard/records.csv",
    "/dashboard/programmes",
    "/dashboard/programmes.csv",
    "/dashboard/deliveries",
    "/dashboard/deliveries.csv",
    "/dashboard/partners",
    "/dashboard/partners.csv",
    "/dashboard/payouts.csv",
];

#[test]
fn nobody_sees_it_without_a_login_and_everybody_their_own_domain_alone() {
    run(Database::Sqlite, guarded);
}

async fn guarded(bed: Arc<Bed>) {
    let (ingress, _workers, _receiver, _billing) = busy(&bed).await;
    let (_, pending) = ingress.get("/v1/deliveries?state=pending").await;
    let delivery = pending["items"][0]["id"].as_str().unwrap();
    let ids = [
        format!("/dashboard/codes/{CODE}"),
        format!("/dashboard/deliveries/{delivery}"),
        "/dashboard/programmes/1".to_owned(),
    ];
    let posts = [
        ("/dashboard/programmes".to_owned(), vec![("name", "x")]),
        ("/dashboard/programmes/1".to_owned(), vec![("name", "x")]),
        (format!("/dashboard/deliveries/{delivery}/retry"), vec![]),
        ("/dashboard/deliveries/retry".to_owned(), vec![("state", "pending")]),
        ("/dashboard/partners/key".to_owned(), vec![("email", "eve@example.com")]),
        ("/dashboard/partners/revoke".to_owned(), vec![("email", "eve@example.com")]),
        ("/dashboard/payouts/1".to_owned(), vec![("as", "done")]),
        ("/dashboard/logout".to_owned(), vec![]),
    ];
    let nobody = Visitor::of(&ingress.program);
    for path in PAGES.iter().copied().chain(ids.iter().map(String::as_str)) {
        let answer = nobody.get(path).await;
        if path == "/dashboard/live" {
            assert_eq!((answer.status, &*answer.text), (401, ""), "nothing is told");
            continue;
        }
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/dashboard/login"), "{path}");
    }
    for (path, form) in &posts {
        let answer = nobody.post(path, form).await;
        assert!(answer.header("location").starts_with("/dashboard/login"), "{path}");
    }

    let create = ["domain", "create", "other", "--currency", "EUR"];
    bed.referral(&create, "").await;
    let create = ["admin", "create", "eve", "--domain", "other", "--password-stdin"];
    bed.referral(&create, PASSWORD).await;
    let eve = Visitor::signed_in(&ingress.program, "other", "eve").await;
    for path in &ids {
        assert_eq!(eve.get(path).await.status, 404, "{path}");
    }
    for path in PAGES.iter().filter(|path| **path != "/dashboard/live") {
        let page = eve.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        for secret in [CODE, delivery, "alice@example.com", "Default", "bob"] {
            assert!(!page.text.contains(secret), "{secret} at {path}: {}", page.text);
        }
    }
    let overview = eve.get("/dashboard/").await;
    assert_eq!((overview.live("clicks"), overview.live("pending")), ("0", "0"));
    assert!(!overview.text.contains("Queues"), "what is of all domains is for operators");
    for (path, form) in &posts {
        let own_page = ["programmes", "deliveries/retry", "partners/key", "logout"];
        if own_page.iter().any(|own| path.ends_with(own)) {
            continue;
        }
        assert_eq!(eve.post(path, form).await.status, 404, "{path}");
    }
    let retried = eve.post("/dashboard/deliveries/retry", &[("state", "pending")]).await;
    assert!(retried.header("location").ends_with("n=0"), "{}", retried.header("location"));

    // A page of another host sends nothing, whoever is signed in.
    let admin = Visitor::signed_in(&ingress.program, "default", "root").await;
    for (path, form) in &posts {
        let from = [("sec-fetch-site", "cross-site")];
        let answer = admin.call(Method::POST, path, Some(form), &from).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    let (_, programmes) = ingress.get("/program/").await;
    assert_eq!(programmes.as_array().unwrap().len(), 1, "nothing was done");
}

#[test]
fn a_table_is_safe_to_open_in_a_spreadsheet() {
    run(Database::Sqlite, spreadsheet);
}

async fn spreadsheet(bed: Arc<Bed>) {
    let (ingress, _workers, _receiver, _billing) = busy(&bed).await;
    let admin = Visitor::signed_in(&ingress.program, "default", "root").await;
    let evil = "=HYPERLINK(\"http://evil.example\",\"x\")";
    let terms = [("name", evil), ("credit_value", "5"), ("target_value", "12.50")];
    assert_eq!(admin.post("/dashboard/programmes", &terms).await.status, 303);
    let table = admin.get("/dashboard/programmes.csv").await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(table.header("content-disposition"), "attachment; filename=\"programmes.csv\"");
    let mut reader = csv::Reader::from_reader(table.text.as_bytes());
    let names: Vec<String> = reader.records().map(|record| record.unwrap()[1].to_owned()).collect();
    assert_eq!(names, ["Default".to_owned(), format!("'{evil}")]);
    let page = admin.get("/dashboard/programmes").await.text;
    assert!(page.contains("=HYPERLINK(&#34;http"), "{page}");
}

#[test]
fn an_open_page_is_told_and_does_not_keep_the_ingress_from_stopping() {
    run(Database::Sqlite, told);
}

async fn told(bed: Arc<Bed>) {
    let (mut ingress, workers, _receiver, _billing) = busy(&bed).await;
    let Visitor { cookie, .. } = Visitor::signed_in(&ingress.program, "default", "root").await;
    let request = http::client().get(ingress.program.url("/dashboard/live"));
    let mut stream = request.header(header::COOKIE, &cookie).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = stream.chunk().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    let figures: Value =
        serde_json::from_str(first.strip_prefix("data: ").unwrap().trim()).unwrap();
    assert_eq!(figures["pending"], "1");
    bed.publish(vec![single(&now(click(CODE)), "default")]).await;
    let mut seen = String::new();
    while !seen.contains("\"clicks\":\"3\"") {
        let chunk = stream.chunk().await.unwrap().expect("it goes on");
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    // `stop` fails where the grace runs out.
    ingress.program.stop().await;
    while let Ok(Some(_)) = stream.chunk().await {}
    bed.drain(workers).await;
}
