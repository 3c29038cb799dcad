//! Who is signed in at the client's page (contract 3), and for how long.
use reqwest::Method;

use super::{
    House,
    zone::{
        BOB, HOME, PASSWORD, SHOP, ask, cookie, cookies, count, get_as, is_in, later, sign_in,
        site, url,
    },
};

#[tokio::test]
async fn a_session_ends_with_its_time() {
    for (setting, seconds) in [("12h", 43_200), ("1m", 60)] {
        let house = House::new(&[("ADMINZONE_SESSION", setting)]).await;
        site(&house, SHOP, BOB).await;
        let session = sign_in(&house, "", BOB, PASSWORD).await;
        later(&house, seconds - 1);
        assert!(is_in(&house, &session).await, "{setting}");
        later(&house, 1);
        assert!(!is_in(&house, &session).await, "{setting}");
        let told = get_as(&house, HOME, &session).await;
        let cleared = "adminzone=; Path=/adminzone; Max-Age=0; HttpOnly; SameSite=Lax";
        assert_eq!(cookies(&told.headers), [cleared], "what is no good is not sent again");
        for _ in 0..12 {
            assert!(!is_in(&house, &session).await, "an old one is no try");
        }
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_and_no_other() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let (one, other) =
        (sign_in(&house, "", BOB, PASSWORD).await, sign_in(&house, "", BOB, PASSWORD).await);
    assert_ne!(one, other);
    let headers = [("cookie", one.as_str())];
    let answer = ask(&house, Method::POST, "/adminzone/logout", &headers, None).await;
    assert_eq!((answer.status, answer.header("location")), (303, HOME));
    let cleared = "adminzone=; Path=/adminzone; Max-Age=0; HttpOnly; SameSite=Lax";
    assert_eq!(cookies(&answer.headers), [cleared]);
    assert_eq!(count(&house, "site_session").await, 1);
    assert!(!is_in(&house, &one).await && is_in(&house, &other).await);
    let again = ask(&house, Method::POST, "/adminzone/logout", &headers, None).await;
    assert_eq!(again.status, 303, "also for those who are out");
}

#[tokio::test]
async fn every_login_has_a_new_key_and_takes_the_one_before_away() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let mut keys = vec![format!("adminzone={}", "a".repeat(40))];
    for _ in 0..3 {
        let path = url(&[("login", BOB), ("password", PASSWORD)]);
        let answer = get_as(&house, &path, keys.last().unwrap()).await;
        keys.push(cookie(&answer));
    }
    for key in &keys[..3] {
        assert!(!is_in(&house, key).await, "{key}: nobody's, or taken away");
    }
    assert!(is_in(&house, &keys[3]).await);
    assert_eq!(count(&house, "site_session").await, 1);
    // A wrong login changes nothing.
    let wrong = get_as(&house, &url(&[("login", BOB), ("password", "x")]), &keys[3]).await;
    assert_eq!(wrong.header("location"), "/adminzone/?problem=login");
    let page = get_as(&house, wrong.header("location"), &keys[3]).await;
    assert!(page.text.contains("You are still signed in here."), "{}", page.text);
}

#[tokio::test]
async fn expired_sessions_are_removed_some_with_every_login() {
    let house = House::new(&[]).await;
    site(&house, SHOP, BOB).await;
    let now = house.clock.now().0;
    for n in 0..150 {
        const INSERT: &str = "INSERT INTO site_session (key_hash, host, password_version, \
            ctime_us, expires_us) VALUES ({?}, 'shop.example.com', 1, 0, {?})";
        let expires = if n < 120 { now - n } else { now + n };
        house.sql(INSERT, vec![format!("{n:064}").into(), expires.into()]).await;
    }
    sign_in(&house, "", BOB, PASSWORD).await;
    assert_eq!(count(&house, "site_session").await, 150 - 100 + 1);
    sign_in(&house, "", BOB, PASSWORD).await;
    assert_eq!(count(&house, "site_session").await, 30 + 2, "those that are good stay");
}
