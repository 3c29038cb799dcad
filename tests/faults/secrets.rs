//! Secrets (fault 26): whatever goes wrong, none is in a log, an answer, a metric, a parked message or a row.
use std::{fmt::Write as _, sync::Arc};

use referral::broker::{Outgoing, topology};

use crate::harness::{
    Bed, Database, Ingress, PATIENCE, Program, bed::run, environment, eventually, http,
    messages::SINGLE, program::free_address, proxy::Proxy,
};

/// In every secret that the programs are given.
const CANARY: &str = "canary";

/// A URL of the same place with this user and password.
fn with_password(url: &str, user: &str, password: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_username(user).unwrap();
    url.set_password(Some(password)).unwrap();
    url.into()
}

async fn says(program: &Program, words: &str) {
    eventually(&format!("{} says {words}", program.name()), PATIENCE, async || {
        let log = std::fs::read_to_string(program.log()).map_err(|error| error.to_string())?;
        if log.contains(words) { Ok(()) } else { Err(log) }
    })
    .await;
}

#[test]
fn no_secret_is_told_anywhere_whatever_goes_wrong() {
    run(Database::Postgres, async |bed: Arc<Bed>| {
        let user = format!("{}-user", bed.name());
        bed.broker.add_user(&user, "canary-broker").await;
        let proxy = Proxy::before(&bed.database_url).await;
        let database = with_password(&proxy.url(&bed.database_url), "postgres", "canary-database");
        let broker = with_password(&bed.amqp_url, &user, "canary-broker");
        let nobody = free_address();
        let mut programs = Vec::new();
        for name in ["daily-records", "credits", "billing", "mail", "ingress"] {
            let plan = bed.plan(name).set("LOG", "debug");
            let plan = plan.set("AMQP_URL", &broker).set("DATABASE_URL", &database);
            programs.push(match name {
                "billing" => plan
                    .set("WEBHOOK_SECRETS", "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5")
                    .set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &format!("http://{nobody}/%s")),
                "mail" => plan
                    .set("SMTP_URL", &format!("smtp://shop:canary-smtp@{nobody}"))
                    .set("MAIL_FROM", "shop@example.com"),
                _ => plan,
            });
        }
        let mut running = Vec::new();
        for plan in programs {
            running.push(bed.start_planned(plan).await);
        }
        // Parked ones, and one that a broken connection holds.
        let poison = (0..5).map(|_| Outgoing::event("click", SINGLE, "{")).collect();
        bed.publish(poison).await;
        eventually("they are parked", PATIENCE, async || {
            match bed.broker.counted(topology::DAILY_RECORDS_DEAD).await? {
                5 => Ok(()),
                n => Err(format!("{n} of 5")),
            }
        })
        .await;
        bed.broker.close_connections().await;
        for program in &running[..4] {
            eventually("it noticed", PATIENCE, async || {
                bed.broker.close_connections().await;
                let log = std::fs::read_to_string(program.log()).unwrap();
                if log.contains("CONNECTION") { Ok(()) } else { Err(log) }
            })
            .await;
        }
        drop(proxy);
        eventually("the database is missed", PATIENCE, async || {
            match running[4].ops("/ready").await? {
                (503, _) => Ok(()),
                (status, text) => Err(format!("{status} {text}")),
            }
        })
        .await;
        // Wrong passwords, and addresses that are none.
        let wrong = [
            ("AMQP_URL", with_password(&bed.amqp_url, "guest", "canary-wrong"), "ACCESS_REFUSED"),
            (
                "DATABASE_URL",
                with_password(&environment::mariadb_url(), "root", "canary-wrong"),
                "Access denied",
            ),
        ];
        for (name, url, says_so) in wrong {
            let plan = bed.plan("daily-records").set("LOG", "debug").set(name, &url);
            let program = bed.spawn(plan);
            says(&program, says_so).await;
            running.push(program);
        }
        let mut told = String::new();
        for program in &mut running {
            for path in ["/metrics", "/ready", "/live"] {
                // One that has ended for its wrong password answers nothing.
                told += &program.ops(path).await.map_or_else(|error| error, |(_, text)| text);
            }
            if program.ended().is_none() {
                program.kill().await;
            }
            told += &std::fs::read_to_string(program.log()).unwrap();
        }
        for parked in bed.broker.look_into(topology::DAILY_RECORDS_DEAD).await {
            let _ = write!(told, "{} {:?}", parked.properties, parked.body);
        }
        bed.broker.remove_user(&user).await;
        assert!(told.len() > 5_000, "all of it was looked at");
        for secret in [CANARY, "Y2FuYXJ5"] {
            let line = told.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{line:?}");
        }
    });
}

/// What a caller brings is a secret too: passwords and keys are in no log, also where they are wrong.
#[test]
fn what_callers_bring_is_not_logged() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let plan = bed.plan("ingress").set("LOG", "debug");
        let ingress = Ingress::of(&bed, bed.start_planned(plan).await).await;
        let login = serde_json::json!({
            "domain": "default", "login": "root", "password": "canary-password",
        });
        assert_eq!(ingress.post("/v1/auth/token", login).await.0, 401);
        let key = "canary0123456789canary0123456789canary01";
        let url = ingress.program.url("/v1/referral");
        let answer = http::client().get(url).bearer_auth(key).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(!answer.text().await.unwrap().contains(CANARY));
        let log = std::fs::read_to_string(ingress.program.log()).unwrap();
        for secret in [CANARY, ingress.key(), crate::harness::PASSWORD] {
            assert!(!log.contains(secret), "{log}");
        }
    });
}
