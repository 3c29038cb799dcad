//! Domains as tenants: a matrix made from the OpenAPI document shows that no route gives or changes
//! anything of another domain (contract 2: "it sees and changes that domain only").
use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    House,
    conform::{self, Operation},
};

const CODE: &str = "b4b9e071006f409d8e6d";
/// Words that stand in the domain's data, and in no request of the stranger.
const SECRETS: [&str; 6] = [
    "Sesame",
    "carol",
    "carol@example.com",
    "owner@example.com",
    "dddddddd-0000-4000-8000-000000000000",
    "claimed@example.com",
];

/// What the paths of the domain's own things are made of.
struct Things {
    programme: i64,
    token: String,
    event: String,
    delivery: String,
}

impl Things {
    /// The value of a path's member, of the domain `shop`.
    fn value(&self, operation: &Operation, name: &str) -> String {
        match (operation.path.as_str(), name) {
            ("/program/{id}/", "id") => self.programme.to_string(),
            ("/v1/auth/token/{id}", "id") => self.token.clone(),
            ("/v1/events/{id}", "id") => self.event.clone(),
            ("/v1/deliveries/{id}" | "/v1/deliveries/{id}/retry", "id") => self.delivery.clone(),
            (_, "code") => CODE.to_owned(),
            (_, "user_hash") => "bob".to_owned(),
            other => panic!("a new member of a path: say what it is in shop: {other:?}"),
        }
    }
}

