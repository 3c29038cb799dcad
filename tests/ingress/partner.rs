//! The partner API over HTTP (contract 4, "Partner API"): answers to the letter, errors in their
//! order, keys, lists and their pages, and what another domain's partner sees.
use referral::{
    credentials,
    domain::{Email, Micros, Money},
    store::{Param, partners, payouts},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, House, NOON};

const PATH: &str = "/service/partner/api.php";
/// Her own code.
pub const OWN: &str = "aaaaaaaaaaaaaaaaaaaa";
const EMAIL: &str = "alice@example.com";

/// Gives the person with this e-mail a key.
pub async fn key(house: &House, domain: &str, email: &str) -> String {
    let key = credentials::new_key().unwrap();
    let (domain_id, email) = (house.domain_id(domain).await, Email::parse(email).unwrap());
    let hash = credentials::key_hash(&key);
    partners::set_key(&house.store, domain_id, &email, &hash, Micros(1)).await.unwrap();
    key
}

/// A house in which Alice is a user of `shop`, and her key.
pub async fn with_alice(settings: &[(&str, &str)]) -> (House, String) {
    let house = House::new(settings).await;
    house.user("alice", OWN, Some(EMAIL)).await;
    let key = key(&house, "shop", EMAIL).await;
    (house, key)
}

/// What this method answers.
pub async fn ask(house: &House, key: &str, method: &str) -> Answer {
    let path = format!("{PATH}?api_action=pp&api_key={key}&method={method}");
    let answer = house.call_as("-", Method::GET, &path, "").await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer
}

/// The same, where it must succeed: its data.
pub async fn data(house: &House, key: &str, method: &str) -> Value {
    let answer = ask(house, key, method).await;
    let json = answer.json();
    assert_eq!((answer.status, &json["status"]), (200, &json!("success")), "{}", answer.text);
    json["data"].clone()
}

/// The ids of the items.
pub async fn ids(house: &House, key: &str, method: &str) -> Vec<i64> {
    let text = ask(house, key, method).await.text;
    // In the order of the text, not of a map.
    let ids = text.split("\"id\":").skip(1).map(|rest| rest.split(',').next().unwrap().parse());
    ids.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A settled user of `shop` whom this user referred.
pub async fn refer(house: &House, referrer: &str, user: &str) {
    house.user(user, &format!("{user:0>20}"), None).await;
    const REFER: &str = "UPDATE account SET referrer_hash = {?} WHERE user_hash = {?}";
    house.sql(REFER, vec![referrer.into(), user.into()]).await;
}

/// A payment as the credits worker writes it.
pub struct Paid<'a> {
    pub user: &'a str,
    pub time: &'a str,
    pub amount: Option<i64>,
    pub total: Option<i64>,
    pub reward: Option<i64>,
    pub exchange: Option<&'a str>,
}

/// A payment of 10.00 by bob at noon, of which nothing accrues.
pub const PAID: Paid<'_> =
    Paid { user: "bob", time: NOON, amount: Some(1000), total: None, reward: None, exchange: None };

pub async fn pay(house: &House, paid: Paid<'_>) {
    const INSERT: &str = "INSERT INTO payment (event_key, source, event_id, domain_id, user_hash, \
        currency, time_us, amount_minor, total_minor, counted, reward_minor, exchange, seen_us) \
        VALUES ({?}, '/t', '1', {?}, {?}, 'RUB', {?}, {?}, {?}, 1, {?}, {?}, 0)";
    let params = vec![
        uuid::Uuid::new_v4().simple().to_string().into(),
        house.domain_id("shop").await.into(),
        paid.user.into(),
        Micros::parse(paid.time).unwrap().0.into(),
        paid.amount.into(),
        paid.total.into(),
        paid.reward.into(),
        paid.exchange.into(),
    ];
    house.sql(INSERT, params).await;
}

/// A click as daily-records writes it: code, time, bot, and what was raw of it, in the table's order.
pub async fn click(house: &House, code: &str, time: &str, bot: bool, raw: [Option<&str>; 5]) {
    const INSERT: &str = "INSERT INTO click (event_key, domain_id, code, time_us, bot, ip, \
        user_agent, referrer, user_hash, query_string, seen_us) \
        VALUES ({?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, 0)";
    let fixed: [Param; 5] = [
        uuid::Uuid::new_v4().simple().to_string().into(),
        house.domain_id("shop").await.into(),
        code.into(),
        Micros::parse(time).unwrap().0.into(),
        bot.into(),
    ];
    house.sql(INSERT, fixed.into_iter().chain(raw.map(Param::from)).collect()).await;
}

