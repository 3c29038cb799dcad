//! What a refusal looks like: RFC 9457 below `/v1` (contract 2), `{"error": …}` in getup's dialect
//! (contract 5), whatever went wrong.
use reqwest::Method;
use serde_json::json;

use super::{Answer, House, client};

/// One refused call.
struct Case {
    method: Method,
    path: &'static str,
    body: String,
    status: u16,
}

fn case(method: Method, path: &'static str, body: &str, status: u16) -> Case {
    Case { method, path, body: body.to_owned(), status }
}

async fn refused(house: &House, case: &Case) -> Answer {
    let answer = house.call(case.method.clone(), case.path, &case.body).await;
    assert_eq!(answer.status, case.status, "{} {}: {}", case.method, case.path, answer.text);
    answer
}

const CODE: &str = "/v1/referral/b4b9e071006f409d8e6d";

#[tokio::test]
async fn every_refusal_below_v1_is_problem_json() {
    let house = House::new(&[("BODY_MAX", "2000")]).await;
    house.user("own", "oooooooooooooooooooo", None).await;
    let long = format!("email={}", "x".repeat(3000));
    for case in [
        case(Method::PUT, CODE, "{", 400),
        case(Method::PUT, "/v1/referral/%FF", "email=a@b", 400),
        case(Method::GET, "/v1/nothing", "", 404),
        case(Method::GET, "/v1/events/x", "", 404),
        case(Method::DELETE, "/v1/auth/token/x", "", 404),
        case(Method::PATCH, CODE, "", 405),
        case(Method::PUT, "/v1/referral/oooooooooooooooooooo", "email=a@b", 409),
        case(Method::PUT, CODE, &long, 413),
        case(Method::PUT, CODE, "email=nobody", 422),
    ] {
        let answer = refused(&house, &case).await;
        let what = format!("{} {}: {}", case.method, case.path, answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
        let problem = answer.json();
        assert_eq!(
            (&problem["type"], &problem["status"]),
            (&json!("about:blank"), &json!(case.status)),
            "{what}"
        );
        for member in ["title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{what}");
        }
    }
    for key in ["-", "0123456789012345678901234567890123456789"] {
        let answer = house.call_as(key, Method::GET, "/v1/referral", "").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (401, "application/problem+json")
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let request = client().put(format!("{}{CODE}", house.base)).bearer_auth(&house.key);
    let xml = request.header("content-type", "text/xml").body("<a/>").send().await.unwrap();
    let xml = Answer::of(xml).await;
    assert_eq!((xml.status, xml.header("content-type")), (415, "application/problem+json"));
}

#[tokio::test]
async fn every_refusal_of_getup_is_an_error_text() {
    let house = House::new(&[("BODY_MAX", "2000")]).await;
    house.user("alice", "aaaaaaaaaaaaaaaaaaaa", None).await;
    let long = format!("name={}", "x".repeat(3000));
    for case in [
        case(Method::POST, "/program/", "{", 400),
        case(Method::GET, "/statement/%FF/", "", 400),
        case(Method::GET, "/nothing/", "", 404),
        case(Method::GET, "/program/7/", "", 404),
        case(Method::GET, "/statement/nobody/", "", 404),
        case(Method::PATCH, "/program/", "", 405),
        case(Method::POST, "/register/", "user_indicator=alice&user_indicated=alice", 409),
        case(Method::POST, "/register/", "user_indicator=alice", 412),
        case(Method::POST, "/emailindication", "emails=a@example.com", 412),
        case(Method::POST, "/program/", &long, 413),
        case(Method::POST, "/program/", "name=x", 422),
    ] {
        let answer = refused(&house, &case).await;
        let error = answer.json();
        let members: Vec<&String> = error.as_object().unwrap().keys().collect();
        assert_eq!(members, ["error"], "{} {}", case.method, case.path);
        assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json");
    }
    for path in ["/program/", "/register/", "/statement/alice/", "/emailindication"] {
        let answer = house.call_as("wrong", Method::POST, path, "").await;
        assert!(matches!(answer.status, 401 | 405), "{path}");
        assert!(answer.json()["error"].is_string(), "{path}: {}", answer.text);
    }
}