/// A domain with something in each of its tables: `carol` refers `bob`.
async fn furnish(house: &House) -> Things {
    house.credits();
    let programme =
        house.call(Method::POST, "/program/", "name=Sesame&credit_value=1&target_value=2");
    let programme = programme.await.json()["id"].as_i64().unwrap();
    house.user("carol", "cccccccccccccccccccc", Some("carol@example.com")).await;
    let code = format!("/v1/referral/{CODE}");
    let owner = house.call(Method::PUT, &code, "email=owner%40example.com").await;
    assert_eq!(owner.status, 201);
    let bob = "user_indicator=carol&user_indicated=bob&email=bob%40example.com";
    let bob = house.call(Method::POST, "/register/", bob).await;
    assert_eq!(bob.status, 201, "{}", bob.text);
    let paid = house.call(Method::PUT, "/invoice/user/bob/", "total_amount_paid=5").await;
    assert_eq!(paid.text, r#"{"acquired_credit":2.0}"#);
    let rates = r#"[{"from":"SESAME","to":"OIL","in":1,"out":2}]"#;
    assert_eq!(house.call(Method::PUT, "/v1/rates", rates).await.status, 204);
    let domain_id = house.domain_id("shop").await;
    const RECORD: &str = "INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, \
        mtime_us) VALUES ({?}, '2024-07-29', {?}, 'dddddddd-0000-4000-8000-000000000000', 3, 0, 0)";
    house.sql(RECORD, vec![domain_id.into(), CODE.into()]).await;
    const CLAIM: &str = "INSERT INTO email_indication (domain_id, email_key, email, user_hash, \
        ctime_us) VALUES ({?}, 'claimed@example.com', 'claimed@example.com', 'carol', 0)";
    house.sql(CLAIM, vec![domain_id.into()]).await;
    let login = r#"{"domain":"shop","login":"anna","password":"open sesame"}"#;
    let token = house.call_as("-", Method::POST, "/v1/auth/token", login).await.json();
    let deliveries = house.get("/v1/deliveries").await.json();
    let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
    Things {
        programme,
        token: text(&token),
        event: text(&bob.json()),
        delivery: text(&deliveries["items"][0]),
    }
}

/// Every row of the domain, by table: those with its id, and its administrators' tokens.
async fn state(house: &House, domain: &str) -> BTreeMap<String, String> {
    let domain_id = house.domain_id(domain).await;
    let all = async |text: &str| house.store.all(text, None, Vec::new()).await.unwrap();
    let mut state = BTreeMap::new();
    for table in all("SELECT name FROM sqlite_master WHERE type = 'table'").await {
        let table = table.text("name").unwrap();
        let columns = all(&format!("SELECT name FROM pragma_table_info('{table}')")).await;
        let columns: Vec<String> = columns.iter().map(|row| row.text("name").unwrap()).collect();
        let of_domain = if columns.iter().any(|column| column == "domain_id") {
            format!("domain_id = {domain_id}")
        } else if table == "domain" {
            format!("id = {domain_id}")
        } else if columns.iter().any(|column| column == "administrator_id") {
            let theirs = format!("SELECT id FROM administrator WHERE domain_id = {domain_id}");
            format!("administrator_id IN ({theirs})")
        } else if columns.iter().any(|column| column == "delivery_id") {
            format!("delivery_id IN (SELECT id FROM delivery WHERE domain_id = {domain_id})")
        } else {
            // What belongs to no domain: migrations, the workers' own notes.
            continue;
        };
        let rows = format!(
            "SELECT COALESCE(json_group_array(json_array({})), '') AS found FROM {table} WHERE {of_domain}",
            columns.join(", ")
        );
        state.insert(table, all(&rows).await[0].text("found").unwrap());
    }
    state
}

fn secured() -> Vec<Operation> {
    conform::operations().into_iter().filter(Operation::is_secured).collect()
}

async fn call(house: &House, key: &str, things: &Things, operation: &Operation) -> super::Answer {
    let path = operation.path_with(|name| things.value(operation, name));
    let body = match operation.path.as_str() {
        _ if !operation.has_body() => String::new(),
        "/register/" => json!({"user_indicator": "bob", "user_indicated": "dave"}).to_string(),
        "/emailindication" => {
            json!({"user_indicator": "bob", "emails": "new@example.com"}).to_string()
        }
        "/v1/referral/{code}" => json!({"email": "owner@example.com"}).to_string(),
        _ => operation.example_body(),
    };
    house.call_as(key, operation.method.parse().unwrap(), &path, &body).await
}

#[tokio::test]
async fn no_route_gives_or_changes_anything_of_another_domain() {
    let patient = [("REPLY_TIMEOUT", "30s"), ("PUBLISH_TIMEOUT", "30s"), ("RATE_LIMIT", "off")];
    let house = House::new(&patient).await;
    let things = furnish(&house).await;
    let before = state(&house, "shop").await;
    assert!(before.len() > 12, "{:?}", before.keys());
    for table in ["programme", "code", "account", "entry", "delivery", "payment", "token", "rate"] {
        assert_ne!(before[table], "[]", "{table}");
    }
    for operation in secured() {
        let answer = call(&house, &house.stranger, &things, &operation).await;
        let told =
            format!("{} {}: {} {}", operation.method, operation.path, answer.status, answer.text);
        let given: Vec<_> =
            SECRETS.iter().filter(|secret| answer.text.contains(**secret)).collect();
        assert!(given.is_empty(), "gave {given:?}: {told}");
        // What is named in the path is another domain's, so there is nothing to succeed with.
        assert!(!operation.path.contains('{') || answer.status >= 400, "{told}");
    }
    for (table, rows) in state(&house, "shop").await {
        assert_eq!(rows, before[&table], "a stranger changed {table}");
    }
    // The same calls by the domain's own administrator do what they say: the matrix tested something.
    let (last, first): (Vec<_>, Vec<_>) =
        secured().into_iter().partition(|operation| operation.method == "DELETE");
    let mut refused = BTreeSet::new();
    for operation in first.iter().chain(&last) {
        let answer = call(&house, &house.key, &things, operation).await;
        if answer.status >= 300 {
            refused.insert(format!("{} {}: {}", operation.method, operation.path, answer.status));
        }
    }
    // Its users are registered under it.
    assert_eq!(refused, BTreeSet::from(["DELETE /program/{id}/: 409".to_owned()]));
    let after = state(&house, "shop").await;
    for table in ["programme", "token", "account", "rate", "rate_set"] {
        assert_ne!(after[table], before[table], "{table}");
    }
}
