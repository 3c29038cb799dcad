//! The client's page of a site (contract 3) by the real program on every database, and that its secrets
//! are in no log and no metric.
use std::sync::Arc;

use futures_util::future::join_all;
use referral::{
    credentials,
    domain::{Code, UserHash},
    store::Param,
};
use reqwest::{Method, Response, StatusCode};

use crate::harness::{Bed, Program, http, on_every_database};

on_every_database!(a_client_signs_in_sees_the_page_and_sets_a_password_and_nothing_is_logged);

pub const SHOP: &str = "shop.example.com";
pub const BOB: &str = "bob@example.com";
/// Words that are found wherever they are.
pub const PASSWORD: &str = "canary-and-sesame";
const WRONG: &str = "canary-and-mustard";
const NEW: &str = "canary-and-pepper";
const NEVER_US: i64 = 4_102_444_800_000_000;

/// An ingress that logs all it can, and a site.
pub async fn house(bed: &Bed) -> Program {
    let ingress = bed.start_planned(bed.plan("ingress").set("LOG", "trace,lapin=off")).await;
    site(bed, SHOP, BOB).await;
    ingress
}

async fn site(bed: &Bed, host: &str, email: &str) {
    const INSERT: &str = "INSERT INTO site (host, domain_id, partner_id, email, email_key, \
        password_hash, password_version, tariff_id, paid_until_us, paid_forever, ctime_us) \
        VALUES ({?}, 1, 1, {?}, {?}, {?}, 1, 7, {?}, 0, 0)";
    let hash = credentials::hash_password(PASSWORD).unwrap();
    let params = [host, email, email].map(Param::from).into_iter();
    let params = params.chain([hash.into(), NEVER_US.into()]);
    bed.store.run(INSERT, None, params.collect()).await.unwrap();
}

/// A link to set the site's first password with; its token.
pub async fn link(bed: &Bed) -> String {
    const INSERT: &str = "INSERT INTO password_link (token_hash, host, password_version, ctime_us, \
        expires_us) VALUES ({?}, {?}, 1, 0, {?})";
    let token = credentials::new_key().unwrap();
    let params = vec![credentials::key_hash(&token).into(), SHOP.into(), NEVER_US.into()];
    bed.store.run(INSERT, None, params).await.unwrap();
    token
}

/// What the page counts: 35 clicks, 2 signups, 25.00 of 50.00 USD.
async fn numbers(bed: &Bed) {
    let own = Code::of_user(1, &UserHash::parse(SHOP).unwrap());
    for (day, clicks) in [("2026-11-25", 30), ("2026-11-26", 5)] {
        const RECORD: &str = "INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, \
            mtime_us) VALUES (1, {?}, {?}, {?}, {?}, 0, 0)";
        let params = vec![day.into(), own.as_str().into(), day.into(), clicks.into()];
        bed.store.run(RECORD, None, params).await.unwrap();
    }
    for user in ["u1", "u2"] {
        const ACCOUNT: &str = "INSERT INTO account (domain_id, user_hash, code, referrer_hash, \
            settled_us, source, event_id, ctime_us) VALUES (1, {?}, {?}, {?}, 1, '/t', 'e', 1)";
        let params = vec![user.into(), format!("{user:x<20}").into(), SHOP.into()];
        bed.store.run(ACCOUNT, None, params).await.unwrap();
    }
    for (user, kind) in
        [("u1", "potential_credit"), ("u2", "potential_credit"), ("u1", "acquired_credit")]
    {
        const ENTRY: &str = "INSERT INTO entry (id, domain_id, user_hash, kind, amount_minor, \
            currency, program_id, referred_user_hash, signup_source, signup_event_id, time_us) \
            VALUES ({?}, 1, {?}, {?}, 2500, 'USD', 1, {?}, '/t', 'e', 0)";
        let id = format!("{user}-{kind}");
        let params = vec![id.into(), SHOP.into(), kind.into(), user.into()];
        bed.store.run(ENTRY, None, params).await.unwrap();
    }
}

async fn get(ingress: &Program, path: &str, cookie: &str) -> Response {
    let request = http::client().get(ingress.url(path)).header("cookie", cookie);
    request.send().await.unwrap()
}

