//! One-time codes as an administrator lives with them (contract 2, "TOTP is switched on by
//! `referral admin totp LOGIN`"): the real programs on every database, the codes by Python's own
//! HMAC.
use std::{process::Stdio, sync::Arc};

use referral::store::{Store, StoreSettings};
use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use crate::harness::{Bed, Ingress, environment, on_every_database};

on_every_database!(
    a_login_needs_a_code_from_the_moment_it_is_switched_on_until_it_is_switched_off,
    a_migration_that_was_killed_half_way_is_finished,
);

const TOTP: [&str; 5] = ["admin", "totp", "root", "--domain", "default"];

async fn a_login_needs_a_code_from_the_moment_it_is_switched_on_until_it_is_switched_off(
    bed: Arc<Bed>,
) {
    let plan = bed.plan("ingress").set("RATE_LIMIT", "off");
    let ingress = Ingress::of(&bed, bed.start_planned(plan).await).await;
    let printed = bed.referral(&TOTP, "").await;
    let (uri, secret) = printed.split_once('\n').unwrap();
    let expected = format!(
        "otpauth://totp/Referral%20Pipeline:root%40default?secret={secret}\
        &issuer=Referral%20Pipeline"
    );
    assert_eq!(uri, expected);

    assert_eq!(log_in(&ingress, "").await, 401, "without a code");
    let [now, next] = codes(secret).await;
    assert_eq!(log_in(&ingress, &now).await, 200);
    assert_eq!(log_in(&ingress, &now).await, 401, "used");
    let (one, other) = tokio::join!(log_in(&ingress, &next), log_in(&ingress, &next));
    assert_eq!([one.min(other), one.max(other)], [200, 401], "two at once");

    let renewed = bed.referral(&TOTP, "").await;
    let [_, of_old] = codes(secret).await;
    assert_eq!(log_in(&ingress, &of_old).await, 401, "of the secret before");
    let [now, _] = codes(renewed.lines().last().unwrap()).await;
    assert_eq!(log_in(&ingress, &now).await, 200);

    let off: Vec<&str> = TOTP.into_iter().chain(["--off"]).collect();
    for _ in 0..2 {
        assert_eq!(bed.referral(&off, "").await, "");
        assert_eq!(log_in(&ingress, "").await, 200, "switched off");
    }
}

async fn log_in(ingress: &Ingress, code: &str) -> u16 {
    let password = "correct horse battery staple";
    let login = json!({"domain": "default", "login": "root", "password": password, "code": code});
    let request = ingress.request(Method::POST, "/v1/auth/token", Some(login));
    request.send().await.unwrap().status().as_u16()
}

/// The codes of this moment's step and the next.
async fn codes(secret: &str) -> [String; 2] {
    const SCRIPT: &str = "
import base64, hashlib, hmac, struct, sys, time
for step in (int(time.time()) // 30, int(time.time()) // 30 + 1):
    mac = hmac.new(base64.b32decode(sys.argv[1]), struct.pack('>Q', step), hashlib.sha1).digest()
    at = mac[19] & 15
    print('%06d' % ((struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000))
";
    let mut command = Command::new(environment::python());
    command.args(["-c", SCRIPT, secret]).stderr(Stdio::inherit());
    let output = command.output().await.expect("Python");
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<String> = text.lines().map(str::to_owned).collect();
    found.try_into().expect("two codes")
}

/// MySQL and MariaDB commit every ALTER at once: a program that was killed after it and before it
/// was noted finds the columns there. The others roll both back, so there is nothing to take away.
async fn a_migration_that_was_killed_half_way_is_finished(bed: Arc<Bed>) {
    const FORGET: &str = "DELETE FROM seaql_migrations WHERE version = {?}";
    let version = "m20261122_000002_one_time_codes";
    if bed.database == crate::harness::Database::Mariadb {
        assert_eq!(bed.store.run(FORGET, None, vec![version.into()]).await.unwrap(), 1);
    }
    let settings =
        StoreSettings { url: bed.database_url.clone(), connections_max: 2, migrate: true };
    let store = Store::connect(&settings).await.expect("migrated once more");
    const NOTED: &str = "SELECT version FROM seaql_migrations WHERE version = {?}";
    assert!(store.one(NOTED, vec![version.into()]).await.unwrap().is_some());
    store.connection().clone().close().await.unwrap();
}
