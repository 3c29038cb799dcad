//! The client's page of a site (contract 3): the ways in, who is let in, and how often it may be tried.
use referral::credentials;
use reqwest::Method;

use super::{
    Answer, House,
    zone::{
        BOB, HOME, PASSWORD, SHOP, ask, cookie, cookies, get, get_as, is_in, later, post, sign_in,
        site, url,
    },
};

async fn log_in_from(house: &House, address: &str, login: &str, password: &str) -> Answer {
    let path = url(&[("login", login), ("password", password)]);
    ask(house, Method::GET, &path, &[("x-forwarded-for", address)], None).await
}

#[tokio::test]
async fn the_url_signs_in_and_leaves_the_bare_address() {
    for (public_url, secure) in [("http://h", ""), ("https://h", "; Secure")] {
        let house = House::new(&[("PUBLIC_URL", public_url)]).await;
        site(&house, SHOP, BOB).await;
        let answer = get(&house, &url(&[("login", BOB), ("password", PASSWORD)])).await;
        assert_eq!((answer.status, answer.header("location")), (303, HOME));
        assert_eq!(answer.text, "");
        let cookies = cookies(&answer.headers);
        let key = cookies[0].strip_prefix("adminzone=").unwrap().split(';').next().unwrap();
        assert!(key.len() == 40 && key.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        let rest = "; Path=/adminzone; Max-Age=43200; HttpOnly; SameSite=Lax";
        assert_eq!(cookies, [format!("adminzone={key}{rest}{secure}")]);
        let page = get_as(&house, HOME, &format!("adminzone={key}")).await;
        assert!(page.text.contains(SHOP) && page.text.contains(BOB), "{}", page.text);
        let row = house.store.one("SELECT key_hash FROM site_session", Vec::new()).await.unwrap();
        let stored = row.unwrap().text("key_hash").unwrap();
        assert_eq!(stored, credentials::key_hash(key), "a hash is all that is kept");
        let page = get(&house, HOME).await;
        assert!(page.text.contains(r#"<input id="password" name="password" type="password""#));
    }
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_one_and_the_same_after_one_hash() {
    let house = House::new(&[("RATE_LIMIT", "off")]).await;
    site(&house, SHOP, BOB).await;
    for host in ["one.example.com", "two.example.com"] {
        site(&house, host, "anna@example.com").await;
    }
    let tries: [&[(&str, &str)]; 11] = [
        &[("login", BOB), ("password", "wrong")],
        &[("login", BOB), ("password", "")],
        &[("login", BOB)],
        &[("password", PASSWORD)],
        &[("login", "nobody@example.com"), ("password", PASSWORD)],
        &[("login", "no address"), ("password", PASSWORD)],
        &[("login", "anna@example.com"), ("password", PASSWORD)],
        &[("login", BOB), ("password", PASSWORD), ("host", "one.example.com")],
        &[("login", BOB), ("password", PASSWORD), ("host", "nowhere.example.com")],
        &[("login", BOB), ("password", PASSWORD), ("host", "no name")],
        &[("login", BOB), ("password", &"x".repeat(3000))],
    ];
    for (n, fields) in tries.iter().enumerate() {
        let answer = get(&house, &url(fields)).await;
        let told = (answer.status, answer.header("location"), answer.text.as_str());
        assert_eq!(told, (303, "/adminzone/?problem=login", ""), "{fields:?}");
        assert_eq!(cookies(&answer.headers), [""; 0], "{fields:?}");
        assert_eq!(house.metrics.passwords_hashed.get(), n as u64 + 1, "{fields:?}");
    }
    let page = get(&house, "/adminzone/?problem=login").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("password was wrong. If you have several sites"), "{}", page.text);

    // By the form, each of them that is whole.
    let mut first: Option<String> = None;
    for fields in tries.iter().filter(|fields| fields.len() > 1 && fields[1].1 == PASSWORD) {
        let typed = [("host", ""), ("login", "")].map(|(name, none)| {
            (name, fields.iter().find(|(given, _)| *given == name).map_or(none, |(_, v)| v))
        });
        if typed[0].1 == "no name" {
            continue;
        }
        let answer = post(&house, HOME, fields).await;
        assert_eq!(answer.status, 422, "{fields:?}");
        let mut alike = answer.text;
        for (_, value) in typed.iter().filter(|(_, value)| !value.is_empty()) {
            alike = alike.replace(&format!(r#"value="{value}""#), r#"value="""#);
        }
        let first = first.get_or_insert_with(|| alike.clone());
        assert_eq!(alike, *first, "{fields:?}");
    }
}

#[tokio::test]
async fn the_site_is_the_one_named_or_the_one_asked_or_the_only_one() {
    let house = House::new(&[("RATE_LIMIT", "off")]).await;
    site(&house, SHOP, BOB).await;
    for host in ["one.example.com", "two.example.com"] {
        site(&house, host, "anna@example.com").await;
    }
    site(&house, "two.of.bob.example.com", "bob@example.org").await;
    let (bob, anna) = (BOB, "Anna@Example.com");
    for (login, named, asked, expected) in [
        (bob, "", "h:8080", Some(SHOP)),
        ("  bob@EXAMPLE.com ", "", "h", Some(SHOP)),
        (bob, SHOP, "one.example.com", Some(SHOP)),
        (bob, " SHOP.example.com ", "h", Some(SHOP)),
        (bob, "", SHOP, Some(SHOP)),
        (bob, "", "Shop.Example.com:8080", Some(SHOP)),
        (bob, "", "nobodys.example.com", Some(SHOP)),
        (bob, "", "one.example.com", None),
        (bob, "one.example.com", SHOP, None),
        (anna, "", "h", None),
        (anna, "", "two.example.com", Some("two.example.com")),
        (anna, "one.example.com", "two.example.com", Some("one.example.com")),
    ] {
        let path = url(&[("login", login), ("password", PASSWORD), ("host", named)]);
        let answer = ask(&house, Method::GET, &path, &[("host", asked)], None).await;
        let told = format!("{login} {named:?} {asked}");
        match expected {
            None => assert_eq!(answer.header("location"), "/adminzone/?problem=login", "{told}"),
            Some(expected) => {
                assert_eq!(answer.header("location"), HOME, "{told}");
                let page = get_as(&house, HOME, &cookie(&answer)).await;
                assert!(page.text.contains(&format!("<title>{expected}</title>")), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn after_ten_failures_a_login_has_to_wait_whatever_the_addresses_and_the_way() {
    let house = House::new(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    site(&house, SHOP, BOB).await;
    site(&house, "other.example.com", "anna@example.com").await;
    for n in 0..10 {
        let answer = log_in_from(&house, &format!("203.0.113.{n}"), " BOB@example.com", "x").await;
        assert_eq!(answer.header("location"), "/adminzone/?problem=login", "{n}");
    }
    let fresh = "203.0.113.200";
    let shut = log_in_from(&house, fresh, BOB, PASSWORD).await;
    assert_eq!((shut.status, shut.header("retry-after")), (429, "61"));
    assert_eq!(shut.header("refresh"), "0; url=/adminzone/?problem=wait", "off the address bar");
    assert!(shut.text.contains("try again in 61 seconds"), "{}", shut.text);
    assert_eq!(cookies(&shut.headers), [""; 0]);
    let told = get(&house, "/adminzone/?problem=wait").await;
    assert_eq!((told.status, told.header("refresh")), (200, ""));
    assert!(told.text.contains("too many failed tries"), "{}", told.text);
    let named = [("host", "other.example.com"), ("login", BOB), ("password", PASSWORD)];
    let by_form = post(&house, HOME, &named).await;
    assert_eq!((by_form.status, by_form.header("retry-after")), (429, "61"));
    assert!(by_form.text.contains(r#"value="Bob@example.com""#), "{}", by_form.text);
    let other = log_in_from(&house, fresh, "anna@example.com", PASSWORD).await;
    assert_eq!(other.header("location"), HOME, "another login");
    assert_eq!(house.metrics.passwords_hashed.get(), 11, "none for those who were not let in");
    later(&house, 60);
    let open = log_in_from(&house, fresh, BOB, PASSWORD).await;
    assert_eq!(open.header("location"), HOME, "a minute later");
}

#[tokio::test]
async fn after_ten_failures_an_address_has_to_wait_for_logins_sessions_and_links() {
    let house = House::new(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    site(&house, SHOP, BOB).await;
    let session = sign_in(&house, "", BOB, PASSWORD).await;
    let bad_session = format!("adminzone={}", "0".repeat(40));
    for (n, path, cookie) in [
        (1, "/adminzone/?login=a%40b.c&password=x", ""),
        (2, HOME, bad_session.as_str()),
        (3, "/adminzone/password?token=x", ""),
    ] {
        let from = format!("203.0.113.{n}");
        let headers = [("x-forwarded-for", from.as_str()), ("cookie", cookie)];
        for _ in 0..10 {
            let answer = ask(&house, Method::GET, path, &headers, None).await;
            assert_ne!(answer.status, 429, "{path}");
        }
        for path in [&url(&[("login", BOB), ("password", PASSWORD)]), HOME, path] {
            let headers = [("x-forwarded-for", from.as_str()), ("cookie", &session)];
            let answer = ask(&house, Method::GET, path, &headers, None).await;
            assert_eq!((answer.status, answer.header("retry-after")), (429, "61"), "{path}");
        }
    }
    assert!(is_in(&house, &session).await, "another address");
}

#[tokio::test]
async fn where_the_url_login_is_off_its_query_is_thrown_away_untried() {
    let house = House::new(&[("ADMINZONE_URL_LOGIN", "off")]).await;
    site(&house, SHOP, BOB).await;
    for password in [PASSWORD, "wrong"] {
        let answer = get(&house, &url(&[("login", BOB), ("password", password)])).await;
        assert_eq!((answer.status, answer.header("location")), (303, HOME), "{password}");
        assert_eq!(cookies(&answer.headers), [""; 0]);
    }
    assert_eq!(house.metrics.passwords_hashed.get(), 0);
    assert!(is_in(&house, &sign_in(&house, "", BOB, PASSWORD).await).await, "the form is there");
}

#[tokio::test]
async fn a_head_tries_nothing() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let path = url(&[("login", BOB), ("password", PASSWORD)]);
    let answer = ask(&house, Method::HEAD, &path, &[], None).await;
    assert_eq!((answer.status, answer.header("location")), (303, HOME));
    assert_eq!(cookies(&answer.headers), [""; 0]);
    assert_eq!(house.metrics.passwords_hashed.get(), 0);
}

#[tokio::test]
async fn what_is_missing_in_the_form_is_named_kept_and_not_tried() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let secret = "canary-password";
    for (host, login, password, field, told) in [
        ("", "", secret, "login", "enter your e-mail address"),
        ("", " ", secret, "login", "enter your e-mail address"),
        ("", BOB, "", "password", "enter your password"),
        ("no name", BOB, secret, "host", "a name such as shop.example.com"),
        ("http://shop.example.com/", BOB, secret, "host", "a name such as shop.example.com"),
    ] {
        let fields = [("host", host), ("login", login), ("password", password)];
        let answer = post(&house, HOME, &fields).await;
        assert_eq!(answer.status, 422, "{fields:?}");
        assert!(answer.text.contains(told), "{fields:?}: {}", answer.text);
        assert!(answer.text.contains(&format!(r#"id="{field}-problem""#)), "{fields:?}");
        for (name, value) in [("host", host), ("login", login)] {
            let kept = format!(r#"<input id="{name}" name="{name}" type="text" value="{value}""#);
            assert!(answer.text.contains(&kept), "{fields:?}: {}", answer.text);
        }
        assert!(!answer.text.contains(secret), "{fields:?}");
    }
    assert_eq!(house.metrics.passwords_hashed.get(), 0);
    let wrong = post(&house, HOME, &[("login", BOB), ("password", secret), ("host", SHOP)]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains(r#"role="alert""#) && !wrong.text.contains(secret));
    assert!(wrong.text.contains(r#"value="Bob@example.com""#), "{}", wrong.text);
    let prefilled = get(&house, "/adminzone/?host=shop.example.com").await;
    assert!(prefilled.text.contains(r#"value="shop.example.com""#), "{}", prefilled.text);
}

/// A browser is sent on once more, so that it neither shows nor proposes the address with the secrets.
#[tokio::test]
async fn a_browser_on_its_way_from_the_url_is_sent_on_once_more() {
    let house = House::new(&[("RATE_LIMIT", "off")]).await;
    site(&house, SHOP, BOB).await;
    let navigates = ("sec-fetch-mode", "navigate");
    for (password, query) in [(PASSWORD, ""), ("wrong", "?problem=login")] {
        let path = url(&[("login", BOB), ("password", password)]);
        let answer = ask(&house, Method::GET, &path, &[navigates], None).await;
        let there = format!("{HOME}{query}");
        assert_eq!((answer.status, answer.header("location")), (303, there.as_str()));
        let cookies = cookies(&answer.headers);
        let sent = cookies.last().unwrap();
        let attributes = "; Path=/adminzone; Max-Age=60; HttpOnly; SameSite=Lax";
        assert_eq!(*sent, format!("adminzone_sent=1{attributes}"));
        let back: Vec<&str> = cookies.iter().map(|c| c.split(';').next().unwrap()).collect();
        let headers = [navigates, ("cookie", &*back.join("; "))];
        let passing = ask(&house, Method::GET, &there, &headers, None).await;
        let next = format!("/adminzone{query}");
        assert_eq!(passing.status, 409);
        assert_eq!(passing.header("refresh"), format!("0; url={next}"));
        assert!(passing.header("set-cookie").starts_with("adminzone_sent=; Path=/adminzone; Max"));
        assert!(!passing.text.contains("<h1"), "nothing that could be taken for a page");
        let bare = ask(&house, Method::GET, &next, &[navigates], None).await;
        assert_eq!((bare.status, bare.header("location")), (303, there.as_str()));
        // Who is no browser has no history.
        let plain = get_as(&house, &there, &back.join("; ")).await;
        assert_eq!(plain.status, 200);
    }
}
