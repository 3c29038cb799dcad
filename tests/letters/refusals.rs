//! What the mail server answers decides what comes next.
use std::sync::Arc;

use referral::store::letters::LetterKind;

use super::{attempts, become_, hint, mail, post, row, statuses};
use crate::harness::{Bed, MailServer, on_every_database};

on_every_database!(
    a_mailbox_that_is_none_is_dead_at_once_and_all_else_is_tried_again,
    what_nobody_can_send_is_dead_at_once,
);

async fn a_mailbox_that_is_none_is_dead_at_once_and_all_else_is_tried_again(bed: Arc<Bed>) {
    let server = MailServer::start().await;
    let plan = mail(&bed, &server.url()).set("MAIL_TIMEOUT", "3s");
    let mut worker = bed.start_planned(plan.set("MAIL_RETRY_FOR", "12s")).await;
    let mut ids = Vec::new();
    for (n, name) in ["nobody", "refused", "later-2", "stall-1", "анна"].iter().enumerate() {
        let (host, email) = (format!("s{n}.example"), format!("{name}@s.example"));
        ids.push(post(&bed, LetterKind::Access, &host, &email).await);
    }
    hint(&bed, &ids).await;
    become_(&bed, &ids[..1], "dead").await;
    assert_eq!(statuses(&bed, &ids[0]).await, [550]);
    let attempt = &attempts(&bed, &ids[0]).await[0];
    assert_eq!(attempt.text("answer").unwrap(), "5.1.1 <nobody@s.example> is nobody's");
    assert!(attempt.text("error").unwrap().starts_with("RCPT TO: permanent error (550)"));
    become_(&bed, &ids[2..], "delivered").await;
    assert_eq!(statuses(&bed, &ids[2]).await, [451, 451, 250]);
    assert_eq!(statuses(&bed, &ids[3]).await, [0, 250]);
    let stalled = &attempts(&bed, &ids[3]).await[0];
    assert_eq!(stalled.text("error").unwrap(), "no reply in time");
    let took = stalled.int("duration_us").unwrap();
    assert!((3_000_000..8_000_000).contains(&took), "one deadline for all: {took}");
    assert_eq!(statuses(&bed, &ids[4]).await, [250], "an address in any script");
    become_(&bed, &ids[1..2], "dead").await;
    let refused = statuses(&bed, &ids[1]).await;
    assert!(refused.len() > 2 && refused.iter().all(|status| *status == 554), "{refused:?}");
    assert_eq!(server.received_by("refused@s.example").len(), 0);
    let (_, metrics) = worker.ops("/metrics").await.unwrap();
    assert!(metrics.contains("result=\"dead\"} 2"), "{metrics}");
    worker.stop().await;
}

async fn what_nobody_can_send_is_dead_at_once(bed: Arc<Bed>) {
    let server = MailServer::start().await;
    let changes = [
        ("kind", "advertisement", "no such kind of letter"),
        ("host", "a.example\r\nBcc: x@y.example", "no such host"),
        ("host", "unregistered.example", "there is no such site"),
        ("email", "a@b.example\r\nBcc: x@y.example", "no mail can be addressed so"),
        ("email", "a@b.example>\r\nRCPT TO:<x@y.example", "no mail can be addressed so"),
    ];
    let mut ids = Vec::new();
    for (n, (column, value, _)) in changes.iter().enumerate() {
        let host = format!("s{n}.example");
        let id = post(&bed, LetterKind::Access, &host, "anna@s.example").await;
        let change = format!("UPDATE letter SET {column} = {{?}} WHERE id = {{?}}");
        let params = vec![(*value).into(), id.as_str().into()];
        bed.store.run(&change, None, params).await.unwrap();
        ids.push(id);
    }
    let mut worker = bed.start_planned(mail(&bed, &server.url())).await;
    become_(&bed, &ids, "dead").await;
    for (id, (_, _, why)) in ids.iter().zip(changes) {
        assert_eq!(row(&bed, id).await.int("attempts").unwrap(), 1);
        assert_eq!(attempts(&bed, id).await[0].text("error").unwrap(), why);
    }
    worker.stop().await;
    assert_eq!(server.received().len(), 0);
}
