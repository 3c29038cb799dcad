//! The client's page in a real browser, with JavaScript and without (contract 3): the seed's URL with
//! login and password, what is left of it, the forms, and a phone's width.
use std::sync::Arc;

use crate::{
    adminzone::{BOB, PASSWORD, SHOP, house, link, told_nobody},
    harness::{Bed, Browser, Database, Receiver, bed::run},
};

const NEW: &str = "canary-and-pepper";

#[test]
fn the_url_login_ends_at_the_clean_address_and_leaves_no_trace() {
    run(Database::Sqlite, |bed| by_url(bed, true));
}

#[test]
fn the_url_login_needs_no_javascript() {
    run(Database::Sqlite, |bed| by_url(bed, false));
}

#[test]
fn a_wrong_or_unwanted_url_login_leaves_the_address_bar_too() {
    run(Database::Sqlite, |bed| wrong_by_url(bed, true));
}

#[test]
fn somebody_signs_in_by_the_form_and_sets_a_password_without_javascript() {
    run(Database::Sqlite, |bed| by_form(bed, false));
}

#[test]
fn somebody_signs_in_by_the_form_and_sets_a_password() {
    run(Database::Sqlite, |bed| by_form(bed, true));
}

/// A page to come from.
const BEFORE: &str = "data:text/html,<p>before</p>";

async fn by_url(bed: Arc<Bed>, javascript: bool) {
    let ingress = house(&bed).await;
    let recorder = Receiver::start().await;
    let names = format!("MAP {SHOP} {}, ", recorder.address());
    let browser = Browser::start_where(javascript, &names).await;
    browser.open(BEFORE).await;
    browser.requests().await;

    let home = ingress.url("/adminzone/");
    let address = format!("{home}?login={BOB}&password={PASSWORD}");
    browser.open(&address).await;
    browser.shows("h1", SHOP).await;
    assert_eq!(browser.url().await, home);
    assert_eq!(browser.text(".facts dd").await, "7");
    assert_eq!(browser.label("#link").await, "Your referral link, to copy");
    let with_secret = browser.requests().await.into_iter().filter(|url| url.contains("canary"));
    assert_eq!(with_secret.collect::<Vec<_>>(), [address], "asked for once");

    // To the site itself, which is told nothing of where its visitor comes from.
    browser.click("h1 a").await;
    recorder.called("/").await;
    for call in recorder.calls() {
        assert!(call.path != "/" || call.header("referer").is_empty(), "{call:?}");
        assert!(!format!("{call:?}").contains("adminzone"), "{call:?}");
    }
    browser.back().await;
    browser.shows("h1", SHOP).await;
    browser.back().await;
    assert_eq!(browser.url().await, BEFORE, "there is nothing in between");

    let remains = browser.quit().await;
    let visits = remains.visits().await;
    assert!(visits.iter().any(|(url, is_shown)| *url == home && *is_shown), "{visits:?}");
    // The browser does note a redirect's source, whatever a server says: hidden, so that it is neither
    // shown nor proposed.
    let shown = visits.iter().filter(|(url, is_shown)| url.contains("canary") && *is_shown);
    assert_eq!(shown.count(), 0, "{visits:?}");
    let pages = remains.pages();
    assert!(pages.iter().any(|page| page.contains(&home)), "{pages:?}");
    assert!(!pages.iter().any(|page| page.contains("canary")), "nor opened again: {pages:?}");
    told_nobody(&ingress, &["canary"]).await;
}

async fn wrong_by_url(bed: Arc<Bed>, javascript: bool) {
    let ingress = house(&bed).await;
    let browser = Browser::start(javascript).await;
    browser.open(BEFORE).await;
    let address = ingress.url(&format!("/adminzone/?login={BOB}&password=canary-and-mustard"));
    for n in 0..10 {
        browser.open(&address).await;
        assert!(browser.text(".notice").await.contains("password was wrong"), "{n}");
        assert_eq!(browser.url().await, ingress.url("/adminzone/?problem=login"), "{n}");
    }
    browser.open(&address).await;
    assert!(browser.text(".notice").await.contains("too many failed tries"));
    assert_eq!(browser.url().await, ingress.url("/adminzone/?problem=wait"));
    let remains = browser.quit().await;
    let visits = remains.visits().await;
    let shown = visits.iter().filter(|(url, is_shown)| url.contains("canary") && *is_shown);
    assert_eq!(shown.count(), 0, "{visits:?}");
    told_nobody(&ingress, &["canary"]).await;
}

async fn by_form(bed: Arc<Bed>, javascript: bool) {
    let ingress = house(&bed).await;
    let browser = Browser::start(javascript).await;
    let home = ingress.url("/adminzone/");
    browser.open(&home).await;
    for (field, label) in
        [("#login", "E-mail address"), ("#password", "Password"), ("#host", "Site")]
    {
        assert_eq!(browser.label(field).await, label);
    }
    assert_eq!(browser.style("button", "cursor").await, "pointer", "the style sheet is let in");
    // What is empty is not even sent.
    browser.type_into("#login", BOB).await;
    browser.click("button").await;
    browser.type_into("#password", "canary-and-mustard").await;
    browser.click("button").await;
    assert!(browser.text(".notice").await.contains("password was wrong"));
    browser.type_into("#password", PASSWORD).await;
    browser.click("button").await;
    browser.shows("h1", SHOP).await;
    assert_eq!(browser.url().await, home);
    browser.click(".top button").await;
    browser.shows("h1", "Sign in").await;
    browser.open(&home).await;
    browser.shows("h1", "Sign in").await;

    browser.click(".note a").await;
    browser.type_into("#email", BOB).await;
    browser.type_into("#host", SHOP).await;
    browser.click("button").await;
    browser.shows("h1", "Check your mail").await;

    let token = link(&bed).await;
    let letter = ingress.url(&format!("/adminzone/password?token={token}"));
    browser.open(&letter).await;
    browser.type_into("#password", NEW).await;
    browser.type_into("#again", "canary-and-salt").await;
    browser.click("button").await;
    assert!(browser.text("#again-problem").await.contains("not the same"));
    assert!(browser.has_focus("#again").await, "ready to be corrected");
    browser.type_into("#password", NEW).await;
    browser.type_into("#again", NEW).await;
    browser.click("button").await;
    browser.shows("h1", SHOP).await;
    assert_eq!(browser.url().await, home);
    browser.open(&letter).await;
    assert!(browser.text(".notice").await.contains("used already"));
    browser.close().await;
    told_nobody(&ingress, &["canary", &token]).await;
}
