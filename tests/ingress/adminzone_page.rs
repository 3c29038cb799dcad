//! The client's page of a site (contract 3): what it shows, what may not be sent to it from elsewhere,
//! and that everything below `/adminzone` is answered with a page.
use referral::domain::{Code, Micros, UserHash};
use reqwest::Method;

use super::{
    Answer, House,
    conform::{self, Operation},
    document,
    zone::{
        BOB, HOME, PASSWORD, SHOP, ask, cookie, count, form, get, get_as, is_in, post, sign_in,
        site, url,
    },
};

const EVIL: &str = r#""></textarea></style><script>alert('x')</script>"#;

/// The words of a page, without its marks and its style.
fn words(page: &str) -> String {
    let body = page.split("</style>").nth(1).unwrap();
    let pieces = body.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let words: Vec<&str> = pieces.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

async fn shown(house: &House) -> Answer {
    let session = sign_in(house, SHOP, BOB, PASSWORD).await;
    get_as(house, HOME, &session).await
}

#[tokio::test]
async fn the_page_shows_the_site_and_until_when_it_is_paid_in_the_domains_zone() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let us = |time: &str| Micros::parse(time).unwrap().0;
    for (until, forever, expected) in [
        (None, 0, "Payment Not paid yet Signed"),
        (
            Some(us("2024-12-31T21:30:00Z")),
            0,
            "Payment Paid until 1 January 2025, 00:30 Europe/Moscow",
        ),
        (
            Some(us("2024-07-29T09:00:00Z")),
            0,
            "Payment Expired on 29 July 2024, 12:00 Europe/Moscow",
        ),
        (Some(1), 1, "Payment Paid for ever Signed"),
    ] {
        let set = "UPDATE site SET paid_until_us = {?}, paid_forever = {?}";
        house.sql(set, vec![until.into(), forever.into()]).await;
        let page = shown(&house).await;
        let words = words(&page.text);
        assert!(words.contains(expected), "{words}");
        assert!(words.contains("Your site Sign out shop.example.com Tariff 7"), "{words}");
        assert!(words.contains("Signed in as Bob@example.com"), "{words}");
        assert!(!words.contains("blocked"), "{words}");
    }
    let blocked = us("2024-07-28T21:05:00Z");
    house.sql("UPDATE site SET blocked_us = {?}", vec![blocked.into()]).await;
    let words = words(&shown(&house).await.text);
    assert!(words.contains("This site is blocked since 29 July 2024, 00:05"), "{words}");
}

#[tokio::test]
async fn the_page_shows_the_own_link_with_its_clicks_signups_and_credits() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    site(&house, "other.example.com", "anna@example.com").await;
    let (shop, other) = (house.domain_id("shop").await, house.domain_id("other").await);
    let own = Code::of_user(shop, &UserHash::parse(SHOP).unwrap());
    let page = shown(&house).await;
    let link = format!("http://h/register?ref_code={own}</textarea>");
    assert!(page.text.contains(&link), "{}", page.text);
    let nothing = "Clicks 0 Signups 0 Credits granted 0.00 RUB Still possible 0.00 RUB";
    assert!(words(&page.text).contains(nothing), "{}", words(&page.text));

    for (n, (domain, day, code, clicks)) in [
        (shop, "2024-07-28", own.as_str(), 1_200),
        (shop, "2024-07-29", own.as_str(), 34),
        (shop, "2024-07-29", "xxxxxxxxxxxxxxxxxxxx", 1_000_000),
        (other, "2024-07-29", own.as_str(), 1_000_000),
    ]
    .into_iter()
    .enumerate()
    {
        const RECORD: &str = "INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, \
            mtime_us) VALUES ({?}, {?}, {?}, {?}, {?}, 0, 0)";
        let id = format!("record-{n}");
        let params = vec![domain.into(), day.into(), code.into(), id.into(), clicks.into()];
        house.sql(RECORD, params).await;
    }
    for user in ["u1", "u2", "u3", "u4"] {
        house.user(user, &format!("{user:x<20}"), None).await;
        let referrer = if user == "u4" { "other.example.com" } else { SHOP };
        let set = "UPDATE account SET referrer_hash = {?} WHERE user_hash = {?}";
        house.sql(set, vec![referrer.into(), user.into()]).await;
    }
    for (n, (host, kind, minor, currency)) in [
        (SHOP, "signup_credit", 1_000, "RUB"),
        (SHOP, "potential_credit", 250_000, "RUB"),
        (SHOP, "potential_credit", 250_000, "RUB"),
        (SHOP, "acquired_credit", 250_000, "RUB"),
        (SHOP, "potential_credit", 700, "EUR"),
        ("other.example.com", "acquired_credit", 999_900, "RUB"),
    ]
    .into_iter()
    .enumerate()
    {
        const ENTRY: &str = "INSERT INTO entry (id, domain_id, user_hash, kind, amount_minor, \
            currency, program_id, referred_user_hash, signup_source, signup_event_id, time_us) \
            VALUES ({?}, {?}, {?}, {?}, {?}, {?}, 1, {?}, '/t', 'e', 0)";
        let (id, referred) = (format!("entry-{n}"), format!("referred-{n}"));
        let amount = [kind.into(), i64::from(minor).into(), currency.into()];
        let params = [id.into(), shop.into(), host.into()].into_iter().chain(amount);
        house.sql(ENTRY, params.chain([referred.into()]).collect()).await;
    }
    let words = words(&shown(&house).await.text).replace('\u{202f}', " ");
    let all =
        "Clicks 1 234 Signups 3 Credits granted 2 510.00 RUB Still possible 7.00 EUR 2 500.00 RUB";
    assert!(words.contains(all), "{words}");
}

