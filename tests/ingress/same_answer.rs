//! Contract 2, the referral link: "An unknown or malformed code gets the same answer, and no click."
use super::{Answer, House, client};
use reqwest::Method;

const CODE: &str = "b4b9e071006f409d8e6d";
const QUEUE: &str = "referral.daily-records";

/// What the answer says, with the code that it was asked for made the same.
async fn follow(house: &House, code: &str) -> (u16, Vec<(String, String)>, String) {
    let url = format!("{}/register?ref_code={code}", house.base);
    let answer = Answer::of(client().get(url).send().await.unwrap()).await;
    let plain = |text: &str| text.replace(code, "CODE");
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "content-length"));
    let headers = headers.map(|(name, value)| (name.to_string(), plain(value.to_str().unwrap())));
    (answer.status, headers.collect(), plain(&answer.text))
}

#[tokio::test]
async fn an_unknown_or_malformed_code_gets_the_same_answer_as_a_known_one_and_no_click() {
    for settings in [vec![("REGISTER_URL", "https://example.com/join")], vec![]] {
        let house = House::new(&settings).await;
        let body = r#"{"email":"a@example.com"}"#;
        let put = house.call(Method::PUT, &format!("/v1/referral/{CODE}"), body).await;
        assert_eq!(put.status, 201);
        let known = follow(&house, CODE).await;
        for code in ["zzzzzzzzzzzzzzzzzzzz", "short", "b4b9e071006f409d8e6-"] {
            assert_eq!(follow(&house, code).await, known, "{code}");
        }
        let (_, events) = house.taken(QUEUE, 1).await;
        assert_eq!(events.len(), 1, "the known code's alone");
    }
}