#[tokio::test]
async fn get_info_has_the_contracts_members_in_order() {
    let (house, key) = with_alice(&[]).await;
    let answer = ask(&house, &key, "get_info").await;
    let expected = format!(
        r#"{{"status":"success","error":0,"error_text":"","data":{{"balance":0.0,"totalReceived":0.0,"link":"http://h/ref/{OWN}/","min_payout":0.01,"items":{{}}}}}}"#
    );
    assert_eq!((answer.status, answer.text), (200, expected));
    assert_eq!(answer.headers["cache-control"], "no-store", "the key is in its address");

    let shop = house.domain_id("shop").await;
    for (title, commission) in [("PerfectMoney USD", 5000), ("Bank", 0)] {
        payouts::add_method(&house.store, shop, title, commission, Micros(0)).await.unwrap();
    }
    let other = house.domain_id("other").await;
    payouts::add_method(&house.store, other, "Sesame", 0, Micros(0)).await.unwrap();
    payouts::set_min_payout(&house.store, shop, Money::from_minor(9_999_999_999)).await.unwrap();
    let text = ask(&house, &key, "get_info").await.text;
    let methods = r#""min_payout":99999999.99,"items":{"1":{"id":1,"title":"PerfectMoney USD","commission":0.5},"2":{"id":2,"title":"Bank","commission":0.0}}}}"#;
    assert!(text.ends_with(methods), "{text}");
}

