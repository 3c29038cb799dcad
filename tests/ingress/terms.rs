//! Invoices, statements and terms with the real credits worker, and the events that the ingress
//! publishes for them (contract 5).
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, House, until};

const QUEUE: &str = "referral.credits";
const DEFAULT: &str = r#"{"id":1,"name":"Default","credit_value":10.0,"target_value":25.0,"link":"http://h/program/1","reward_percent":0.0,"currency":"RUB"}"#;

/// A house with the programme "Default" (10, 25), and Alice.
async fn with_programme(settings: &[(&str, &str)]) -> House {
    let house = House::new(settings).await;
    let form = "name=Default&credit_value=10&target_value=25";
    assert_eq!(house.call(Method::POST, "/program/", form).await.status, 201);
    house.user("alice", "aaaaaaaaaaaaaaaaaaaa", Some("alice@example.com")).await;
    house
}

async fn with_credits() -> House {
    let house = with_programme(&[("REPLY_TIMEOUT", "30s"), ("PUBLISH_TIMEOUT", "30s")]).await;
    house.credits();
    house
}

async fn register(house: &House, by: &str, user: &str) -> Answer {
    let form = format!("user_indicator={by}&user_indicated={user}");
    house.call(Method::POST, "/register/", &form).await
}

async fn pay(house: &House, user: &str, total: &str) -> Answer {
    let body = format!(r#"{{"total_amount_paid":{total}}}"#);
    house.call(Method::PUT, &format!("/invoice/user/{user}/"), &body).await
}

#[tokio::test]
async fn an_invoice_tells_the_acquired_credit_on_every_call_once_the_total_has_reached_the_target()
{
    let house = with_credits().await;
    assert_eq!(register(&house, "alice", "bob").await.status, 201);
    let (nothing, target) = (r#"{"acquired_credit":0}"#, r#"{"acquired_credit":25.0}"#);
    for (user, total, expected) in [
        ("bob", "0", nothing),
        ("bob", "24.99", nothing),
        ("bob", r#""25""#, target),
        ("bob", "1000000000000", target),
        // The total seen so far counts, not the one of this call.
        ("bob", "3", target),
        ("alice", "5000", nothing),
    ] {
        let answer = pay(&house, user, total).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, expected), "{user} {total}");
    }
    let granted = "SELECT COUNT(*) AS n FROM entry WHERE kind = 'acquired_credit'";
    let row = house.store.one(granted, Vec::new()).await.unwrap().unwrap();
    assert_eq!(row.int("n").unwrap(), 1, "granted once");
    for total in
        ["-1", "1.001", r#""x""#, r#""NaN""#, "true", "[1]", r#""""#, "null", "1000000000000.01"]
    {
        let answer = pay(&house, "bob", total).await;
        assert_eq!(answer.status, 422, "{total}: {}", answer.text);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with("total_amount_paid"), "{total}: {error}");
    }
    assert_eq!(pay(&house, "nobody", "1").await.status, 404);
}

#[tokio::test]
async fn users_keep_the_terms_they_registered_under_when_the_programme_changes() {
    let house = with_credits().await;
    let bob = register(&house, "alice", "bob").await;
    let changed = r#"{"name":"New","credit_value":1,"target_value":40}"#;
    assert_eq!(house.call(Method::PUT, "/program/1/", changed).await.status, 200);
    let carol = register(&house, "alice", "carol").await.json();
    assert_eq!(carol["referral_program"]["target_value"], json!(40.0));
    assert_eq!(pay(&house, "bob", "25").await.text, r#"{"acquired_credit":25.0}"#);
    assert_eq!(pay(&house, "carol", "25").await.text, r#"{"acquired_credit":0}"#);
    assert_eq!(pay(&house, "carol", "40").await.text, r#"{"acquired_credit":40.0}"#);
    let statement = house.get("/statement/bob").await.json();
    assert_eq!(
        statement["referral_program"].to_string(),
        serde_json::from_str::<Value>(DEFAULT).unwrap().to_string()
    );
    assert_eq!(statement["signup_credit"], json!(10.0));
    assert_eq!(house.get("/statement/carol").await.json()["signup_credit"], json!(1.0));
    let again = register(&house, "alice", "bob").await;
    assert_eq!(
        (again.status, &again.json()["referral_program"]),
        (200, &bob.json()["referral_program"])
    );
    let removed = house.call(Method::DELETE, "/program/1/", "").await;
    assert_eq!(removed.status, 409, "users are registered under it");
}

/// "…else the code's where the code named A, else A's own, else the domain's first": a programme that was
/// removed is no longer the code's.
#[tokio::test]
async fn who_comes_with_a_code_of_a_removed_programme_gets_the_referrers_own() {
    let house = with_credits().await;
    for (name, id) in [("Bobs", 2), ("Gone", 3)] {
        let form = format!("name={name}&credit_value=1&target_value=2");
        let made = house.call(Method::POST, "/program/", &form).await.json();
        assert_eq!(made["id"], id);
    }
    let bob =
        "user_indicator=alice&user_indicated=bob&email=bob%40example.com&referral_program_id=2";
    assert_eq!(house.call(Method::POST, "/register/", bob).await.status, 201);
    let code = "/v1/referral/cccccccccccccccccccc";
    let put = house.call(Method::PUT, code, "email=bob%40example.com&program_id=3").await;
    assert_eq!(put.status, 201);
    assert_eq!(house.call(Method::DELETE, "/program/3/", "").await.status, 204);
    let form = "email=carol%40example.com&ref_code=cccccccccccccccccccc";
    assert_eq!(house.call(Method::POST, "/register/form", form).await.status, 200);
    let carols = async || {
        let bobs = house.get("/statement/bob").await.json();
        bobs["entries"]
            .as_array()
            .unwrap()
            .iter()
            .find(|e| e["kind"] == "potential_credit")
            .cloned()
    };
    until("Carol is credited", async || carols().await.is_some()).await;
    assert_eq!(carols().await.unwrap()["amount"], "2.00", "as Bob's own programme says");
}

#[tokio::test]
async fn a_statement_has_the_contracts_members_in_order_and_sums_in_the_programmes_currency() {
    let house = with_credits().await;
    let bob = register(&house, "alice", "bob").await.json();
    let paid = pay(&house, "bob", "25").await;
    assert_eq!(paid.text, r#"{"acquired_credit":25.0}"#);
    assert_eq!(register(&house, "bob", "carol").await.status, 201);
    let code = bob["code"].as_str().unwrap();
    let statement = house.get("/statement/bob/").await;
    let entries = statement.json()["entries"].clone();
    let text = |entry: usize, member: &str| entries[entry][member].as_str().unwrap().to_owned();
    let entry = |number: usize, kind: &str, amount: &str, user: &str| {
        let (id, time) = (text(number, "id"), text(number, "time"));
        let cause = entries[number]["causes"][0]["id"].as_str().unwrap();
        assert!(uuid::Uuid::parse_str(&id).is_ok() && time.ends_with("+03:00"), "{id} {time}");
        format!(
            r#"{{"id":"{id}","kind":"{kind}","amount":"{amount}","currency":"RUB","time":"{time}","referred_user_hash":"{user}","causes":[{{"source":"/referral/ingress","id":"{cause}"}}]}}"#
        )
    };
    let expected = format!(
        r#"{{"potencial_credit":25.0,"referral_program":{DEFAULT},"code":"{code}","acquired_credit":0.0,"signup_credit":10.0,"reward":0.0,"currency":"RUB","entries":[{},{}]}}"#,
        entry(0, "signup_credit", "10.00", "bob"),
        entry(1, "potential_credit", "25.00", "carol"),
    );
    assert_eq!((statement.status, statement.text), (200, expected));
    assert_eq!(entries[0]["causes"][0]["id"], bob["id"], "the signup");
}

#[tokio::test]
async fn registering_and_invoicing_publish_a_signup_and_a_payment_with_the_cumulative_total() {
    let house = with_programme(&[("REPLY_TIMEOUT", "10ms"), ("PUBLISH_TIMEOUT", "30s")]).await;
    let form =
        "user_indicator=alice&user_indicated=bob&email=B%40example.com&referral_program_id=1";
    let register = house.call(Method::POST, "/register/", form).await;
    let invoice = pay(&house, "alice", "12.5").await;
    assert_eq!((register.status, invoice.status), (202, 202), "nobody answers");
    let (_, events) = house.taken(QUEUE, 2).await;
    let said = |event: &Value| {
        json!([
            event["specversion"],
            event["type"],
            event["source"],
            event["domain"],
            event["time"],
            event["data"]
        ])
    };
    let (source, time) = ("/referral/ingress", "2024-07-29T09:00:00.000000+00:00");
    let signup = json!({"user_hash": "bob", "user_indicator": "alice", "email": "B@example.com", "program_id": 1});
    let payment = json!({"user_hash": "alice", "currency": "RUB", "total_amount_paid": "12.50"});
    let told = events.iter().map(said).collect::<Vec<_>>();
    assert_eq!(told[0], json!(["1.0", "referral.signup.v1", source, "shop", time, signup]));
    assert_eq!(told[1], json!(["1.0", "referral.payment.v1", source, "shop", time, payment]));
    for (answer, event) in [register, invoice].iter().zip(&events) {
        let id = event["id"].as_str().unwrap();
        assert_eq!(answer.text, format!(r#"{{"status":"accepted","event_id":"{id}"}}"#));
        assert_eq!(answer.header("location"), format!("/v1/events/{id}"));
    }
}

#[tokio::test]
async fn an_invoice_past_the_reply_timeout_is_accepted_and_known_later() {
    let house = with_programme(&[("REPLY_TIMEOUT", "100ms"), ("PUBLISH_TIMEOUT", "30s")]).await;
    let answer = pay(&house, "alice", "12.5").await;
    assert_eq!(answer.status, 202);
    let location = answer.header("location").to_owned();
    assert_eq!(house.get(&location).await.status, 404, "not known yet");
    house.credits();
    until("the outcome is known", async || house.get(&location).await.status == 200).await;
    let id = answer.json()["event_id"].as_str().unwrap().to_owned();
    let known = house.get(&location).await.text;
    let begins = format!(
        r#"{{"id":"{id}","source":"/referral/ingress","type":"referral.payment.v1","outcome":"accepted","#
    );
    assert!(known.starts_with(&begins) && known.contains(r#""acquired_credit":0}"#), "{known}");
}

#[tokio::test]
async fn chains_credit_the_direct_referrer_only_and_noughts_and_the_unreferred_make_nothing() {
    let house = with_credits().await;
    let form = "name=Nought&credit_value=0&target_value=0";
    assert_eq!(house.call(Method::POST, "/program/", form).await.status, 201);
    for (by, user) in [("alice", "bob"), ("bob", "carol"), ("carol", "dave")] {
        assert_eq!(register(&house, by, user).await.status, 201, "{by} {user}");
    }
    let nought = "user_indicator=alice&user_indicated=zoe&referral_program_id=2";
    assert_eq!(house.call(Method::POST, "/register/", nought).await.status, 201);
    for (user, acquired) in [("carol", "25.0"), ("zoe", "0"), ("alice", "0")] {
        let expected = format!(r#"{{"acquired_credit":{acquired}}}"#);
        assert_eq!(pay(&house, user, "100").await.text, expected, "{user}");
    }
    let expected = [
        "acquired_credit bob 2500 for carol",
        "potential_credit alice 2500 for bob",
        "potential_credit bob 2500 for carol",
        "potential_credit carol 2500 for dave",
        "signup_credit bob 1000 for bob",
        "signup_credit carol 1000 for carol",
        "signup_credit dave 1000 for dave",
    ];
    assert_eq!(ledger(&house, "entry").await, expected);
    let called: Vec<&str> =
        expected.into_iter().filter(|line| !line.starts_with("potential")).collect();
    assert_eq!(ledger(&house, "delivery").await, called, "billing is called for these");
}

#[tokio::test]
async fn entries_are_only_ever_added() {
    let house = with_credits().await;
    const ALL: &str = "SELECT id, user_hash, kind, amount_minor, currency, program_id, \
        referred_user_hash, signup_event_id, payment_event_id, time_us FROM entry ORDER BY id";
    let read = async || {
        let rows = house.store.all(ALL, None, Vec::new()).await.unwrap();
        let text = |row: &referral::store::Row| {
            let texts =
                ["id", "user_hash", "kind", "currency", "referred_user_hash", "signup_event_id"];
            let mut line: Vec<String> = texts.map(|name| row.text(name).unwrap()).into();
            line.push(row.text_or_null("payment_event_id").unwrap().unwrap_or_default());
            line.extend(
                ["amount_minor", "program_id", "time_us"]
                    .map(|name| row.int(name).unwrap().to_string()),
            );
            line.join(" ")
        };
        rows.iter().map(text).collect::<Vec<String>>()
    };
    assert_eq!(register(&house, "alice", "bob").await.status, 201);
    let mut before = read().await;
    assert_eq!(before.len(), 2);
    for (step, added) in
        ["repeat", "oneself", "pay", "pay more", "change", "refer"].iter().zip([0, 0, 1, 0, 0, 2])
    {
        let status = match *step {
            "repeat" => register(&house, "alice", "bob").await.status,
            "oneself" => register(&house, "bob", "bob").await.status,
            "pay" => pay(&house, "bob", "25").await.status,
            "pay more" => pay(&house, "bob", "99").await.status,
            "change" => {
                house.call(Method::PUT, "/program/1/", "credit_value=1&target_value=2").await.status
            }
            _ => register(&house, "alice", "carol").await.status,
        };
        let after = read().await;
        assert_eq!(after.len(), before.len() + added, "{step} ({status})");
        assert!(before.iter().all(|line| after.contains(line)), "{step}: {before:?} {after:?}");
        before = after;
    }
}

/// Kind, user, minor units and referred user of each row.
async fn ledger(house: &House, table: &str) -> Vec<String> {
    let all = format!(
        "SELECT kind, user_hash, amount_minor, referred_user_hash FROM {table} \
         ORDER BY kind, user_hash, referred_user_hash"
    );
    let rows = house.store.all(&all, None, Vec::new()).await.unwrap();
    let line = |row: &referral::store::Row| {
        let [kind, user, referred] =
            ["kind", "user_hash", "referred_user_hash"].map(|name| row.text(name).unwrap());
        format!("{kind} {user} {} for {referred}", row.int("amount_minor").unwrap())
    };
    rows.iter().map(line).collect()
}

#[test]
fn replies_are_waited_for_two_seconds_where_nothing_else_is_said() {
    let settings = referral::settings::Settings::from_pairs([("REGISTER_URL", "")]);
    assert_eq!(settings.ingress().unwrap().reply_timeout, std::time::Duration::from_secs(2));
}
