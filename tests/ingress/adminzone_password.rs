//! A new password for the client's page (contract 3): the link of a letter, and asking for one.
use futures_util::future::join_all;
use referral::credentials;
use reqwest::Method;

use super::{
    Answer, House,
    zone::{
        BOB, HOME, PASSWORD, SHOP, ask, cookie, cookies, count, form, get, is_in, post, sign_in,
        site,
    },
};

const LINK: &str = "/adminzone/password";
const FORGOT: &str = "/adminzone/forgot";
const NEW: &str = "another & password";

/// A link to set the password of this version with, good for an hour; its token.
pub async fn link(house: &House, host: &str, password_version: i64) -> String {
    const INSERT: &str = "INSERT INTO password_link (token_hash, host, password_version, ctime_us, \
        expires_us) VALUES ({?}, {?}, {?}, 0, {?})";
    let token = credentials::new_key().unwrap();
    let expires = house.clock.now().plus_ms(3_600_000).0;
    let hash = credentials::key_hash(&token);
    house
        .sql(INSERT, vec![hash.into(), host.into(), password_version.into(), expires.into()])
        .await;
    token
}

async fn set(house: &House, token: &str, password: &str, again: &str) -> Answer {
    post(house, LINK, &[("token", token), ("password", password), ("again", again)]).await
}