#[tokio::test]
async fn nothing_that_is_typed_or_stored_breaks_out_of_its_place() {
    let house = House::new(&[("RATE_LIMIT", "off")]).await;
    site(&house, SHOP, BOB).await;
    let session = sign_in(&house, "", BOB, PASSWORD).await;
    house.sql("UPDATE site SET email = {?}", vec![EVIL.into()]).await;
    let token = super::adminzone_password::link(&house, SHOP, 1).await;
    let query = form(&[("host", EVIL), ("problem", EVIL)]);
    for (times, answer) in [
        (1, get(&house, &format!("{HOME}?{query}")).await),
        (2, post(&house, HOME, &[("login", EVIL), ("password", EVIL), ("host", EVIL)]).await),
        (2, post(&house, "/adminzone/forgot", &[("host", EVIL), ("email", EVIL)]).await),
        (1, get(&house, &format!("/adminzone/password?token={token}")).await),
        (0, get(&house, &format!("/adminzone/password?{}", form(&[("token", EVIL)]))).await),
        (1, get_as(&house, HOME, &session).await),
    ] {
        assert!(!answer.text.contains("<script"), "{}", answer.text);
        assert_eq!(answer.text.matches("&#60;script&#62;").count(), times, "{}", answer.text);
    }
    let spelled = [("login", BOB), ("password", PASSWORD), ("host", EVIL)];
    let answer = get(&house, &url(&spelled)).await;
    assert_eq!(answer.header("location"), "/adminzone/?problem=login");
}

fn posts() -> Vec<Operation> {
    let all = conform::operations().into_iter();
    let ours = all.filter(|o| o.method == "POST" && o.path.starts_with("/adminzone"));
    ours.collect()
}

