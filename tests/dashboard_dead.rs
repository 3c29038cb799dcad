//! `/dashboard/dead`: parked messages, their reasons and what they say, back or away; for operators alone.
use std::sync::Arc;

use crate::{
    dashboard::{CODE, Visitor, now},
    dead::parked,
    harness::{Bed, Database, Ingress, PASSWORD, PATIENCE, bed::run, eventually, http, state},
    model::fact::click,
};

const LIST: &str = "/dashboard/dead";

#[test]
fn an_operator_sees_replays_and_drops_what_is_parked() {
    run(Database::Sqlite, operated);
}

async fn operated(bed: Arc<Bed>) {
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    let admin = Visitor::signed_in(&ingress.program, "default", "root").await;
    assert!(admin.get(LIST).await.text.contains("No message is parked."));
    // A click that counts once it is sent back, and what stays bad.
    let good = now(click(CODE)).event("default").to_string();
    let evil = r#"{"type":"<script>alert(1)</script>"}"#;
    let all = vec![
        parked("daily-records", "good", "unknown_domain", "<b>why</b>", &good),
        parked("credits", "evil", "schema", "<b>why</b>", evil),
        parked("credits", "=evil", "schema", "<b>why</b>", "\u{fffd}\u{1}"),
    ];
    bed.publish(all).await;

    eventually("the queues are seen", PATIENCE, async || {
        let overview = admin.get("/dashboard/").await;
        match overview.live_in("data-live=\"queue referral.credits.dead\"") {
            Some("2") => Ok(()),
            other => Err(format!("{other:?} in {}", overview.text)),
        }
    })
    .await;
    let overview = admin.get("/dashboard/").await;
    let waiting = overview.live_in("data-live=\"waiting referral.credits.dead\"");
    assert!(waiting.is_some_and(|waiting| waiting != "–"), "{waiting:?}");
    assert_eq!(overview.live_in("data-live=\"waiting referral.billing.dead\""), Some("–"));
    let top = bed.referral(&["top", "--once"], "").await;
    let line = top.lines().find(|line| line.starts_with("referral.credits.dead"));
    let columns: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    assert_eq!(columns, ["referral.credits.dead", "2", "0"], "{top}");
    let all = admin.get(LIST).await;
    assert_eq!(all.status, 200, "{}", all.text);
    for part in ["unknown_domain", "&#60;b&#62;why", "&#60;script&#62;alert(1)", "3 that lie there"]
    {
        assert!(all.text.contains(part), "{part}: {}", all.text);
    }
    assert!(!all.text.contains("<script>alert"), "{}", all.text);
    let some = admin.get("/dashboard/dead?worker=credits&reason=schema").await.text;
    assert!(some.contains("=evil") && !some.contains("unknown_domain"), "{some}");
    assert_eq!(admin.get("/dashboard/dead?worker=nobody").await.status, 422);
    let csv = admin.get("/dashboard/dead.csv").await.text;
    assert!(csv.contains("credits,'=evil,schema,"), "{csv}");

    let nothing = admin.post("/dashboard/dead/drop", &[("worker", "credits")]).await;
    assert_eq!(nothing.status, 422, "what is to be dropped has to be said");
    let form = [("worker", "credits"), ("id", "=evil")];
    let dropped = admin.post("/dashboard/dead/drop", &form).await;
    assert_eq!(dropped.header("location"), "/dashboard/dead?worker=credits&told=dropped&n=1");

    let _worker = bed.start("daily-records").await;
    let replayed = admin.post("/dashboard/dead/replay", &[("worker", "daily-records")]).await;
    assert!(replayed.header("location").ends_with("told=replayed&n=1"), "{}", replayed.text);
    let default = referral::store::tenants::domain(&bed.store, "default").await.unwrap().unwrap();
    eventually("the click counts", PATIENCE, async || {
        match state::read(&bed.store, default.id).await {
            Ok(state) if state.clicks == 1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let left = admin.get(LIST).await.text;
    assert!(left.contains("1 that lie there") && left.contains("evil"), "{left}");
    let all = [("reason", ""), ("all", "yes")];
    assert!(admin.post("/dashboard/dead/drop", &all).await.header("location").ends_with("n=1"));
    assert!(admin.get(LIST).await.text.contains("No message is parked."));
}

#[test]
fn others_do_not_see_what_is_parked() {
    run(Database::Sqlite, hidden);
}

async fn hidden(bed: Arc<Bed>) {
    let ingress = Ingress::of(&bed, bed.start("ingress").await).await;
    bed.referral(&["domain", "create", "other", "--currency", "EUR"], "").await;
    let create = ["admin", "create", "eve", "--domain", "other", "--password-stdin"];
    bed.referral(&create, PASSWORD).await;
    bed.publish(vec![parked("credits", "secret", "schema", "<b>why</b>", "{}")]).await;
    let eve = Visitor::signed_in(&ingress.program, "other", "eve").await;
    assert!(!eve.get("/dashboard/").await.text.contains("Dead letters"));
    for path in [LIST, "/dashboard/dead.csv"] {
        assert_eq!(eve.get(path).await.status, 404, "{path}");
    }
    for path in ["/dashboard/dead/replay", "/dashboard/dead/drop"] {
        assert_eq!(eve.post(path, &[("all", "yes")]).await.status, 404, "{path}");
    }
    let nobody = Visitor::of(&ingress.program);
    assert!(nobody.get(LIST).await.header("location").starts_with("/dashboard/login"));
    let admin = Visitor::signed_in(&ingress.program, "default", "root").await;
    assert!(admin.get(LIST).await.text.contains("secret"), "it is still there");
}

#[test]
fn a_broker_that_is_away_is_said_and_does_not_hold_a_page_up() {
    run(Database::Sqlite, away);
}

async fn away(bed: Arc<Bed>) {
    let plan = bed.plan("ingress").set("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f");
    let program = bed.spawn(plan);
    eventually("it listens", PATIENCE, async || {
        let live = http::client().get(program.url("/dashboard/login")).send().await;
        live.map(|_| ()).map_err(|error| error.to_string())
    })
    .await;
    let ingress = Ingress::of(&bed, program).await;
    let admin = Visitor::signed_in(&ingress.program, "default", "root").await;
    assert_eq!(admin.get(LIST).await.status, 503);
    assert_eq!(admin.get("/dashboard/").await.status, 200, "the figures are the database's");
}
