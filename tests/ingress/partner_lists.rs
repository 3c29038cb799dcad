//! The lists of the partner API over HTTP (contract 4): exchanges, clicks, stretches of time, pages.
use std::fmt::Write as _;

use serde_json::json;

use super::{
    NOON,
    partner::{OWN, PAID, Paid, ask, click, data, ids, pay, refer, with_alice},
};

#[tokio::test]
async fn get_exchanges_shows_what_referred_users_paid() {
    let (house, key) = with_alice(&[]).await;
    for (referrer, user) in [("alice", "bob"), ("alice", "carol"), ("bob", "dave")] {
        refer(&house, referrer, user).await;
    }
    let exchange = r#"{"id":"x7","course_give":1,"course_get":"241.570","amount_give":1e-7,"amount_get":0.1234567890123456789,"success":true}"#;
    let failed = r#"{"course_get":1e999,"amount_get":[1],"success":false}"#;
    pay(&house, Paid { reward: Some(242), amount: Some(24157), ..PAID }).await;
    pay(&house, Paid { user: "dave", reward: Some(1), ..PAID }).await;
    pay(&house, Paid { user: "carol", amount: None, total: Some(5000), ..PAID }).await;
    pay(&house, Paid { exchange: Some(exchange), reward: Some(0), ..PAID }).await;
    pay(&house, Paid { exchange: Some(failed), ..PAID }).await;
    let text = ask(&house, &key, "get_exchanges").await.text;
    let mut items = String::new();
    for (id, numbers, ends) in [
        (
            1,
            ["0", "0", "0", "241.57"],
            r#""exchange_success":1,"accrued":1,"partner_reward":2.42,"user_hash":"bob""#,
        ),
        (
            3,
            ["0", "0", "0", "50.0"],
            r#""exchange_success":1,"accrued":0,"partner_reward":0.0,"user_hash":"carol""#,
        ),
        (
            4,
            ["1", "241.570", "0.0000001", "0.1234567890123456789"],
            r#""exchange_success":1,"accrued":1,"partner_reward":0.0,"user_hash":"bob""#,
        ),
        (
            5,
            ["0", "0", "0", "0"],
            r#""exchange_success":0,"accrued":0,"partner_reward":0.0,"user_hash":"bob""#,
        ),
    ] {
        let [course_give, course_get, amount_give, amount_get] = numbers;
        let comma = if items.is_empty() { "" } else { "," };
        write!(items, r#"{comma}"{id}":{{"id":{id},"time":1722243600,"date":"2024-07-29 12:00:00","course_give":{course_give},"course_get":{course_get},"amount_give":{amount_give},"amount_get":{amount_get},{ends}}}"#).unwrap();
    }
    let envelope = r#"{"status":"success","error":0,"error_text":"","data":{"items":{"#;
    assert_eq!(text, format!("{envelope}{items}}}}}}}"));
    assert_eq!(data(&house, &key, "get_info").await["balance"], json!(2.42), "not dave's");
}

#[tokio::test]
async fn get_links_shows_clicks_of_people_and_as_much_of_them_as_click_ip_says() {
    let firefox = Some("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
    let raw = [
        Some("203.0.113.77"),
        firefox,
        Some("https://bestchange.example/"),
        Some("613fe600"),
        Some("cur_from=PMUSD&cur_to=BTC"),
    ];
    for (setting, v4, v6) in [
        (None, "203.0.113.0", "2001:db8:1::"),
        (Some("truncated"), "203.0.113.0", "2001:db8:1::"),
        (Some("full"), "203.0.113.77", "2001:db8:1:2::3"),
        (Some("none"), "0.0.0.0", "0.0.0.0"),
    ] {
        let settings: Vec<_> = setting.map(|value| ("CLICK_IP", value)).into_iter().collect();
        let (house, key) = with_alice(&settings).await;
        click(&house, OWN, "2021-09-13T21:00:00Z", false, raw).await;
        click(&house, OWN, NOON, true, raw).await;
        click(&house, "bbbbbbbbbbbbbbbbbbbb", NOON, false, raw).await;
        click(&house, OWN, NOON, false, [Some("2001:db8:1:2::3"), None, None, None, None]).await;
        let text = ask(&house, &key, "get_links").await.text;
        let first = format!(
            r#""1":{{"id":1,"time":1631566800,"date":"2021-09-14 00:00:00","browser":"Firefox","ip":"{v4}","referrer":"https://bestchange.example/","user_hash":"613fe600","query_string":"cur_from=PMUSD&cur_to=BTC"}}"#
        );
        let second = format!(
            r#""4":{{"id":4,"time":1722243600,"date":"2024-07-29 12:00:00","browser":"Unknown","ip":"{v6}","referrer":"","user_hash":"","query_string":""}}"#
        );
        assert!(text.ends_with(&format!(r#""data":{{"items":{{{first},{second}}}}}}}"#)), "{text}");
    }
}

#[tokio::test]
async fn times_are_included_and_after_pages_through_a_thousand_items_oldest_first() {
    let (house, key) = with_alice(&[]).await;
    refer(&house, "alice", "bob").await;
    for second in 0..5 {
        let time = format!("2024-07-29T09:00:0{second}.999999Z");
        pay(&house, Paid { time: &time, ..PAID }).await;
        click(&house, OWN, &time, false, [None; 5]).await;
    }
    for method in ["get_exchanges", "get_links"] {
        for (query, expected) in [
            ("", &[1, 2, 3, 4, 5][..]),
            ("&start_time=1722243601&end_time=1722243603", &[2, 3, 4]),
            ("&start_time=1722243602", &[3, 4, 5]),
            ("&end_time=1722243600", &[1]),
            ("&after=3", &[4, 5]),
            ("&after=3&end_time=1722243603", &[4]),
            ("&start_time=1722243603&end_time=1722243601", &[]),
        ] {
            assert_eq!(ids(&house, &key, &format!("{method}{query}")).await, expected, "{query}");
        }
    }
    const MORE: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) \
        INSERT INTO click (event_key, domain_id, code, time_us, bot, seen_us) \
        SELECT 'more' || i, k.domain_id, k.code, k.time_us - i, 0, 0 FROM n JOIN click k ON k.id = 1";
    const PAYMENTS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) \
        INSERT INTO payment (event_key, source, event_id, domain_id, user_hash, currency, time_us, \
        amount_minor, counted, seen_us) SELECT 'more' || i, '/t', '1', p.domain_id, p.user_hash, \
        p.currency, p.time_us - i, 1, 1, 0 FROM n JOIN payment p ON p.id = 1";
    house.sql(MORE, vec![]).await;
    house.sql(PAYMENTS, vec![]).await;
    for method in ["get_exchanges", "get_links"] {
        let (mut after, mut pages) = (0, Vec::new());
        loop {
            let page = ids(&house, &key, &format!("{method}&after={after}")).await;
            let Some(last) = page.last() else { break };
            after = *last;
            pages.push(page);
        }
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 505], "{method}");
        assert_eq!(pages.concat(), (1..=1505).collect::<Vec<i64>>(), "in order of arrival");
    }
}