/// Every call that changes something is refused when a page of another host sends it, and then has
/// changed nothing. (The login by URL is a GET that signs in: the contract wants it so.)
#[tokio::test]
async fn no_page_of_another_host_can_send_a_form() {
    let house =
        House::new(&[("PUBLIC_URL", "https://public.example"), ("RATE_LIMIT", "off")]).await;
    site(&house, SHOP, BOB).await;
    let session = sign_in(&house, "", BOB, PASSWORD).await;
    let token = super::adminzone_password::link(&house, SHOP, 1).await;
    let hashed = house.metrics.passwords_hashed.get();
    let body = form(&[
        ("login", BOB),
        ("password", PASSWORD),
        ("again", PASSWORD),
        ("token", &token),
        ("host", SHOP),
        ("email", BOB),
    ]);
    let own = house.base.clone();
    let (site_is, origin_is) = ("sec-fetch-site", "origin");
    assert_eq!(posts().len(), 4);
    for operation in posts() {
        for sent in [
            &[(site_is, "cross-site")][..],
            &[(site_is, "same-site")],
            &[(site_is, "cross-site"), (origin_is, own.as_str())],
            &[(origin_is, "https://evil.example")],
            &[(origin_is, "http://public.example")],
            &[(origin_is, "null")],
        ] {
            let headers: Vec<_> = sent.iter().copied().chain([("cookie", &*session)]).collect();
            let path = operation.path.as_str();
            let answer = ask(&house, Method::POST, path, &headers, Some(&body)).await;
            assert_eq!(answer.status, 403, "{path} {sent:?}");
            assert_eq!(answer.header("set-cookie"), "", "{path} {sent:?}");
        }
    }
    assert!(is_in(&house, &session).await);
    assert_eq!((count(&house, "letter").await, house.metrics.passwords_hashed.get()), (0, hashed));
    assert_eq!(count(&house, "site_session").await, 1);
    for sent in [
        &[][..],
        &[(site_is, "same-origin")],
        &[(site_is, "same-origin"), (origin_is, "https://evil.example")],
        &[(site_is, "none")],
        &[(origin_is, own.as_str())],
        &[(origin_is, "https://public.example")],
    ] {
        let answer = ask(&house, Method::POST, HOME, sent, Some(&body)).await;
        assert_eq!(answer.status, 303, "{sent:?}");
        let headers: Vec<_> = sent
            .iter()
            .map(|(n, v)| (*n, (*v).to_owned()))
            .chain([("cookie", cookie(&answer))])
            .collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let out = ask(&house, Method::POST, "/adminzone/logout", &headers, None).await;
        assert_eq!(out.status, 303, "{sent:?}");
    }
}

#[tokio::test]
async fn every_refusal_below_adminzone_is_a_page() {
    let house = House::new(&[("BODY_MAX", "1024")]).await;
    let long = format!("login={}", "x".repeat(2000));
    for (method, path, body, status, told) in [
        (Method::GET, "/adminzone/nothing", None, 404, "no page at this address"),
        (Method::GET, "/adminzone/logout", None, 405, "nothing to be done"),
        (Method::PUT, "/adminzone", Some("x=1"), 405, "nothing to be done"),
        (Method::POST, HOME, Some(long.as_str()), 413, "could not read"),
        (Method::POST, HOME, None, 415, "could not read"),
    ] {
        let answer = ask(&house, method.clone(), path, &[], body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.text.contains(told), "{method} {path}: {}", answer.text);
        assert!(answer.text.contains("<html lang=\"en\">"), "{}", answer.text);
    }
    let other = house.call_as("-", Method::GET, "/adminzones", "").await;
    assert_eq!(other.header("content-type"), "application/json", "not below it");
}

/// The answers of these pages that only a site provokes, for `document`.
pub async fn provoke(house: &House) -> document::Seen {
    site(house, SHOP, BOB).await;
    let token = super::adminzone_password::link(house, SHOP, 1).await;
    let navigates = [("sec-fetch-mode", "navigate"), ("cookie", "adminzone_sent=1")];
    let mut seen = document::Seen::new();
    let mut note = |method: &str, path: &str, answer: &Answer| {
        let operation = conform::operation(method, path).unwrap();
        seen.insert((operation.method, operation.path, answer.status));
    };
    note("GET", HOME, &ask(house, Method::GET, HOME, &navigates, None).await);
    let login = form(&[("login", BOB), ("password", PASSWORD)]);
    note("POST", HOME, &ask(house, Method::POST, HOME, &[], Some(&login)).await);
    note(
        "POST",
        "/adminzone/logout",
        &ask(house, Method::POST, "/adminzone/logout", &[], None).await,
    );
    let link = format!("/adminzone/password?token={token}");
    note("GET", &link, &get(house, &link).await);
    for again in ["another", "another one"] {
        let fields = [("token", token.as_str()), ("password", "another one"), ("again", again)];
        note("POST", "/adminzone/password", &post(house, "/adminzone/password", &fields).await);
    }
    for operation in posts() {
        let elsewhere = [("sec-fetch-site", "cross-site")];
        let answer = ask(house, Method::POST, &operation.path, &elsewhere, None).await;
        note("POST", &operation.path, &answer);
    }
    seen
}
