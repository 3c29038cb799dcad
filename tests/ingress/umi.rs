//! The UMI dialect over HTTP (contract 3): who calls, what is asked for, what is answered.
use futures_util::future::join_all;
use referral::{
    credentials,
    domain::{Code, Email, Micros},
    store::partners::{self, NewPartner},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, House, client};

/// Of `acme`, the domain `shop`'s partner.
pub const CODE: &str = "0123456789abcdef0123456789abcdef01234567";
/// Of `rival`, another of the same domain.
const RIVAL: &str = "fedcba98765432100123456789abcdef01234567";
/// Ids of the shipped catalogue's first tariffs.
pub const START: i64 = 1;
pub const BUSINESS: i64 = 2;
const DAY_US: i64 = 86_400_000_000;

/// A partner with this login and code.
pub async fn partner(house: &House, domain: &str, login: &str, code: &str) {
    let partner = NewPartner {
        domain_id: house.domain_id(domain).await,
        login,
        email: &Email::parse(&format!("{login}@example.com")).unwrap(),
        code_hash: &credentials::key_hash(code),
        referral_code: &credentials::new_code().unwrap(),
        now: Micros(1),
    };
    partners::create(&house.store, &partner).await.unwrap();
}

pub async fn house() -> House {
    let house = House::new(&[]).await;
    partner(&house, "shop", "acme", CODE).await;
    partner(&house, "shop", "rival", RIVAL).await;
    house
}

