//! Neither the server's password nor a link's secret is kept or told anywhere; and TLS.
use std::sync::Arc;

use referral::{
    broker::topology,
    store::{Row, letters::LetterKind},
};

use super::{attempts, become_, hint, log, mail, post, statuses};
use crate::harness::{
    Bed, Database, MailServer, PATIENCE, bed::run, eventually, mail::certificate, on_every_database,
};

on_every_database!(a_servers_reply_gives_nothing_away);

fn texts(rows: &[Row], columns: &[&str]) -> String {
    let cells = rows.iter().flat_map(|row| columns.iter().map(|c| row.text_or_null(c).unwrap()));
    cells.flatten().collect::<Vec<_>>().join("\n")
}

/// This server repeats the link in its refusal, and a wrong password too.
async fn a_servers_reply_gives_nothing_away(bed: Arc<Bed>) {
    let server = MailServer::plan(&["--login", "shop:canary-right"]);
    let mut server = server;
    server.run().await;
    let ids = vec![
        post(&bed, LetterKind::Access, "a.example", "refused@a.example").await,
        post(&bed, LetterKind::Access, "b.example", "anna@b.example").await,
    ];
    hint(&bed, &ids).await;
    let mut logs = String::new();
    let mut shown = String::new();
    for (password, tries) in [("canary-wrong", 2), ("canary-right", 4)] {
        let url = format!("smtp://shop:{password}@{}", server.address());
        let mut worker = bed.start_planned(mail(&bed, &url).set("LOG", "debug")).await;
        eventually("it was tried", PATIENCE, async || {
            let tried = statuses(&bed, &ids[0]).await;
            if tried.len() >= tries { Ok(()) } else { Err(format!("{tried:?}")) }
        })
        .await;
        shown += &worker.ops("/metrics").await.unwrap().1;
        worker.stop().await;
        logs += &log(&worker);
    }
    become_(&bed, &ids[1..], "delivered").await;
    let received = server.received();
    assert_eq!((received.len(), received[0].login.as_deref()), (1, Some("shop")));
    let tried = attempts(&bed, &ids[0]).await;
    let kept = texts(&tried, &["error", "answer"]);
    assert!(kept.contains("5.7.8 [hidden] is not the password of shop"), "{kept}");
    assert!(kept.contains("/adminzone/password?token=[hidden]"), "{kept}");
    let rows = bed.store.all("SELECT * FROM letter", None, Vec::new()).await.unwrap();
    let links = bed.store.all("SELECT * FROM password_link", None, Vec::new()).await.unwrap();
    shown += &texts(&rows, &["id", "host", "kind", "email", "lease"]);
    shown += &texts(&links, &["token_hash", "host"]);
    shown += &texts(&attempts(&bed, &ids[1]).await, &["error", "answer"]);
    for queue in [topology::MAIL, topology::MAIL_DEAD] {
        assert!(bed.broker.is_empty(queue).await, "{queue}");
    }
    let token = received[0].token();
    for secret in ["canary", "Y2FuYXJ5", "c2hvcABjYW5hcnk", token] {
        for place in [&kept, &logs, &shown] {
            assert!(!place.contains(secret), "{secret} in {place}");
        }
    }
    // None of the refused letters' tokens either: forty hex digits are nowhere.
    let hex = |text: &str| text.split(|c: char| !c.is_ascii_hexdigit()).any(|w| w.len() == 40);
    assert!(!hex(&kept) && !hex(&logs), "a token in {kept}\n{logs}");
}

/// STARTTLS where it is required, with the server's certificate checked.
#[test]
fn a_server_is_spoken_to_through_tls() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let directory = tempfile::tempdir().unwrap();
        let [certificate, key] = certificate(directory.path()).await;
        let mut server = MailServer::plan(&["--login", "shop:p/ss", "--tls", &certificate, &key]);
        server.run().await;
        let ids = vec![post(&bed, LetterKind::Access, "a.example", "anna@a.example").await];
        let url = |tls: &str| format!("smtp://shop:p%2Fss@{}{tls}", server.address());
        // Not without TLS, and not with a stranger.
        for (tls, wanted) in [("", "530"), ("?tls=required", "STARTTLS")] {
            let before = attempts(&bed, &ids[0]).await.len();
            let mut worker = bed.start_planned(mail(&bed, &url(tls))).await;
            eventually("it is refused", PATIENCE, async || {
                let tried = attempts(&bed, &ids[0]).await;
                let last = tried.get(before..).and_then(<[Row]>::last);
                let error = last.map(|row| row.text("error").unwrap()).unwrap_or_default();
                if error.contains(wanted) { Ok(()) } else { Err(error) }
            })
            .await;
            worker.stop().await;
        }
        assert_eq!(server.received().len(), 0);
        let plan = mail(&bed, &url("?tls=required")).set("SSL_CERT_FILE", &certificate);
        let mut worker = bed.start_planned(plan).await;
        become_(&bed, &ids, "delivered").await;
        worker.stop().await;
        let received = server.received();
        assert_eq!(received.len(), 1);
        assert!(received[0].tls && received[0].login.as_deref() == Some("shop"), "{received:?}");
    });
}