async fn post(ingress: &Program, path: &str, cookie: &str, body: &str) -> Response {
    let request = http::client().request(Method::POST, ingress.url(path)).header("cookie", cookie);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(body.to_owned()).send().await.unwrap()
}

fn cookie(answer: &Response) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn is_in(ingress: &Program, cookie: &str) -> bool {
    get(ingress, "/adminzone/", cookie).await.text().await.unwrap().contains("Sign out")
}

async fn count(bed: &Bed, table: &str) -> i64 {
    let count = format!("SELECT COUNT(*) AS n FROM {table}");
    bed.store.one(&count, Vec::new()).await.unwrap().unwrap().int("n").unwrap()
}

async fn a_client_signs_in_sees_the_page_and_sets_a_password_and_nothing_is_logged(bed: Arc<Bed>) {
    let ingress = house(&bed).await;
    numbers(&bed).await;
    for n in 0..3 {
        const OLD: &str = "INSERT INTO site_session (key_hash, host, password_version, ctime_us, \
            expires_us) VALUES ({?}, 'shop.example.com', 1, 0, 1)";
        bed.store.run(OLD, None, vec![format!("{n:064}").into()]).await.unwrap();
    }
    let url = |password: &str| format!("/adminzone/?login={BOB}&password={password}");
    let wrong = get(&ingress, &url(WRONG), "").await;
    assert_eq!(wrong.headers()["location"], "/adminzone/?problem=login");
    let right = get(&ingress, &url(PASSWORD), "").await;
    assert_eq!(
        (right.status(), &right.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/adminzone/".parse().unwrap())
    );
    let session = cookie(&right);
    assert_eq!(count(&bed, "site_session").await, 1, "the old ones are removed");
    let page = get(&ingress, "/adminzone/", &session).await.text().await.unwrap();
    for shown in ["<dd>35</dd>", "<dd>2</dd>", "<dd>25.00 USD</dd>", "1 January 2100, 00:00"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert_eq!(page.matches("<dd>25.00 USD</dd>").count(), 2, "granted and still possible: {page}");

    let asked = format!("host={SHOP}&email={BOB}");
    let all = join_all((0..4).map(|_| post(&ingress, "/adminzone/forgot", "", &asked))).await;
    assert!(all.iter().all(|answer| answer.status() == 200));
    assert_eq!(count(&bed, "letter").await, 1);

    let token = link(&bed).await;
    let look = get(&ingress, &format!("/adminzone/password?token={token}"), "").await;
    assert_eq!(look.status(), 200);
    let set = format!("token={token}&password={NEW}&again={NEW}");
    let all = join_all((0..4).map(|_| post(&ingress, "/adminzone/password", "", &set))).await;
    let (won, lost): (Vec<_>, Vec<_>) = all.iter().partition(|answer| answer.status() == 303);
    assert_eq!((won.len(), lost.len()), (1, 3));
    assert!(lost.iter().all(|answer| answer.status() == 404));
    let new = cookie(won[0]);
    assert!(!is_in(&ingress, &session).await && is_in(&ingress, &new).await);
    let old = post(&ingress, "/adminzone/", "", &format!("login={BOB}&password={PASSWORD}")).await;
    assert_eq!(old.status(), 422);
    let again = post(&ingress, "/adminzone/", &new, &format!("login={BOB}&password={NEW}")).await;
    assert_eq!(again.status(), 303);
    let last = cookie(&again);
    assert_eq!(post(&ingress, "/adminzone/logout", &last, "").await.status(), 303);
    assert!(!is_in(&ingress, &last).await && !is_in(&ingress, &new).await);

    let keys = [&session, &new, &last].map(|cookie| cookie.trim_start_matches("adminzone="));
    told_nobody(&ingress, &["canary", &token, keys[0], keys[1], keys[2]]).await;
}

/// Neither the log nor `/metrics` has any of these words.
pub async fn told_nobody(ingress: &Program, secrets: &[&str]) {
    let log = std::fs::read_to_string(ingress.log()).unwrap();
    assert!(log.contains("TRACE"), "it logs all it can: {log}");
    let (status, metrics) = ingress.ops("/metrics").await.unwrap();
    assert_eq!(status, 200);
    assert!(metrics.contains("referral_passwords_hashed"), "{metrics}");
    for secret in secrets {
        for (place, text) in [("the log", &log), ("/metrics", &metrics)] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{place} has {secret}");
        }
    }
}
