//! The built-in registration page in a real browser, with JavaScript and without: the link, the
//! form, the thanks, and what has become of it (contract 2).
use std::sync::Arc;

use crate::{
    harness::{Bed, Browser, Database, bed::run},
    registration::{self, CODE},
};

/// What the browser accepts as an address and the ingress does not.
const ODD: &str = "a|b@example.com";

#[test]
fn somebody_registers_on_the_page() {
    run(Database::Sqlite, |bed| somebody_registers(bed, true));
}

#[test]
fn somebody_without_javascript_registers_on_the_page() {
    run(Database::Sqlite, |bed| somebody_registers(bed, false));
}

async fn somebody_registers(bed: Arc<Bed>, javascript: bool) {
    let (ingress, _workers) = registration::house(&bed).await;
    let browser = Browser::start(javascript).await;
    browser.open("data:text/html,<noscript><p id=off>off</p></noscript>").await;
    assert_eq!(browser.has("#off").await, !javascript, "the browser is as it should be");
    browser.requests().await;

    let link = ingress.program.url(&format!("/register?ref_code={CODE}"));
    browser.open(&link).await;
    assert_eq!(browser.text("h1").await, "You were invited");
    assert_eq!(browser.label("#email").await, "E-mail address");
    assert_eq!(browser.style("button", "cursor").await, "pointer", "the style sheet is let in");

    // What is no address for the browser is not even sent.
    browser.type_into("#email", "bob").await;
    browser.click("button").await;
    assert_eq!(browser.url().await, link);

    browser.empty("#email").await;
    browser.type_into("#email", ODD).await;
    browser.click("button").await;
    assert!(browser.text("#email-problem").await.contains("not an e-mail address"));
    assert!(browser.has_focus("#email").await, "ready to be corrected");

    browser.empty("#email").await;
    browser.type_into("#email", "Bob@example.com").await;
    browser.click("button").await;
    assert_eq!(browser.text(".address").await, "Bob@example.com");
    assert_eq!(browser.text("h1").await, "Thank you");
    let form = ingress.program.url("/register/form");
    assert_eq!(browser.requests().await, [link, form.clone(), form], "nothing else was asked for");
    browser.close().await;

    registration::registered(&bed, &ingress, "Bob@example.com").await;
}
