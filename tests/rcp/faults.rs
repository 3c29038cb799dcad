//! Remotes that are away, busy or elsewhere; repetition and stopping.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{put, register, summary};
use crate::harness::{
    Bed, Database, PATIENCE, Program, Remote, Told, bed::run, eventually, program::free_address,
    remote::Reply,
};

const TOKEN: (&str, &str) = ("RCP_TOKEN", "canary");

fn nothing() -> Reply {
    Reply::Json(200, json!({"items": [], "limit": 1000, "total": 0}))
}

async fn sync(bed: &Bed, url: &str) -> Told {
    bed.operate(&["rcp", "sync", "--url", url], &[TOKEN], "").await
}

async fn many(bed: &Bed, count: usize) {
    let names: Vec<String> = (0..count).map(|n| format!("{n:020}")).collect();
    let pairs: Vec<(&str, &str)> =
        names.iter().map(|code| (code.as_str(), "a@example.com")).collect();
    register(bed, &pairs).await;
}

#[test]
fn failures_that_pass_are_tried_again() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        many(&bed, 1).await;
        let began = Instant::now();
        let door = Remote::start("", |asked, before| match (asked.method.as_str(), before) {
            ("PUT", 0) => Reply::Header(429, "retry-after", "1".to_owned()),
            ("PUT", 1) => Reply::Json(503, json!({})),
            ("PUT", 2) => Reply::Json(500, json!({})),
            ("PUT", _) => Reply::Json(200, json!({})),
            _ => nothing(),
        })
        .await;
        let told = sync(&bed, &door.url()).await;
        assert_eq!(told.errors, "1 codes put, 0 refused; 0 records read, 0 changed, 0 bad\n");
        assert_eq!(told.code, Some(0));
        assert_eq!(door.count("PUT"), 4);
        assert!(began.elapsed() >= Duration::from_secs(1), "Retry-After is obeyed");
    });
}

#[test]
fn failures_that_do_not_pass_end_the_run_with_advice() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        many(&bed, 3).await;
        let nobody = format!("http://{}", free_address());
        let told = sync(&bed, &nobody).await;
        assert_eq!(told.code, Some(1), "{}", told.errors);
        for words in [", 7 times; safe to run again", "PUT http://", "/v1/referral/0000"] {
            assert!(told.errors.contains(words), "{}", told.errors);
        }
        for (reply, words) in [
            ("busy", "wants to be left alone for 3600 s"),
            ("moved", "it redirects to \"https://elsewhere.example/\"; see --url"),
            ("missing", "is --url the address of an RCP?"),
            ("forbidden", "status 403: not yours"),
        ] {
            let door = Remote::start("", move |_, _| match reply {
                "busy" => Reply::Header(429, "retry-after", "3600".to_owned()),
                "moved" => Reply::Header(301, "location", "https://elsewhere.example/".to_owned()),
                "missing" => Reply::Json(404, json!({})),
                _ => Reply::Json(403, json!({"detail": "not yours"})),
            })
            .await;
            let told = sync(&bed, &door.url()).await;
            assert_eq!(told.code, Some(1), "{reply}: {}", told.errors);
            assert!(told.errors.contains(words), "{reply}: {}", told.errors);
            assert!(!told.errors.contains(TOKEN.1), "{}", told.errors);
            assert!(door.asked().len() <= 3, "{reply}: not repeated");
        }
        assert!(put(&bed).await.is_empty());
    });
}

fn start(bed: &Bed, url: &str, more: &[&str]) -> Program {
    let line = [&["rcp", "sync", "--url", url], more].concat();
    let plan = bed.plan("referral").set(TOKEN.0, TOKEN.1);
    bed.spawn(line.iter().fold(plan, |plan, argument| plan.argument(argument)))
}

/// "SIGTERM/Ctrl-C stops it cleanly between requests".
#[test]
fn a_stop_finishes_what_is_under_way_and_begins_nothing() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        const CODES: usize = 600;
        many(&bed, CODES).await;
        // With 8 in flight this takes some 4 s, in which the signal arrives.
        let slowly = Duration::from_millis(50);
        let door = Remote::start("", move |asked, _| match asked.method.as_str() {
            "PUT" => Reply::Late(slowly),
            _ => nothing(),
        })
        .await;
        let mut program = start(&bed, &door.url(), &[]);
        eventually("it has begun", PATIENCE, async || match door.count("PUT") {
            0..16 => Err("not yet".to_owned()),
            _ => Ok(()),
        })
        .await;
        program.signal("INT").await;
        assert_eq!(program.exit(PATIENCE).await.code(), Some(1));
        let log = std::fs::read_to_string(program.log()).unwrap();
        assert!(log.contains("stopped; safe to run again"), "{log}");
        let puts = door.count("PUT");
        assert!(puts < CODES && door.count("GET") == 0, "{puts}");
        assert_eq!(put(&bed).await.len(), puts, "every answer is marked");

        let told = sync(&bed, &door.url()).await;
        let expected = format!("{} codes put, 0 refused", CODES - puts);
        assert!(summary(&told).starts_with(&expected), "{}", told.errors);
    });
}

/// "`--every 24h` keeps it running", also after a run that failed.
#[test]
fn every_period_it_runs_again_until_it_is_stopped() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        // The first run fails.
        let door = Remote::start("", |_, before| match before {
            0 => Reply::Json(403, json!({})),
            _ => nothing(),
        })
        .await;
        let mut program = start(&bed, &door.url(), &["--every", "1s"]);
        eventually("three runs", PATIENCE, async || match door.count("GET") {
            0..5 => Err("not yet".to_owned()),
            _ => Ok(()),
        })
        .await;
        program.stop().await;
        let log = std::fs::read_to_string(program.log()).unwrap();
        assert!(log.contains("rcp sync failed, next try in 1 s"), "{log}");
        assert!(log.matches("0 codes put, 0 refused").count() >= 3, "{log}");
        assert!(!log.contains(TOKEN.1), "{log}");
    });
}
