//! Killed at any step, the worker's letters arrive none the less: at least once, each under one
//! `Message-ID`.
use std::sync::Arc;

use referral::store::letters::LetterKind;

use super::{attempts, become_, mail, post, row, statuses};
use crate::harness::{
    Bed, Database, MailServer, PATIENCE, bed::run, eventually, on_every_database,
};

on_every_database!(killed_at_every_step, killed_while_the_server_is_silent);

async fn killed_at_every_step(bed: Arc<Bed>) {
    let server = MailServer::start().await;
    // How often each is received in the end, at least: a slow machine may send one again.
    let points = [
        ("outbox::after-claim", 1),
        ("mail::before-send", 1),
        ("mail::after-send", 2),
        ("outbox::before-outcome-commit", 2),
    ];
    let mut ids = Vec::new();
    for (n, (point, _)) in points.iter().enumerate() {
        // Those of the points before are leased for longer than this takes.
        let email = format!("anna@s{n}.example");
        ids.push(post(&bed, LetterKind::Access, &format!("s{n}.example"), &email).await);
        let plan = mail(&bed, &server.url()).set("FAILPOINTS", &format!("{point}=return"));
        let mut worker = bed.spawn(plan.set("MAIL_TIMEOUT", "5s"));
        assert!(!worker.exit(PATIENCE).await.success(), "{point}");
    }
    let mut worker = bed.start_planned(mail(&bed, &server.url())).await;
    become_(&bed, &ids, "delivered").await;
    worker.stop().await;
    for ((id, (point, times)), n) in ids.iter().zip(points).zip(0..) {
        let received = server.received_by(&format!("anna@s{n}.example"));
        assert!(received.len() >= times, "{point}: {}", received.len());
        for letter in received {
            assert_eq!(letter.header("Message-ID"), format!("<{id}@mail.example>"), "{point}");
        }
        assert_eq!(statuses(&bed, id).await, [250], "{point}");
    }
}

async fn killed_while_the_server_is_silent(bed: Arc<Bed>) {
    let server = MailServer::start().await;
    let id = post(&bed, LetterKind::Access, "s.example", "stall-1@s.example").await;
    let plan = mail(&bed, &server.url()).set("MAIL_TIMEOUT", "2s");
    let mut worker = bed.start_planned(plan).await;
    claimed(&bed, &id).await;
    worker.kill().await;
    worker.start_again();
    become_(&bed, std::slice::from_ref(&id), "delivered").await;
    worker.stop().await;
    assert_eq!(server.received().len(), 1);
}

async fn claimed(bed: &Bed, id: &str) {
    eventually("it is claimed", PATIENCE, async || {
        let lease = row(bed, id).await.text_or_null("lease").unwrap();
        lease.map(drop).ok_or_else(|| "not yet".to_owned())
    })
    .await;
}

/// "SIGTERM … finishes what it holds within `SHUTDOWN_GRACE`, exits 0", also where the server says
/// nothing for longer than that.
#[test]
fn sigterm_waits_for_a_silent_server_no_longer_than_the_grace() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let server = MailServer::start().await;
        let id = post(&bed, LetterKind::Access, "s.example", "stall-1@s.example").await;
        let mut worker = bed.start_planned(mail(&bed, &server.url())).await;
        claimed(&bed, &id).await;
        worker.stop().await;
        let attempt = &attempts(&bed, &id).await[0];
        assert_eq!(attempt.text("error").unwrap(), "stopped before the server's reply");
        assert_eq!(row(&bed, &id).await.text("state").unwrap(), "pending");
    });
}
