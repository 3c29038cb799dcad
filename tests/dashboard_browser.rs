//! `/dashboard/` in a real browser, with JavaScript and without.
use std::sync::Arc;

use crate::{
    dashboard::{CODE, busy, now},
    harness::{Bed, Browser, Database, bed::run, ingress::PASSWORD, messages::single},
    model::fact::click,
};

#[test]
fn an_administrator_looks_at_plots_that_move_and_makes_a_programme() {
    run(Database::Sqlite, |bed| looks(bed, true));
}

#[test]
fn an_administrator_without_javascript_reads_the_same_numbers_and_makes_a_programme() {
    run(Database::Sqlite, |bed| looks(bed, false));
}

async fn looks(bed: Arc<Bed>, javascript: bool) {
    let (ingress, _workers, _receiver, _billing) = busy(&bed).await;
    let browser = Browser::start(javascript).await;
    let at = |path: &str| ingress.program.url(path);
    browser.open(&at("/dashboard/codes?q=alice")).await;
    for (field, label) in [("#login", "Login"), ("#password", "Password"), ("#domain", "Domain")] {
        assert_eq!(browser.label(field).await, label);
    }
    browser.type_into("#login", "root").await;
    browser.type_into("#password", PASSWORD).await;
    browser.click("button").await;
    browser.shows("h1", "Codes and referrers").await;
    assert_eq!(browser.url().await, at("/dashboard/codes?q=alice"), "where it was asked for");
    assert_eq!(browser.text("tbody th a").await, CODE);

    browser.requests().await;
    browser.click("nav a[href='/dashboard/']").await;
    browser.shows("h1", "Overview").await;
    assert_eq!(browser.style(".tiles", "display").await, "grid", "the style sheet is let in");
    browser.shows("[data-live=clicks]", "2").await;
    if javascript {
        // One a column, drawn by a script that the policy lets in, and told what is new.
        for n in 1..=4 {
            assert!(browser.has(&format!(".plots .plot:nth-child({n}) canvas")).await, "{n}");
        }
        bed.publish(vec![single(&now(click(CODE)), "default")]).await;
        browser.shows("[data-live=clicks]", "3").await;
        assert!(browser.has(".pulse:not([hidden])").await);
    } else {
        assert!(!browser.has(".plots").await);
        assert_eq!(browser.text("details.figures tbody tr td:nth-child(2)").await, "2");
    }
    let here = at("/");
    let requests = browser.requests().await;
    let strange: Vec<&String> = requests.iter().filter(|url| !url.starts_with(&here)).collect();
    assert!(strange.is_empty(), "asked elsewhere for {strange:?}");

    browser.click("nav a[href='/dashboard/programmes']").await;
    browser.shows("h1", "Programmes").await;
    assert_eq!(browser.label("#credit_value").await, "Credit at signup");
    for (field, typed) in [("#name", "Summer"), ("#credit_value", "x"), ("#target_value", "20")] {
        browser.type_into(field, typed).await;
    }
    browser.click("section form button").await;
    browser.shows("h1", "Please check the terms").await;
    assert!(browser.has_focus("#credit_value").await, "ready to be corrected");
    browser.empty("#credit_value").await;
    browser.type_into("#credit_value", "7.50").await;
    browser.click("section form button").await;
    browser.shows("[role=status]", "The programme was created.").await;
    browser.click("header form button").await;
    browser.shows("h1", "Dashboard").await;
    browser.close().await;
}