/// The answer to a call of `acme`.
pub async fn call(house: &House, form: &str) -> Value {
    let form = format!("partner=acme&code={CODE}&{form}");
    let answer = house.call_as("-", Method::POST, "/partnerapi.php", &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Its errors.
pub async fn errors(house: &House, form: &str) -> Vec<String> {
    let answer = call(house, form).await;
    assert_eq!(answer["result"], json!(false), "{form}: {answer}");
    serde_json::from_value(answer["errors"].clone()).unwrap_or_else(|_| panic!("{form}: {answer}"))
}

pub async fn rows(house: &House, what: &str) -> i64 {
    let count = format!("SELECT COUNT(*) AS n FROM {what}");
    house.store.one(&count, Vec::new()).await.unwrap().unwrap().int("n").unwrap()
}

#[tokio::test]
async fn a_registration_answers_host_login_and_a_generated_password_once() {
    let house = house().await;
    let first = call(&house, "host=Shop.Example.com&email=Anna%40Example.com").await;
    let password = first["result"]["password"].as_str().unwrap().to_owned();
    let expected = json!({"result": {
        "host": "shop.example.com", "login": "Anna@Example.com", "password": password,
    }});
    assert_eq!((first, password.len()), (expected, 20));
    let again = call(&house, "host=SHOP.example.com&email=anna%40example.com&password=x").await;
    let same = json!({"result": {"host": "shop.example.com", "login": "Anna@Example.com"}});
    assert_eq!(again, same, "the same success, without the password");
    assert_eq!([rows(&house, "site").await, rows(&house, "letter").await], [1, 1]);
    let given = call(&house, "host=two.example&email=anna%40example.com&password=my+own").await;
    assert_eq!(given["result"], json!({"host": "two.example", "login": "anna@example.com"}));
    for (host, password) in [("shop.example.com", password.as_str()), ("two.example", "my own")] {
        let hash = "SELECT password_hash FROM site WHERE host = {?}";
        let row = house.store.one(hash, vec![host.into()]).await.unwrap().unwrap();
        let hash = row.text("password_hash").unwrap();
        assert!(credentials::verify_password(password, Some(&hash)), "{host}");
    }
}

#[tokio::test]
async fn a_taken_host_is_refused_whoever_has_it() {
    let house = house().await;
    call(&house, "host=shop.example&email=anna%40example.com").await;
    let taken = ["host: is taken"];
    assert_eq!(errors(&house, "host=shop.example&email=bert%40example.com").await, taken);
    let other = format!("partner=rival&code={RIVAL}&host=shop.example&email=anna%40example.com");
    let answer = house.call_as("-", Method::POST, "/partnerapi.php", &other).await;
    assert_eq!(answer.json(), json!({"result": false, "errors": taken}));
    // With whatever else is wrong.
    let found = errors(&house, "host=shop.example&email=bert%40example.com&product=999999").await;
    assert_eq!(found, ["product: there is no such product", "host: is taken"]);
    assert_eq!([rows(&house, "site").await, rows(&house, "site_event").await], [1, 0]);
}

#[tokio::test]
async fn events_tell_of_the_site_by_its_host_its_partners_domain_and_code() {
    let house = house().await;
    call(&house, "host=shop.example&email=anna%40example.com&product=11").await;
    let (_, events) = house.taken("referral.credits", 2).await;
    let of = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap();
    let (signup, payment) = (of("referral.signup.v1"), of("referral.payment.v1"));
    let code = "SELECT c.code AS code FROM code c JOIN partner p ON p.referral_code = c.code \
        WHERE p.login = 'acme' AND c.email_key = 'acme@example.com'";
    let code = house.store.one(code, Vec::new()).await.unwrap().unwrap().text("code").unwrap();
    assert!(Code::parse(&code).is_ok());
    let expected = json!({"user_hash": "shop.example", "email": "anna@example.com", "code": code});
    assert_eq!((&signup["data"], &signup["domain"]), (&expected, &json!("shop")));
    let price = "SELECT id, price_minor FROM purchase";
    let row = house.store.one(price, Vec::new()).await.unwrap().unwrap();
    let amount = referral::domain::Money::from_minor(row.int("price_minor").unwrap());
    let expected = json!({
        "user_hash": "shop.example", "amount": amount.to_string(), "currency": "RUB",
    });
    assert_eq!((&payment["data"], &payment["domain"]), (&expected, &json!("shop")));
    assert_eq!(payment["id"], json!(row.text("id").unwrap()), "the purchase is the event");
    super::until("both left the database", async || rows(&house, "site_event").await == 0).await;
}

#[tokio::test]
async fn register_and_pay_is_both_or_neither_and_charges_once() {
    let house = house().await;
    let both = "host=shop.example&email=anna%40example.com&product=21";
    let first = call(&house, both).await;
    assert_eq!(first["result"]["host"], "shop.example");
    let again = call(&house, both).await;
    assert_eq!(again["result"], json!({"host": "shop.example", "login": "anna@example.com"}));
    let other = errors(&house, "host=shop.example&email=anna%40example.com&product=11").await;
    assert!(
        other[0].starts_with("product: the site was registered with the product 21"),
        "{other:?}"
    );
    assert_eq!([rows(&house, "site").await, rows(&house, "purchase").await], [1, 1]);
    let standing = "SELECT tariff_id, paid_until_us FROM site";
    let row = house.store.one(standing, Vec::new()).await.unwrap().unwrap();
    assert_eq!(row.int("tariff_id").unwrap(), BUSINESS);
    assert!(row.int("paid_until_us").unwrap() > house.clock.now().0 + 27 * DAY_US);
    // Neither: a request_id of another payment refuses the payment, and with it the site.
    call(&house, "host=shop.example&product=21&request_id=r1").await;
    let neither = "host=two.example&email=anna%40example.com&product=11&request_id=r1";
    let found = errors(&house, neither).await;
    assert_eq!(found, ["request_id: is another payment's, of another site or product"]);
    assert_eq!(rows(&house, "site").await, 1);
    assert_eq!(rows(&house, "letter").await, 1);
}

#[tokio::test]
async fn a_site_that_was_registered_before_can_be_registered_and_paid() {
    let house = house().await;
    call(&house, "host=shop.example&email=anna%40example.com").await;
    let both = "host=shop.example&email=anna%40example.com&product=11";
    for _ in 0..2 {
        call(&house, both).await;
    }
    assert_eq!([rows(&house, "site").await, rows(&house, "purchase").await], [1, 1]);
}

#[tokio::test]
async fn a_free_site_needs_a_product_and_pays_nothing() {
    let house = house().await;
    let free = "email=anna%40example.com&no_pay=1";
    let found = errors(&house, &format!("host=a.example&{free}")).await;
    assert_eq!(found, ["product: is required with no_pay"]);
    call(&house, &format!("host=a.example&{free}&product=21")).await;
    call(&house, &format!("host=b.example&{free}&product=21&app=2")).await;
    assert_eq!([rows(&house, "site").await, rows(&house, "purchase").await], [2, 0]);
    for (host, tariff) in [("a.example", START), ("b.example", BUSINESS)] {
        let row = "SELECT tariff_id, paid_until_us FROM site WHERE host = {?}";
        let row = house.store.one(row, vec![host.into()]).await.unwrap().unwrap();
        assert_eq!(row.int("tariff_id").unwrap(), tariff, "{host}");
        assert_eq!(row.int_or_null("paid_until_us").unwrap(), None);
    }
    assert_eq!(errors(&house, "host=a.example&product=11&no_pay=1").await.len(), 1);
}

#[tokio::test]
async fn a_request_id_charges_once_also_when_it_comes_many_times_at_once() {
    let house = house().await;
    call(&house, "host=shop.example&email=anna%40example.com").await;
    let pay = "host=shop.example&product=11&request_id=invoice-7";
    let answers = join_all((0..20).map(|_| call(&house, pay))).await;
    assert!(answers.iter().all(|answer| *answer == json!({"result": true})), "{answers:?}");
    assert_eq!(rows(&house, "purchase").await, 1);
    let other = "host=shop.example&product=12&request_id=invoice-7";
    assert!(errors(&house, other).await[0].starts_with("request_id: is another payment's"));
    for _ in 0..2 {
        assert_eq!(call(&house, "host=shop.example&product=11").await, json!({"result": true}));
    }
    assert_eq!(rows(&house, "purchase").await, 3, "without one each call is a payment");
    let rival = format!(
        "partner=rival&code={RIVAL}&host=r.example&email=r%40example.com&product=11&request_id=invoice-7"
    );
    let answer = house.call_as("-", Method::POST, "/partnerapi.php", &rival).await.json();
    assert!(answer["result"].is_object(), "a request_id is its partner's: {answer}");
}

#[tokio::test]
async fn registrations_of_one_host_at_once_make_one_site_and_show_one_password() {
    let house = house().await;
    let form = "host=shop.example&email=anna%40example.com&product=11";
    let answers = join_all((0..10).map(|_| call(&house, form))).await;
    let passwords: Vec<_> =
        answers.iter().filter_map(|answer| answer["result"]["password"].as_str()).collect();
    assert!(answers.iter().all(|answer| answer["result"]["host"] == "shop.example"));
    assert_eq!(passwords.len(), 1, "{answers:?}");
    for table in ["site", "purchase", "letter"] {
        assert_eq!(rows(&house, table).await, 1, "{table}");
    }
}

#[tokio::test]
async fn sendmail_says_whether_a_letter_goes_out() {
    let house = house().await;
    for (host, more, letters) in
        [("a.example", "", 1), ("b.example", "&sendmail=1", 2), ("c.example", "&sendmail=0", 2)]
    {
        call(&house, &format!("host={host}&email=anna%40example.com{more}")).await;
        assert_eq!(rows(&house, "letter").await, letters, "{host}");
    }
    assert_eq!(
        rows(&house, "letter WHERE email = 'anna@example.com' AND kind = 'access'").await,
        2
    );
    let found = errors(&house, "host=d.example&email=a%40example.com&sendmail=yes").await;
    assert_eq!(found, ["sendmail: must be 1 or 0"]);
}

#[tokio::test]
async fn a_partner_sees_and_changes_only_the_sites_it_registered() {
    let house = house().await;
    call(&house, "host=shop.example&email=anna%40example.com").await;
    let unknown = json!({"result": false, "errors": ["host: you have no such site"]});
    for what in [
        "product=11",
        "action=block",
        "action=unblock",
        "action=upgrade_price",
        "action=forever_price",
        "action=upgrade&product=11",
    ] {
        for (partner, code, host) in
            [("rival", RIVAL, "shop.example"), ("acme", CODE, "none.example")]
        {
            let form = format!("partner={partner}&code={code}&host={host}&{what}");
            let answer = house.call_as("-", Method::POST, "/partnerapi.php", &form).await;
            assert_eq!(answer.json(), unknown, "{form}");
        }
    }
    for (host, free) in [("shop.example", false), ("none.example", true)] {
        let form = format!("partner=rival&code={RIVAL}&host={host}&action=check_free");
        let answer = house.call_as("-", Method::POST, "/partnerapi.php", &form).await;
        assert_eq!(answer.json(), json!({"result": free}), "{host}");
    }
    assert_eq!(rows(&house, "site WHERE blocked_us IS NULL AND paid_until_us IS NULL").await, 1);
}

#[tokio::test]
async fn blocking_is_done_also_when_it_is_so_already() {
    let house = house().await;
    call(&house, "host=shop.example&email=anna%40example.com").await;
    let blocked = async || rows(&house, "site WHERE blocked_us IS NOT NULL").await;
    for (action, expected) in [("block", 1), ("block", 1), ("unblock", 0), ("unblock", 0)] {
        let answer = call(&house, &format!("host=shop.example&action={action}")).await;
        assert_eq!((answer, blocked().await), (json!({"result": true}), expected), "{action}");
    }
}

#[tokio::test]
async fn a_wrong_partner_and_a_wrong_code_are_the_same_and_are_limited() {
    let house = house().await;
    let ask = async |partner: &str, code: &str| {
        let form = format!("partner={partner}&code={code}&host=a.example&action=check_free");
        house.call_as("-", Method::POST, "/partnerapi.php", &form).await
    };
    let wrong = json!({"result": false, "errors": ["partner, code: one of the two is wrong"]});
    for (partner, code) in [("acme", RIVAL), ("nobody", CODE), ("ACME", CODE)] {
        assert_eq!(ask(partner, code).await.json(), wrong, "{partner}");
    }
    let missing = ask("", "").await.json();
    assert_eq!(missing["errors"], json!(["partner: is required", "code: is required"]));
    for _ in 3..10 {
        ask("nobody", CODE).await;
    }
    let refused = ask("acme", CODE).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "61"));
    assert_eq!(refused.json()["result"], json!(false));
    house.clock.set(house.clock.now().plus_ms(60_001));
    assert_eq!(ask("acme", CODE).await.json(), json!({"result": true}));
}

