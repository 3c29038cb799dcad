//! Contract 7, Settings.
use std::collections::HashMap;

use super::*;

#[test]
fn every_default_is_valid() {
    let none = Settings::default();
    none.broker("test").unwrap();
    none.store().unwrap();
    none.ops().unwrap();
    none.log().unwrap();
    none.worker().unwrap();
    none.billing().unwrap();
    none.mail().unwrap();
    assert_eq!(none.ingress().unwrap().public_url, "http://127.0.0.1:8080");
}

#[test]
fn a_bad_setting_is_one_line_that_names_it_and_keeps_secrets() {
    type Read = fn(&Settings) -> Option<SettingError>;
    let cases: [(&str, &str, Read); 23] = [
        ("BILLING_TIMEOUT", "15", |s| s.billing().err()),
        ("BILLING_RETRY_INITIAL", "0s", |s| s.billing().err()),
        ("BILLING_RETRY_MAX", "0s", |s| s.billing().err()),
        ("BILLING_CIRCUIT_AFTER", "0", |s| s.billing().err()),
        ("BILLING_PROBE", "0ms", |s| s.billing().err()),
        ("MAIL_TIMEOUT", "0s", |s| s.mail().err()),
        ("MAIL_CONCURRENCY", "0", |s| s.mail().err()),
        ("PUBLIC_URL", "ftp://x", |s| s.mail().err()),
        ("BATCH_MAX", "0", |s| s.worker().err()),
        ("RATE_LIMIT", "maybe", |s| s.ingress().err()),
        ("LANDING_URL", "https://{code}/", |s| s.ingress().err()),
        ("SPOOL_MAX_BYTES", "1000", |s| s.ingress().err()),
        ("CLICK_IP", "on", |s| s.ingress().err()),
        ("ADMINZONE_URL_LOGIN", "yes", |s| s.ingress().err()),
        ("ADMINZONE_SESSION", "59s", |s| s.ingress().err()),
        ("DASHBOARD_SESSION", "91d", |s| s.ingress().err()),
        ("DASHBOARD_LIVE_EVERY", "0s", |s| s.ingress().err()),
        ("DASHBOARD_CSV_ROWS", "0", |s| s.ingress().err()),
        ("LISTEN_ADDR", "here", |s| s.ingress().err()),
        ("AMQP_URL", "http://user:hunter2@h", |s| s.broker("t").err()),
        ("AMQP_URL", "amqp://user:hunter2@h,", |s| s.broker("t").err()),
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", "ftp://x", |s| s.billing().err()),
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", "http://h/%s/../x", |s| s.billing().err()),
    ];
    for (name, value, read) in cases {
        let error = read(&Settings::from_pairs([(name, value)])).map(|e| e.to_string());
        let line = error.unwrap_or_default();
        assert!(line.starts_with(name) && !line.contains('\n'), "{name}: {line:?}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

/// Contract 6.
#[test]
fn billings_defaults_are_the_contracts() {
    let billing = Settings::default().billing().unwrap();
    let seconds = [
        (billing.timeout, 15),
        (billing.retry_initial, 5),
        (billing.retry_pause_max, 6 * 3600),
        (billing.retry_for, 3 * 86400),
        (billing.probe_pause, 1),
    ];
    for (duration, expected) in seconds {
        assert_eq!(duration, Duration::from_secs(expected));
    }
    assert_eq!((billing.circuit_after, billing.concurrency_max, billing.json), (10, 64, false));
}

#[test]
fn secrets_may_come_from_files() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "amqp://a:b@c/%2f\n").unwrap();
    let path = file.path().to_str().unwrap();
    let settings = Settings::from_pairs([("AMQP_URL_FILE", path)]);
    assert_eq!(settings.broker("t").unwrap().url, "amqp://a:b@c/%2f");
    let missing = Settings::from_pairs([("AMQP_URL_FILE", "/nowhere")]);
    assert!(missing.broker("t").unwrap_err().to_string().starts_with("AMQP_URL_FILE"));
}

#[test]
fn durations_have_a_unit() {
    for (text, ms) in [
        ("100ms", Some(100)),
        ("2s", Some(2000)),
        ("5m", Some(300_000)),
        ("3d", Some(259_200_000)),
        ("5", None),
        ("", None),
        ("s", None),
        ("1.5s", None),
        ("-1s", None),
    ] {
        assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text}");
    }
}

#[test]
fn the_example_file_has_every_setting_with_its_default() {
    let example = include_str!("../../.env.example");
    let lines = example.lines().map(|line| line.trim_start_matches('#'));
    let shown: HashMap<&str, &str> = lines.filter_map(|line| line.split_once('=')).collect();
    for setting in table::SETTINGS {
        let value = shown.get(setting.name);
        assert!(value.is_some(), "{} is not in .env.example", setting.name);
        if !setting.default.is_empty() {
            assert_eq!(value, Some(&setting.default), "{}", setting.name);
        }
    }
    for name in shown.keys().filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    {
        assert!(table::SETTINGS.iter().any(|s| s.name == *name), "{name} is no setting");
    }
}
