//! E-mail indications and who made them (contract 5): exact answers.
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{Answer, House};

async fn indicate(house: &House, body: &str) -> Answer {
    house.call(Method::POST, "/emailindication", body).await
}

async fn verify(house: &House, body: &str) -> Answer {
    house.call(Method::POST, "/emailverification", body).await
}

async fn with_users() -> House {
    let house = House::new(&[]).await;
    house.user("alice", "aaaaaaaaaaaaaaaaaaaa", None).await;
    house.user("bob", "bbbbbbbbbbbbbbbbbbbb", None).await;
    house
}

#[tokio::test]
async fn the_first_claim_of_an_address_is_saved_and_nothing_else_is() {
    let house = with_users().await;
    let form = "user_indicator=alice&emails=+B%40Example.com,a@example.com+,,nobody,b@example.COM";
    let saved = indicate(&house, form).await;
    assert_eq!(saved.status, 201);
    assert_eq!(saved.text, r#"{"saved_emails":["B@Example.com","a@example.com"]}"#);
    // With the last slash, as JSON, by another user, and by the same one again.
    let json = r#"{"user_indicator":"bob","emails":"A@EXAMPLE.COM, c@example.com"}"#;
    let other = house.call(Method::POST, "/emailindication/", json).await;
    assert_eq!((other.status, other.text.as_str()), (201, r#"{"saved_emails":["c@example.com"]}"#));
    let array = r#"{"user_indicator":"bob","emails":[" d@example.com","c@example.com"]}"#;
    assert_eq!(indicate(&house, array).await.text, r#"{"saved_emails":["d@example.com"]}"#);
    let again = indicate(&house, form).await;
    assert_eq!((again.status, again.text.as_str()), (201, r#"{"saved_emails":[]}"#));

    let asked = "emails=c@example.com,+B@example.com,x@example.com,nobody,a@example.com,nobody";
    let told = r#"{"emails":{"c@example.com":"bob","B@example.com":"alice","x@example.com":false,"nobody":false,"a@example.com":"alice"}}"#;
    for path in ["/emailverification", "/emailverification/"] {
        let answer = house.call(Method::POST, path, asked).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, told));
    }
    let array = json!({"emails": ["d@example.com", "x@example.com"]}).to_string();
    let told = r#"{"emails":{"d@example.com":"bob","x@example.com":false}}"#;
    assert_eq!(verify(&house, &array).await.text, told);

    // Another domain knows nothing of all this.
    let asked = r#"{"emails":"c@example.com"}"#;
    let stranger = house.call_as(&house.stranger, Method::POST, "/emailverification", asked).await;
    assert_eq!(stranger.text, r#"{"emails":{"c@example.com":false}}"#);
    let form = "user_indicator=alice&emails=z@example.com";
    let stranger = house.call_as(&house.stranger, Method::POST, "/emailindication", form).await;
    assert_eq!(stranger.status, 412, "another domain's user");
}

#[tokio::test]
async fn an_indicator_that_is_missing_or_unknown_is_412_and_bad_addresses_are_422() {
    let house = with_users().await;
    let many = |count: usize| {
        let emails: Vec<String> = (0..count).map(|n| format!("u{n}@example.com")).collect();
        json!({"user_indicator": "alice", "emails": emails.join(",")}).to_string()
    };
    for (body, status) in [
        ("emails=a@example.com", 412),
        ("user_indicator=&emails=a@example.com", 412),
        ("user_indicator=nobody&emails=a@example.com", 412),
        ("user_indicator=no+hash&emails=a@example.com", 412),
        (r#"{"emails":"a@example.com"}"#, 412),
        ("user_indicator=alice", 422),
        ("user_indicator=alice&emails=", 422),
        (r#"{"user_indicator":"alice","emails":7}"#, 422),
        (&many(1001), 422),
    ] {
        let answer = indicate(&house, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        let field = if status == 412 { "user_indicator" } else { "emails" };
        assert!(error.starts_with(field), "{body}: {error}");
    }
    assert_eq!(verify(&house, "{}").await.status, 422);
    assert_eq!(verify(&house, &many(1001)).await.status, 422);
    let all = indicate(&house, &many(1000)).await;
    assert_eq!(
        all.json()["saved_emails"].as_array().unwrap().len(),
        1000,
        "far over 2,048 characters"
    );
    for path in ["/emailindication", "/emailverification"] {
        let body = "user_indicator=alice&emails=a@example.com";
        assert_eq!(house.call_as("-", Method::POST, path, body).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn of_racing_claims_of_one_address_one_saves_it() {
    let house = with_users().await;
    let claims = (0..20).map(|n| {
        let (user, first) = (["alice", "bob"][n % 2], n % 3);
        let emails: Vec<String> = (first..first + 5).map(|n| format!("u{n}@example.com")).collect();
        let body = json!({"user_indicator": user, "emails": emails}).to_string();
        let house = &house;
        async move { indicate(house, &body).await.json() }
    });
    let answers = join_all(claims).await;
    let saved = answers.iter().flat_map(|answer| answer["saved_emails"].as_array().unwrap());
    let mut saved: Vec<&str> = saved.map(|email| email.as_str().unwrap()).collect();
    saved.sort_unstable();
    let each: Vec<String> = (0..7).map(|n| format!("u{n}@example.com")).collect();
    assert_eq!(saved, each);
}
