//! Programmes (contract 5): exact answers, with and without the last slash, JSON and forms.
use reqwest::Method;

use super::House;

const DEFAULT: &str = r#"{"id":1,"name":"Default","credit_value":10.0,"target_value":25.0,"link":"http://h/program/1","reward_percent":0.0,"currency":"RUB"}"#;

#[tokio::test]
async fn programmes_are_made_shown_changed_and_removed() {
    let house = House::new(&[]).await;
    assert_eq!(house.get("/program/").await.text, "[]");
    let form = "name=Default&credit_value=10&target_value=25.00";
    let made = house.call(Method::POST, "/program/", form).await;
    assert_eq!((made.status, made.text.as_str()), (201, DEFAULT));
    let json = r#"{"name":"Б","credit_value":19.99,"target_value":"1e2","reward_percent":2.5}"#;
    let made = house.call(Method::POST, "/program", json).await;
    let second = r#"{"id":2,"name":"Б","credit_value":19.99,"target_value":100.0,"link":"http://h/program/2","reward_percent":2.5,"currency":"RUB"}"#;
    assert_eq!((made.status, made.text.as_str()), (201, second));
    for path in ["/program", "/program/"] {
        assert_eq!(house.get(path).await.text, format!("[{DEFAULT},{second}]"));
    }
    for path in ["/program/1", "/program/1/"] {
        assert_eq!(house.get(path).await.text, DEFAULT);
    }
    let changed = house.call(Method::PUT, "/program/2/", r#"{"credit_value":0}"#).await;
    assert_eq!(changed.text, second.replace("19.99", "0.0"), "a given 0 counts");
    assert_eq!(house.get("/program/2").await.text, changed.text);

    house.user("bob", "bbbbbbbbbbbbbbbbbbbb", None).await;
    house.sql("UPDATE account SET program_id = 1", Vec::new()).await;
    assert_eq!(house.call(Method::DELETE, "/program/1/", "").await.status, 409, "it has a user");
    assert_eq!(house.call(Method::DELETE, "/program/2", "").await.status, 204);
    assert_eq!(house.get("/program").await.text, format!("[{DEFAULT}]"));
    for path in ["/program/2", "/program/2/", "/program/x", "/program/99999999999999999999"] {
        let answer = house.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, r#"{"error":"ID not found"}"#));
    }
}

#[tokio::test]
async fn bad_values_are_named() {
    let house = House::new(&[]).await;
    for (body, field) in [
        ("credit_value=1&target_value=1", "name"),
        ("name=&credit_value=1&target_value=1", "name"),
        ("name=x&target_value=1", "credit_value"),
        ("name=x&credit_value=1", "target_value"),
        ("name=x&credit_value=-1&target_value=1", "credit_value"),
        ("name=x&credit_value=1.001&target_value=1", "credit_value"),
        ("name=x&credit_value=1&target_value=NaN", "target_value"),
        (r#"{"name":"x","credit_value":1,"target_value":1e309}"#, "target_value"),
        (r#"{"name":"x","credit_value":true,"target_value":1}"#, "credit_value"),
        (r#"{"name":7,"credit_value":1,"target_value":1}"#, "name"),
        ("name=x&credit_value=1&target_value=1&reward_percent=101", "reward_percent"),
    ] {
        let answer = house.call(Method::POST, "/program/", body).await;
        assert_eq!(answer.status, 422, "{body}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(field), "{body}: {error}");
    }
    assert_eq!(house.get("/program/").await.text, "[]");
}

#[tokio::test]
async fn the_list_has_all_programmes_of_the_domain_and_a_change_refuses_bad_values_by_name() {
    let house = House::new(&[]).await;
    for (key, name) in [(&house.key, "A"), (&house.stranger, "B"), (&house.key, "C")] {
        let form = format!("name={name}&credit_value=1&target_value=2");
        assert_eq!(house.call_as(key, Method::POST, "/program/", &form).await.status, 201);
    }
    let names = async |key: &str| {
        let list = house.call_as(key, Method::GET, "/program/", "").await.json();
        let names = list.as_array().unwrap().iter().map(|one| one["name"].to_string());
        names.collect::<Vec<String>>()
    };
    assert_eq!(names(&house.key).await, [r#""A""#, r#""C""#]);
    assert_eq!(names(&house.stranger).await, [r#""B""#]);
    let before = house.get("/program/1/").await.text;
    for (body, field) in [
        ("credit_value=-1", "credit_value"),
        ("target_value=0.001&name=X", "target_value"),
        (r#"{"name":7}"#, "name"),
    ] {
        let answer = house.call(Method::PUT, "/program/1/", body).await;
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == 422 && error.starts_with(field), "{body}: {error}");
    }
    assert_eq!(house.get("/program/1/").await.text, before, "nothing of it was changed");
    let changed = house.call(Method::PUT, "/program/1", "name=D&target_value=0").await.text;
    let expected = before.replace(r#""A""#, r#""D""#).replace("2.0", "0.0");
    assert_eq!(changed, expected, "what is given, and nothing else");
}
