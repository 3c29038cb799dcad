//! What sites may buy over HTTP (contract 3): the catalogue, and the prices of unpaid and paid sites.
use referral::domain::Micros;
use reqwest::Method;
use serde_json::{Value, json};

use super::umi::{BUSINESS, START, call, errors, house, rows};

/// Goods of a month of the shipped catalogue's first tariffs.
const START_MONTH: i64 = 11;
const BUSINESS_MONTH: i64 = 21;

#[tokio::test]
async fn prices_of_an_unpaid_and_a_paid_site() {
    let house = house().await;
    call(&house, "host=shop.example&email=anna%40example.com").await;
    let prices = async || call(&house, "host=shop.example&action=upgrade_price").await;
    let unpaid = prices().await;
    let tariffs = unpaid["result"].as_object().unwrap();
    assert!(tariffs.len() >= 2, "{unpaid}");
    let of = |answer: &Value, product: i64| -> Option<Value> {
        let tariffs = answer["result"].as_object().unwrap().values();
        let goods = tariffs.flat_map(|tariff| tariff[0]["goods"].as_array().unwrap().clone());
        goods.into_iter().find_map(|good| good.get(product.to_string()).cloned())
    };
    let month = of(&unpaid, BUSINESS_MONTH).unwrap();
    assert_eq!(month["expiration"], json!(0), "no limit");
    assert_eq!(
        call(&house, &format!("host=shop.example&product={START_MONTH}")).await["result"],
        true
    );
    let first = prices().await;
    let (tariff, shown) = first["result"].as_object().unwrap().iter().next().unwrap();
    let upgrade: i64 =
        shown[0]["goods"][0].as_object().unwrap().keys().next().unwrap().parse().unwrap();
    assert_eq!(shown[0]["id"], json!(BUSINESS), "{tariff}");
    let price = of(&first, upgrade).unwrap();
    let until = price["expiration"].as_i64().unwrap();
    // Right before it the price holds, then it falls.
    house.clock.set(Micros(until * 1_000_000 - 1));
    assert_eq!(of(&prices().await, upgrade).unwrap(), price);
    house.clock.set(Micros(until * 1_000_000 + 1_000_000));
    let later = of(&prices().await, upgrade).unwrap();
    assert!(later["price"].as_f64() < price["price"].as_f64(), "{later} after {price}");
    // `upgrade` takes what is shown, and adds no time.
    let paid_until = async || {
        let row = house.store.one("SELECT paid_until_us, tariff_id FROM site", Vec::new()).await;
        let row = row.unwrap().unwrap();
        (row.int("paid_until_us").unwrap(), row.int("tariff_id").unwrap())
    };
    let before = paid_until().await;
    let month = format!("host=shop.example&action=upgrade&product={START_MONTH}");
    assert!(errors(&house, &month).await[0].starts_with("product: "));
    let upgrading = format!("host=shop.example&action=upgrade&product={upgrade}");
    assert_eq!(call(&house, &upgrading).await, json!({"result": true}));
    assert_eq!(paid_until().await, (before.0, BUSINESS));
    let charged = "SELECT price_minor FROM purchase WHERE product_id = {?}";
    let row = house.store.one(charged, vec![upgrade.into()]).await.unwrap().unwrap();
    let cents = (later["price_with_discount"].as_f64().unwrap() * 100.0).round() as i64;
    assert_eq!(row.int("price_minor").unwrap(), cents, "what was shown is what is charged");
}

#[tokio::test]
async fn forever_prices_are_of_goods_that_pay_for_ever() {
    let house = house().await;
    call(&house, "host=shop.example&email=anna%40example.com").await;
    let shown = call(&house, "host=shop.example&action=forever_price").await;
    let first = &shown["result"]["start"][0];
    let product = first["goods"][0].as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(first["goods"][0][&product]["expiration"], json!(0), "{shown}");
    call(&house, &format!("host=shop.example&product={product}")).await;
    assert_eq!(rows(&house, "site WHERE paid_forever = 1").await, 1);
    let shown = call(&house, "host=shop.example&action=forever_price").await;
    assert_eq!(shown, json!({"result": {}}), "it is paid for ever");
}

#[tokio::test]
async fn the_catalogue_is_shown_by_get_and_post_alike() {
    let house = house().await;
    let get = house.call_as("-", Method::GET, "/goods.php", "").await;
    let post = house.call_as("-", Method::POST, "/goods.php", "domain=default").await;
    assert_eq!((get.status, &get.text), (200, &post.text));
    let bare = house.call_as("-", Method::POST, "/goods.php", "").await;
    assert_eq!(bare.text, get.text, "without a body");
    let shown = get.json();
    assert_eq!(shown["start"]["id"], json!(START), "{shown}");
    assert!(shown["start"]["goods"][START_MONTH.to_string()]["name"].is_string(), "{shown}");
    let none = house.call_as("-", Method::GET, "/goods.php?domain=none", "").await;
    assert_eq!(
        none.json(),
        json!({"result": false, "errors": ["domain: there is no such domain"]})
    );
}