fn is_no_good(answer: &Answer) -> bool {
    answer.status == 404
        && answer.text.contains("used already or has expired")
        && answer.text.contains(r#"action="/adminzone/forgot""#)
}

#[tokio::test]
async fn a_link_sets_the_password_once_signs_in_and_ends_all_other_sessions() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    site(&house, "other.example.com", "anna@example.com").await;
    let sessions =
        [sign_in(&house, "", BOB, PASSWORD).await, sign_in(&house, "", BOB, PASSWORD).await];
    let elsewhere = sign_in(&house, "", "anna@example.com", PASSWORD).await;
    let (token, second) = (link(&house, SHOP, 1).await, link(&house, SHOP, 1).await);
    for _ in 0..2 {
        let page = get(&house, &format!("{LINK}?token={token}")).await;
        assert_eq!(page.status, 200, "looking at it does not use it up");
        assert!(page.text.contains(&format!(r#"name="token" value="{token}""#)), "{}", page.text);
        assert!(page.text.contains(SHOP) && page.text.contains(BOB), "{}", page.text);
    }
    let answer = set(&house, &token, NEW, NEW).await;
    assert_eq!((answer.status, answer.header("location")), (303, HOME), "{}", answer.text);
    assert!(is_in(&house, &cookie(&answer)).await);
    for session in &sessions {
        assert!(!is_in(&house, session).await, "of the password before");
    }
    assert!(is_in(&house, &elsewhere).await);
    let old = post(&house, HOME, &[("login", BOB), ("password", PASSWORD)]).await;
    assert_eq!(old.status, 422);
    assert!(is_in(&house, &sign_in(&house, "", BOB, NEW).await).await);
    for token in [&token, &second, "", "none"] {
        assert!(is_no_good(&get(&house, &format!("{LINK}?token={token}")).await), "{token}");
        let answer = set(&house, token, "yet another one", "yet another one").await;
        assert!(is_no_good(&answer) && cookies(&answer.headers).is_empty(), "{token}");
    }
    assert!(is_in(&house, &sign_in(&house, "", BOB, NEW).await).await, "nothing was set");
}

#[tokio::test]
async fn of_several_who_use_a_link_at_once_one_sets_the_password() {
    let house = House::new(&[("RATE_LIMIT", "off")]).await;
    site(&house, SHOP, BOB).await;
    let token = link(&house, SHOP, 1).await;
    let passwords: Vec<String> = (0..4).map(|n| format!("password {n}")).collect();
    let answers = join_all(passwords.iter().map(|new| set(&house, &token, new, new))).await;
    let mut won = 0;
    for (password, answer) in passwords.iter().zip(&answers) {
        let opens = post(&house, HOME, &[("login", BOB), ("password", password)]).await;
        let expected = if answer.status == 303 { 303 } else { 422 };
        assert!(answer.status == 303 || is_no_good(answer), "{}", answer.text);
        assert_eq!(opens.status, expected, "{password}");
        won += u32::from(answer.status == 303);
    }
    assert_eq!(won, 1);
    let row = house.store.one("SELECT password_version AS v FROM site", Vec::new()).await.unwrap();
    assert_eq!(row.unwrap().int("v").unwrap(), 2);
}

#[tokio::test]
async fn a_link_expires_and_goes_with_a_password_that_was_set_otherwise() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let token = link(&house, SHOP, 1).await;
    let page = format!("{LINK}?token={token}");
    house.clock.set(house.clock.now().plus_ms(3_599_999));
    assert_eq!(get(&house, &page).await.status, 200);
    house.clock.set(house.clock.now().plus_ms(1));
    assert!(is_no_good(&get(&house, &page).await));
    assert!(is_no_good(&set(&house, &token, NEW, NEW).await));
    let token = link(&house, SHOP, 2).await;
    assert!(is_no_good(&get(&house, &format!("{LINK}?token={token}")).await));
    assert!(is_no_good(&set(&house, &token, NEW, NEW).await));
}

#[tokio::test]
async fn a_password_that_is_too_short_too_long_or_mistyped_keeps_the_link_good() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let token = link(&house, SHOP, 1).await;
    let long = "x".repeat(1025);
    for (password, again, field) in [
        ("secret7", "secret7", "password"),
        ("", "", "password"),
        (&long, &long, "password"),
        (NEW, "another", "again"),
    ] {
        let answer = set(&house, &token, password, again).await;
        assert_eq!(answer.status, 422, "{password}");
        assert!(answer.text.contains(&format!(r#"id="{field}-problem""#)), "{}", answer.text);
        assert!(answer.text.contains(&format!(r#"value="{token}""#)), "{}", answer.text);
        for typed in [password, again].into_iter().filter(|typed| !typed.is_empty()) {
            assert!(!answer.text.contains(typed), "{typed}");
        }
    }
    assert_eq!(set(&house, &token, &long[..1024], &long[..1024]).await.status, 303);
}

#[tokio::test]
async fn asking_is_answered_the_same_whether_there_is_such_a_site_or_not() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let mut first: Option<Answer> = None;
    for (host, email, letters) in [
        ("nowhere.example.com", "bob@example.com", 0),
        (SHOP, "anna@example.com", 0),
        (" Shop.Example.com", "bob@EXAMPLE.com ", 1),
        (SHOP, "bob@example.com", 1),
    ] {
        let before = std::time::Instant::now();
        let answer = post(&house, FORGOT, &[("host", host), ("email", email)]).await;
        assert!(before.elapsed().as_millis() >= 250, "{host}: as long as any other");
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(count(&house, "letter").await, letters, "{host} {email}");
        let first = first.get_or_insert_with(|| Answer {
            status: 200,
            text: answer.text.clone(),
            headers: answer.headers.clone(),
        });
        assert_eq!(answer.text, first.text, "{host} {email}");
        let names = |answer: &Answer| -> Vec<String> {
            answer.headers.keys().map(ToString::to_string).collect()
        };
        assert_eq!(names(&answer), names(first), "{host} {email}");
    }
    let letter = "SELECT host, kind, email, state, attempts FROM letter";
    let letter = house.store.one(letter, Vec::new()).await.unwrap().unwrap();
    let text = |column: &str| letter.text(column).unwrap();
    assert_eq!(
        (text("host"), text("kind"), text("email")),
        (SHOP.into(), "password".into(), BOB.into())
    );
    assert_eq!((text("state"), letter.int("attempts").unwrap()), ("pending".into(), 0));
}

#[tokio::test]
async fn a_site_gets_one_letter_within_five_minutes_however_often_it_is_asked_for() {
    let house = House::new(&[("RATE_LIMIT", "off")]).await;
    site(&house, SHOP, BOB).await;
    let fields = [("host", SHOP), ("email", BOB)];
    let answers = join_all((0..6).map(|_| post(&house, FORGOT, &fields))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(count(&house, "letter").await, 1);
    house.clock.set(house.clock.now().plus_ms(299_999));
    post(&house, FORGOT, &fields).await;
    assert_eq!(count(&house, "letter").await, 1);
    house.clock.set(house.clock.now().plus_ms(1));
    post(&house, FORGOT, &fields).await;
    assert_eq!(count(&house, "letter").await, 2);
    // Of another kind: it says nothing of the password.
    house.sql("UPDATE letter SET kind = 'welcome'", Vec::new()).await;
    post(&house, FORGOT, &fields).await;
    assert_eq!(count(&house, "letter").await, 3);
}

#[tokio::test]
async fn one_address_may_ask_only_so_often() {
    let settings = [("REGISTER_PER_MINUTE", "2"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let house = House::new(&settings).await;
    let ask_from = async |from: &str, host: &str| {
        let body = form(&[("host", host), ("email", "bob@example.com")]);
        ask(&house, Method::POST, FORGOT, &[("x-forwarded-for", from)], Some(&body)).await
    };
    assert_eq!(ask_from("203.0.113.1", SHOP).await.status, 200);
    assert_eq!(ask_from("203.0.113.1", "bad").await.status, 422, "counts as well");
    let refused = ask_from("203.0.113.1", SHOP).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert!(refused.text.contains("Too many") && refused.text.contains(SHOP), "{}", refused.text);
    assert_eq!(ask_from("203.0.113.2", SHOP).await.status, 200, "another address");
}

#[tokio::test]
async fn what_is_no_name_or_no_address_is_named_and_kept() {
    let house = House::new(&[("RATE_LIMIT", "off")]).await;
    for (host, email, field) in [
        ("", "bob@example.com", "host"),
        ("localhost", "bob@example.com", "host"),
        (SHOP, "", "email"),
        (SHOP, "bob", "email"),
    ] {
        let answer = post(&house, FORGOT, &[("host", host), ("email", email)]).await;
        assert_eq!(answer.status, 422, "{host} {email}");
        assert!(answer.text.contains(&format!(r#"id="{field}-problem""#)), "{}", answer.text);
        for (name, value) in [("host", host), ("email", email)] {
            let kept = format!(r#"<input id="{name}" name="{name}" type="text" value="{value}""#);
            assert!(answer.text.contains(&kept), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn without_a_database_people_are_asked_to_try_again() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let session = sign_in(&house, "", BOB, PASSWORD).await;
    house.store.connection().clone().close().await.unwrap();
    let get_as = async |path: &str| super::zone::get_as(&house, path, &session).await;
    let login = get_as("/adminzone/?login=bob%40example.com&password=x").await;
    assert_eq!((login.status, login.header("retry-after")), (503, "1"));
    assert_eq!(login.header("refresh"), "0; url=/adminzone/?problem=away");
    let by_form = post(&house, HOME, &[("login", BOB), ("password", PASSWORD)]).await;
    assert_eq!((by_form.status, by_form.header("retry-after")), (503, "1"));
    assert!(by_form.text.contains(r#"value="Bob@example.com""#), "{}", by_form.text);
    for path in [HOME, "/adminzone/password?token=x"] {
        let answer = get_as(path).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{path}");
        assert!(answer.text.contains("try again in a moment"), "{}", answer.text);
    }
    let asked = post(&house, FORGOT, &[("host", SHOP), ("email", BOB)]).await;
    assert_eq!((asked.status, asked.header("retry-after")), (503, "1"));
    assert!(asked.text.contains(&format!(r#"value="{SHOP}""#)), "{}", asked.text);
}