#[tokio::test]
async fn what_is_wrong_is_told_by_its_number_in_their_order() {
    let (house, key) = with_alice(&[("RATE_LIMIT", "off")]).await;
    let wrong = "0123456789012345678901234567890123456789";
    for (query, error, named) in [
        (String::new(), 1, "api_action"),
        (format!("?api_action=PP&api_key={wrong}&method=none"), 1, "api_action"),
        (format!("?api_key={key}&method=get_info"), 1, "api_action"),
        ("?api_action=pp".to_owned(), 2, "api_key"),
        (format!("?api_action=pp&api_key={wrong}&method=none"), 2, "api_key"),
        ("?api_action=pp&api_key=&method=get_info".to_owned(), 2, "api_key"),
        (format!("?api_action=pp&api_key={key}"), 3, "method"),
        (format!("?api_action=pp&api_key={key}&method=none&start_time=x"), 3, "method"),
        (
            format!("?api_action=pp&api_key={key}&method=get_exchanges&start_time=x"),
            4,
            "start_time",
        ),
        (format!("?api_action=pp&api_key={key}&method=get_exchanges&end_time=1.5"), 4, "end_time"),
        (format!("?api_action=pp&api_key={key}&method=get_links&after=a"), 4, "after"),
        (format!("?api_action=pp&api_key={key}&method=get_links&start_time=x"), 4, "start_time"),
        (format!("?api_action=pp&api_key={key}&method=get_payouts&end_time=x"), 4, "end_time"),
        (format!("?api_action=pp&api_key={key}&method=add_payout&account=U1"), 4, "method_id"),
        (format!("?api_action=pp&api_key={key}&method=add_payout&method_id=1"), 4, "account"),
    ] {
        let path = format!("{PATH}{query}");
        let answer = house.call_as("-", Method::GET, &path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        let begins = format!(r#"{{"status":"error","error":{error},"error_text":"{named}: "#);
        assert!(answer.text.starts_with(&begins), "{path}: {}", answer.text);
        assert!(answer.text.ends_with(r#"","data":{}}"#), "{path}: {}", answer.text);
        assert!(!answer.text.contains(&key) && !answer.text.contains(wrong), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_key_works_until_another_is_made_or_it_is_revoked() {
    let (house, first) = with_alice(&[]).await;
    let works = async |key: &str| ask(&house, key, "get_info").await.json()["error"] == 0;
    assert!(works(&first).await);
    let second = key(&house, "shop", "Alice@Example.com").await;
    assert!(works(&second).await && !works(&first).await, "rotated, whatever the spelling");
    let (shop, email) = (house.domain_id("shop").await, Email::parse(EMAIL).unwrap());
    let revoke = async || partners::revoke_key(&house.store, shop, &email, Micros(2)).await;
    assert!(revoke().await.unwrap() && !works(&second).await, "at once");
    assert!(!revoke().await.unwrap(), "there is none any more");
    let third = key(&house, "shop", EMAIL).await;
    assert!(works(&third).await && !works(&second).await);
    for stored in house.store.all("SELECT key_hash FROM partner_key", None, vec![]).await.unwrap() {
        assert_eq!(
            stored.text("key_hash").unwrap(),
            credentials::key_hash(&third),
            "no key itself"
        );
    }
}

#[tokio::test]
async fn ten_failed_keys_within_a_minute_are_too_many_requests() {
    let (house, key) = with_alice(&[]).await;
    for n in 0..10 {
        assert_eq!(ask(&house, &format!("{n:040}"), "get_info").await.json()["error"], 2);
        // No key is no failure.
        assert_eq!(ask(&house, "", "get_info").await.json()["error"], 2);
    }
    let shut = ask(&house, &key, "get_info").await;
    assert_eq!((shut.status, shut.header("retry-after")), (429, "61"));
    assert_eq!(shut.text, r#"{"error":"too many failed tries"}"#);
    house.clock.set(house.clock.now().plus_ms(60_000));
    assert_eq!(ask(&house, &key, "get_info").await.status, 200);
}

/// A key may be made before its user is there: then it shows nothing, and the link of a code that is
/// registered with the e-mail, whose clicks are shown too.
#[tokio::test]
async fn a_partner_is_the_user_with_that_email_whichever_comes_first() {
    let house = House::new(&[]).await;
    let key = key(&house, "shop", EMAIL).await;
    let link = async || data(&house, &key, "get_info").await["link"].as_str().unwrap().to_owned();
    assert_eq!(link().await, "");
    for code in ["rrrrrrrrrrrrrrrrrrrr", "ssssssssssssssssssss"] {
        let path = format!("/v1/referral/{code}");
        let put = house.call(Method::PUT, &path, "email=Alice%40example.com").await;
        assert_eq!(put.status, 201);
        house.clock.set(house.clock.now().plus_ms(1000));
        click(&house, code, NOON, false, [None; 5]).await;
    }
    assert_eq!(link().await, "http://h/ref/rrrrrrrrrrrrrrrrrrrr/", "the oldest");
    for method in ["get_exchanges", "get_payouts"] {
        assert_eq!(data(&house, &key, method).await, json!({"items": {}}));
    }
    assert_eq!(ids(&house, &key, "get_links").await, [1, 2]);
    let nothing = ask(&house, &key, "add_payout&method_id=1&account=U1").await.json();
    assert_eq!(nothing["error"], 4);

    house.user("alice", OWN, Some(EMAIL)).await;
    click(&house, OWN, NOON, false, [None; 5]).await;
    assert_eq!(link().await, format!("http://h/ref/{OWN}/"), "her own");
    assert_eq!(ids(&house, &key, "get_links").await, [1, 2, 3]);
}

#[tokio::test]
async fn add_payout_takes_the_whole_balance_once() {
    let (house, key) = with_alice(&[]).await;
    let shop = house.domain_id("shop").await;
    let method = payouts::add_method(&house.store, shop, "Bank", 0, Micros(0)).await.unwrap();
    let other = house.domain_id("other").await;
    payouts::add_method(&house.store, other, "Theirs", 0, Micros(0)).await.unwrap();
    refer(&house, "alice", "bob").await;
    let add = format!("add_payout&method_id={method}&account=%20U1234567%20");
    let refused = async |add: &str| {
        let answer = ask(&house, &key, add).await.json();
        assert_eq!((&answer["error"], &answer["data"]), (&json!(4), &json!({})), "{answer}");
        answer["error_text"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&add).await, "balance: nothing is due");
    pay(&house, Paid { reward: Some(500), ..PAID }).await;
    pay(&house, Paid { reward: Some(3), ..PAID }).await;
    for (bad, text) in [
        ("add_payout&method_id=2&account=U", "method_id: there is no such payout method"),
        ("add_payout&method_id=x&account=U", "method_id: must be a whole number"),
        ("add_payout&method_id=1&account=%20", "account: is required"),
        (
            &format!("add_payout&method_id=1&account={}", "x".repeat(254)),
            "account: must be 1 to 253 characters",
        ),
        ("add_payout&method_id=1&account=a%0Ab", "account: must be 1 to 253 characters"),
    ] {
        assert_eq!(refused(bad).await, text, "{bad}");
    }
    payouts::set_min_payout(&house.store, shop, Money::from_minor(504)).await.unwrap();
    let less = "balance: 5.03 is due, which is less than the least payout, 5.04";
    assert_eq!(refused(&add).await, less);
    payouts::set_min_payout(&house.store, shop, Money::from_minor(503)).await.unwrap();

    // Whoever asks for the head of the answer pays nothing out.
    let path = format!("{PATH}?api_action=pp&api_key={key}&method={add}");
    assert_eq!(house.call_as("-", Method::HEAD, &path, "").await.status, 200);
    assert_eq!(data(&house, &key, "get_payouts").await, json!({"items": {}}));

    let text = ask(&house, &key, &add).await.text;
    let payout = |status: u8| {
        format!(
            r#""data":{{"items":{{"1":{{"id":1,"time":1722243600,"date":"2024-07-29 12:00:00","amount":5.03,"method_id":1,"account":"U1234567","status":{status}}}}}}}}}"#
        )
    };
    assert!(text.ends_with(&payout(0)), "{text}");
    assert_eq!(refused(&add).await, "balance: nothing is due", "once");
    let sums = async || {
        let info = data(&house, &key, "get_info").await;
        [info["balance"].clone(), info["totalReceived"].clone()]
    };
    assert_eq!(sums().await, [json!(0.0), json!(0.0)], "a pending payout is off the balance");
    let close =
        async |id, status| payouts::close(&house.store, None, id, status, Micros(1)).await.unwrap();
    assert_eq!(close(1, payouts::Status::Cancelled).await, payouts::Closed::Now);
    assert!(ask(&house, &key, "get_payouts").await.text.ends_with(&payout(2)));
    assert_eq!(sums().await, [json!(5.03), json!(0.0)], "a cancelled one is due again");
    ask(&house, &key, &add).await;
    assert_eq!(close(2, payouts::Status::Done).await, payouts::Closed::Now);
    assert_eq!(sums().await, [json!(0.0), json!(5.03)]);
    assert_eq!(ids(&house, &key, "get_payouts").await, [1, 2]);
    assert_eq!(ids(&house, &key, "get_payouts&after=1").await, [2]);
    assert!(ids(&house, &key, "get_payouts&start_time=1722243601").await.is_empty());
    assert_eq!(
        ids(&house, &key, "get_payouts&start_time=1722243600&end_time=1722243600").await,
        [1, 2]
    );
}

/// A key sees the one partner of the one domain that it was made for.
#[tokio::test]
async fn a_partner_sees_only_whom_they_referred_and_only_in_their_domain() {
    let (house, key_of_alice) = with_alice(&[]).await;
    house.user("mallory", "mmmmmmmmmmmmmmmmmmmm", Some("mallory@example.com")).await;
    let strangers = [
        key(&house, "other", EMAIL).await,
        key(&house, "other", "mallory@example.com").await,
        key(&house, "shop", "mallory@example.com").await,
    ];
    refer(&house, "alice", "bob").await;
    pay(&house, Paid { reward: Some(500), ..PAID }).await;
    click(&house, OWN, NOON, false, [Some("203.0.113.77"), None, None, Some("bob"), None]).await;
    let shop = house.domain_id("shop").await;
    let method = payouts::add_method(&house.store, shop, "Sesame", 0, Micros(0)).await.unwrap();
    let add = format!("add_payout&method_id={method}&account=U1");
    for (number, stranger) in strangers.iter().enumerate() {
        for list in ["get_exchanges", "get_links", "get_payouts"] {
            assert_eq!(data(&house, stranger, list).await, json!({"items": {}}), "{number} {list}");
        }
        let info = data(&house, stranger, "get_info").await;
        assert_eq!((&info["balance"], &info["totalReceived"]), (&json!(0.0), &json!(0.0)));
        assert!(!info["link"].as_str().unwrap().contains(OWN), "{info}");
        assert_eq!(info["items"].to_string().contains("Sesame"), number == 2, "{info}");
        assert_eq!(ask(&house, stranger, &add).await.json()["error"], 4);
    }
    assert_eq!(ids(&house, &key_of_alice, "get_exchanges").await, [1]);
    assert_eq!(ids(&house, &key_of_alice, "get_links").await, [1]);
    assert_eq!(ask(&house, &key_of_alice, &add).await.json()["error"], 0);
    // A token of an administrator is no partner's key, and the other way round.
    assert_eq!(ask(&house, &house.key, "get_info").await.json()["error"], 2);
    let call = house.call_as(&key_of_alice, Method::GET, "/program/", "").await;
    assert_eq!(call.status, 401);
}