#[tokio::test]
async fn every_error_is_told_in_one_answer_of_200() {
    let house = house().await;
    let form = "host=-&email=nobody&sendmail=2&app=77&product=x";
    let found = errors(&house, form).await;
    let begins = ["host: ", "email: ", "sendmail: ", "app: ", "product: "];
    assert_eq!(found.len(), begins.len(), "{found:?}");
    assert!(found.iter().zip(begins).all(|(error, begin)| error.starts_with(begin)), "{found:?}");
    let both = house.call_as("-", Method::POST, "/partnerapi.php", "partner=acme&code=x&host=-");
    let both = both.await.json();
    let of = |n: usize| both["errors"][n].as_str().unwrap().to_owned();
    assert!(of(0).starts_with("partner, code: ") && of(1).starts_with("host: "), "{both}");
}

#[tokio::test]
async fn what_is_no_form_is_told_in_an_answer_and_other_methods_are_405() {
    let house = House::new(&[("BODY_MAX", "1024")]).await;
    let send = async |method: Method, path: &str, kind: &str, body: String| {
        let request = client().request(method, format!("{}{path}", house.base));
        Answer::of(request.header("content-type", kind).body(body).send().await.unwrap()).await
    };
    let form = "application/x-www-form-urlencoded";
    let errors = |answer: &Answer| answer.json()["errors"].as_array().unwrap().len();
    for path in ["/partnerapi.php", "/goods.php"] {
        let json = send(Method::POST, path, "application/json", "{}".to_owned()).await;
        assert_eq!((json.status, errors(&json)), (200, 1), "{}", json.text);
        let large = send(Method::POST, path, form, "x".repeat(2000)).await;
        assert_eq!((large.status, errors(&large)), (413, 1), "{}", large.text);
        let put = send(Method::PUT, path, form, String::new()).await;
        assert_eq!((put.status, errors(&put)), (405, 1), "{}", put.text);
        assert!(put.header("allow").contains("POST"), "{:?}", put.headers);
    }
    assert_eq!(send(Method::GET, "/partnerapi.php", form, String::new()).await.status, 405);
    let not_utf8 = format!("partner=acme&code={CODE}&host=a.example&email=%FF%40example.com");
    let answer = house.call_as("-", Method::POST, "/partnerapi.php", &not_utf8).await.json();
    assert!(answer["errors"].to_string().contains("email: must be UTF-8"), "{answer}");
}
