//! How `referral rcp sync` is let in, and what is said where it is not.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;

use super::{CODE, Rcp, SECRET, all, register, sync};
use crate::harness::{Bed, Database, PASSWORD, Remote, bed::run, remote::Reply};

/// Arguments, settings, and what is said.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

#[test]
fn what_is_missing_is_named_and_wrong_use() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let (password, token) = (("RCP_PASSWORD", "canary"), ("RCP_TOKEN", "canary"));
        let url = "http://127.0.0.1:1";
        let plain = &["rcp", "sync", "--url", url][..];
        let login = &["rcp", "sync", "--url", url, "--login", "root"][..];
        let cases: [Case<'_>; 9] = [
            (plain, &[], "give --login and RCP_PASSWORD, or RCP_TOKEN"),
            (login, &[], "RCP_PASSWORD (or RCP_PASSWORD_FILE) is missing"),
            (plain, &[password], "--login is missing"),
            (login, &[password, token], "not both"),
            (login, &[token], "not both"),
            (plain, &[("RCP_TOKEN", "canary é")], "RCP_TOKEN: must be visible ASCII"),
            (plain, &[("RCP_TOKEN_FILE", "/no/such/file")], "RCP_TOKEN_FILE"),
            (&["rcp", "sync"], &[token], "--url"),
            (&["rcp", "sync", "--url", "http://a:canary@h"], &[token], "without user and password"),
        ];
        for (line, settings, named) in cases {
            let told = bed.operate(line, settings, "").await;
            assert_eq!(told.code, Some(2), "{line:?}: {}", told.errors);
            assert!(told.errors.contains(named), "{line:?}: {}", told.errors);
        }
        let told = bed.operate(&[plain, &["--domain", "no"]].concat(), &[token], "").await;
        assert_eq!(told.code, Some(1), "{}", told.errors);
        assert!(told.errors.contains("--domain: there is no domain \"no\""), "{}", told.errors);
        let help = bed.referral(&["rcp", "sync", "--help"], "").await;
        for word in ["RCP_PASSWORD", "RCP_PASSWORD_FILE", "RCP_TOKEN", "TOTP", "--every"] {
            assert!(help.contains(word), "{word}: {help}");
        }
    });
}

#[test]
fn a_wrong_password_or_token_is_said_and_never_shown() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let rcp = Rcp::start(&bed, "UTC").await;
        register(&bed, &[(CODE, "ann@example.com")]).await;
        let url = rcp.url();
        let login = ["rcp", "sync", "--url", &url, "--login", "root"];
        let elsewhere = [&login[..], &["--remote-domain", "elsewhere"]].concat();
        let wrong: [Case<'_>; 3] = [
            (&login, &[("RCP_PASSWORD", "canary")], "RCP_PASSWORD is wrong"),
            (&elsewhere, &SECRET, "--remote-domain"),
            (&login[..4], &[("RCP_TOKEN", "canary")], "the remote refuses RCP_TOKEN (401)"),
        ];
        for (line, settings, named) in wrong {
            let told = bed.operate(line, settings, "").await;
            assert_eq!(told.code, Some(1), "{line:?}: {}", told.errors);
            assert!(told.errors.contains(named), "{line:?}: {}", told.errors);
            for secret in ["canary", PASSWORD] {
                assert!(!told.errors.contains(secret), "{line:?}: {}", told.errors);
            }
        }
        assert!(all(&bed, "SELECT code FROM remote_code").await.is_empty());
        // A secret may come from a file.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{PASSWORD}\n")).unwrap();
        let file = [("RCP_PASSWORD_FILE", file.path().to_str().unwrap())];
        let told = bed.operate(&login, &file, "").await;
        assert_eq!(told.code, Some(0), "{}", told.errors);
    });
}

/// A remote may answer a login with what was sent.
#[test]
fn what_a_remote_says_to_a_login_is_not_repeated() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let door = Remote::start("", |asked, _| Reply::Json(422, json!({"detail": asked.body})));
        let door = door.await;
        let told = sync(&bed, &door.url()).await;
        assert_eq!(told.code, Some(1));
        assert!(told.errors.contains("/v1/auth/token: status 422"), "{}", told.errors);
        assert!(!told.errors.contains(PASSWORD), "{}", told.errors);
        assert!(door.asked()[0].body.contains(PASSWORD));
    });
}

/// "401 during the run with a login: log in again once."
#[test]
fn a_token_that_ends_meanwhile_is_asked_for_again_once() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let rcp = Rcp::start(&bed, "UTC").await;
        let names: Vec<String> = (0..20).map(|n| format!("{n:020}")).collect();
        let pairs: Vec<(&str, &str)> =
            names.iter().map(|code| (code.as_str(), "ann@example.com")).collect();
        register(&bed, &pairs).await;
        let is_open = Arc::new(AtomicBool::new(true));
        let store = rcp.bed.store.clone();
        let door = {
            let is_open = is_open.clone();
            Remote::start(&rcp.url(), move |asked, before| match asked.method.as_str() {
                "PUT" if before == 5 || !is_open.load(Ordering::Relaxed) => {
                    Reply::Json(401, json!({"detail": "expired"}))
                }
                _ => Reply::Pass,
            })
            .await
        };
        let told = sync(&bed, &door.url()).await;
        assert_eq!(told.errors, "20 codes put, 0 refused; 0 records read, 0 changed, 0 bad\n");
        assert_eq!(door.count("POST"), 2);
        let keys: std::collections::BTreeSet<String> =
            door.asked().into_iter().map(|asked| asked.authorization).collect();
        assert_eq!(keys.len(), 3, "none at the login, then one and the other");

        is_open.store(false, Ordering::Relaxed);
        store.run("DELETE FROM code", None, Vec::new()).await.unwrap();
        bed.store.run("DELETE FROM remote_code", None, Vec::new()).await.unwrap();
        let told = sync(&bed, &door.url()).await;
        assert_eq!(told.code, Some(1));
        assert!(
            told.errors.contains("refuses the token that it has just given"),
            "{}",
            told.errors
        );
        assert_eq!(door.count("POST"), 4);
    });
}
