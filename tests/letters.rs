//! Letters (contract 3, "The letter is sent by the `mail` worker"): the real worker and a mail server
//! that nobody here wrote.
mod crashes;
mod refusals;
mod secrets;

use std::sync::Arc;

use referral::{
    broker::{hints::LETTERS, topology},
    clock::Clock,
    credentials::key_hash,
    domain::{Email, Host, Micros},
    store::{
        Row,
        letters::{self, LetterKind, Link},
    },
};

use crate::harness::{Bed, MailServer, PATIENCE, Plan, Program, eventually, on_every_database};

const FROM: &str = "The Shop <no-reply@mail.example>";
const PUBLIC_URL: &str = "https://referral.example";

on_every_database!(
    a_letter_arrives_with_text_html_and_a_link_that_works_once,
    a_server_that_comes_back_gets_what_waited,
    without_a_server_letters_wait_in_the_queue,
    two_workers_send_each_letter_once,
    what_is_no_hint_is_parked,
    expired_links_are_removed,
);

/// The worker, which tries again soon.
pub fn mail(bed: &Bed, smtp_url: &str) -> Plan {
    idle(bed).set("SMTP_URL", smtp_url).set("MAIL_FROM", FROM).set("PUBLIC_URL", PUBLIC_URL)
}

/// The same without a server to send to.
fn idle(bed: &Bed) -> Plan {
    bed.plan("mail").set("MAIL_RETRY_INITIAL", "200ms").set("MAIL_RETRY_MAX", "1s")
}

/// A site as the ingress registers it, and a letter to its administrator in the same transaction; the
/// letter's id.
pub async fn post(bed: &Bed, kind: LetterKind, host: &str, email: &str) -> String {
    const INSERT: &str = "INSERT INTO site (host, domain_id, partner_id, email, email_key, \
        password_hash, password_version, tariff_id, paid_forever, ctime_us) \
        VALUES ({?}, 1, 1, {?}, {?}, '', 1, 1, 0, 0)";
    let (host, email) = (Host::parse(host).unwrap(), Email::parse(email).unwrap());
    let tx = bed.store.begin().await.unwrap();
    let site = [host.as_str(), email.spelling(), email.key()].map(Into::into);
    tx.run(INSERT, None, site.to_vec()).await.unwrap();
    let id = letters::post(&tx, kind, &host, &email, Clock::system().now()).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// Tells the worker, as the ingress does after its commit.
async fn hint(bed: &Bed, ids: &[String]) {
    bed.publish(LETTERS.of(ids)).await;
}

async fn row(bed: &Bed, id: &str) -> Row {
    let row = bed.store.one("SELECT * FROM letter WHERE id = {?}", vec![id.into()]).await;
    row.unwrap().expect("a letter")
}

async fn attempts(bed: &Bed, id: &str) -> Vec<Row> {
    let select = "SELECT * FROM letter_attempt WHERE letter_id = {?} ORDER BY number";
    bed.store.all(select, None, vec![id.into()]).await.unwrap()
}

/// The codes that the server answered, 0 for none.
async fn statuses(bed: &Bed, id: &str) -> Vec<i64> {
    let statuses = attempts(bed, id).await.into_iter();
    statuses.map(|row| row.int_or_null("status").unwrap().unwrap_or_default()).collect()
}

/// Waits until all these letters are in this state.
pub async fn become_(bed: &Bed, ids: &[String], state: &str) {
    for id in ids {
        eventually(&format!("{id} is {state}"), PATIENCE, async || {
            let row = row(bed, id).await;
            let now = row.text("state").unwrap();
            let tries = row.int("attempts").unwrap();
            if now == state { Ok(()) } else { Err(format!("{now} after {tries} attempts")) }
        })
        .await;
    }
}

/// Stops a worker that takes the hints as well: what it knew from the rows may have come before them.
async fn stop(bed: &Bed, worker: &mut Program) {
    eventually("the hints are taken", PATIENCE, async || {
        let all = bed.broker.is_empty(topology::MAIL).await;
        if all { Ok(()) } else { Err("some wait".to_owned()) }
    })
    .await;
    worker.stop().await;
    assert!(bed.broker.is_empty(topology::MAIL).await, "the hints are acknowledged");
}

fn log(program: &Program) -> String {
    std::fs::read_to_string(program.log()).unwrap()
}

async fn link(bed: &Bed, token: &str, now: Micros) -> Option<Link> {
    letters::link(&bed.store, &key_hash(token), now).await.unwrap()
}

async fn a_letter_arrives_with_text_html_and_a_link_that_works_once(bed: Arc<Bed>) {
    let server = MailServer::start().await;
    let mut worker = bed.start_planned(mail(&bed, &server.url())).await;
    let (host, email) = ("shop.example", "Anna@Example.com");
    let id = post(&bed, LetterKind::Access, host, email).await;
    hint(&bed, std::slice::from_ref(&id)).await;
    become_(&bed, std::slice::from_ref(&id), "delivered").await;
    let received = server.received();
    assert_eq!(received.len(), 1, "{received:?}");
    let letter = &received[0];
    assert_eq!(
        (letter.from.as_str(), &letter.to),
        (
            "no-reply@mail.example",
            &vec![
                // A host is the same in any spelling, and goes as DNS has it.
                "Anna@example.com".to_owned()
            ]
        )
    );
    assert_eq!(letter.header("Message-ID"), format!("<{id}@mail.example>"));
    assert_eq!(letter.header("From"), FROM);
    assert_eq!(letter.header("Subject"), "Your site shop.example is registered");
    assert_eq!(letter.header("Auto-Submitted"), "auto-generated");
    assert_eq!(letter.r#type, "multipart/alternative");
    let now = Clock::system().now();
    let token = letter.token();
    let page = format!("{PUBLIC_URL}/adminzone/password?token={token}");
    for part in [&letter.text, &letter.html] {
        for wanted in [host, email, &page, &format!("{PUBLIC_URL}/adminzone/")] {
            assert!(part.contains(wanted), "{wanted} in {part}");
        }
    }
    assert_eq!(token.len(), 40, "{token}");
    let week = Micros(now.0 + 6 * 86_400_000_000);
    let token_hash = key_hash(token);
    let good = Some(Link { token_hash, host: host.to_owned(), password_version: 1 });
    assert_eq!(link(&bed, token, now).await, good);
    assert_eq!(link(&bed, token, week).await, good);
    assert_eq!(link(&bed, token, Micros(now.0 + 7 * 86_400_000_000)).await, None, "expired");
    assert_eq!(link(&bed, &token.replace(&token[..4], "0000"), now).await, None, "another");
    let set = "UPDATE site SET password_version = 2 WHERE host = {?}";
    bed.store.run(set, None, vec![host.into()]).await.unwrap();
    assert_eq!(link(&bed, token, now).await, None, "used");
    assert_eq!(statuses(&bed, &id).await, [250]);
    let (_, metrics) = worker.ops("/metrics").await.unwrap();
    let counted = "referral_attempts_total{program=\"mail\",result=\"delivered\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    stop(&bed, &mut worker).await;
}

async fn a_server_that_comes_back_gets_what_waited(bed: Arc<Bed>) {
    let mut server = MailServer::plan(&[]);
    let mut worker = bed.start_planned(mail(&bed, &server.url())).await;
    let first = post(&bed, LetterKind::Access, "one.example", "anna@one.example").await;
    eventually("it was tried in vain", PATIENCE, async || {
        match row(&bed, &first).await.int("attempts").unwrap() {
            2.. => Ok(()),
            few => Err(few.to_string()),
        }
    })
    .await;
    server.run().await;
    become_(&bed, std::slice::from_ref(&first), "delivered").await;
    server.kill().await;
    let second = post(&bed, LetterKind::Password, "two.example", "anna@two.example").await;
    // The message that it got arrives a second time, as the reply to it was lost.
    let third = post(&bed, LetterKind::Access, "three.example", "cut-2@three.example").await;
    hint(&bed, &[second.clone(), third.clone()]).await;
    server.run().await;
    become_(&bed, &[second.clone(), third.clone()], "delivered").await;
    let subject = "A new password for two.example";
    assert_eq!(server.received_by("anna@two.example")[0].header("Subject"), subject);
    let cut = server.received_by("cut-2@three.example");
    assert_eq!(cut.len(), 3);
    let now = Clock::system().now();
    for letter in &cut {
        assert_eq!(letter.header("Message-ID"), format!("<{third}@mail.example>"));
        assert!(link(&bed, letter.token(), now).await.is_some(), "all its links are good");
    }
    assert_ne!(cut[0].token(), cut[1].token(), "no secret is kept from one attempt to the next");
    let last = statuses(&bed, &third).await;
    assert_eq!(last[last.len() - 3..], [0, 0, 250]);
    worker.stop().await;
}

async fn without_a_server_letters_wait_in_the_queue(bed: Arc<Bed>) {
    let mut worker = bed.start_planned(idle(&bed)).await;
    let ids = vec![post(&bed, LetterKind::Access, "shop.example", "anna@shop.example").await];
    hint(&bed, &ids).await;
    eventually("the warning", PATIENCE, async || {
        let log = log(&worker);
        if log.contains("SMTP_URL is not set: letters wait") { Ok(()) } else { Err(log) }
    })
    .await;
    eventually("the message is in the queue", PATIENCE, async || {
        match bed.broker.counted(topology::MAIL).await? {
            1 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    worker.stop().await;
    assert!(!bed.broker.is_empty(topology::MAIL).await, "nobody took it");
    let waiting = row(&bed, &ids[0]).await;
    assert_eq!(waiting.text("state").unwrap(), "pending");
    assert_eq!(waiting.int("attempts").unwrap(), 0);
    let server = MailServer::start().await;
    let mut worker = bed.start_planned(mail(&bed, &server.url())).await;
    become_(&bed, &ids, "delivered").await;
    stop(&bed, &mut worker).await;
    assert_eq!(server.received().len(), 1);
}

async fn two_workers_send_each_letter_once(bed: Arc<Bed>) {
    let server = MailServer::start().await;
    let mut workers = [bed.spawn(mail(&bed, &server.url())), bed.spawn(mail(&bed, &server.url()))];
    for worker in &workers {
        worker.ready().await;
    }
    let mut ids = Vec::new();
    for n in 0..40 {
        let (host, email) = (format!("s{n}.example"), format!("anna@s{n}.example"));
        ids.push(post(&bed, LetterKind::Access, &host, &email).await);
        if n % 5 == 4 {
            hint(&bed, &ids[n - 4..]).await;
            hint(&bed, &ids[n - 4..]).await;
        }
    }
    become_(&bed, &ids, "delivered").await;
    for worker in &mut workers {
        worker.stop().await;
    }
    let mut received: Vec<_> = server.received().iter().map(|m| m.to[0].clone()).collect();
    received.sort();
    let mut expected: Vec<_> = (0..40).map(|n| format!("anna@s{n}.example")).collect();
    expected.sort();
    assert_eq!(received, expected);
}

async fn what_is_no_hint_is_parked(bed: Arc<Bed>) {
    let server = MailServer::start().await;
    let mut worker = bed.start_planned(mail(&bed, &server.url())).await;
    let poison = ["{\"letters\":", "{\"letters\":[1]}", "{\"deliveries\":[\"a\"]}"];
    let work = |body: &str| referral::broker::Outgoing::work(LETTERS.key, body);
    bed.publish(poison.map(work).to_vec()).await;
    let ids = vec![post(&bed, LetterKind::Access, "shop.example", "anna@shop.example").await];
    hint(&bed, &ids).await;
    become_(&bed, &ids, "delivered").await;
    worker.stop().await;
    let parked = bed.broker.look_into(topology::MAIL_DEAD).await;
    let told: Vec<_> =
        parked.iter().map(|p| (p.header("x-worker"), p.header("x-reason"))).collect();
    assert_eq!(told, [("mail", "malformed_json"), ("mail", "schema"), ("mail", "schema")]);
    assert_eq!(parked[0].body, poison[0].as_bytes());
}

async fn expired_links_are_removed(bed: Arc<Bed>) {
    const INSERT: &str = "INSERT INTO password_link (token_hash, host, password_version, ctime_us, \
        expires_us) VALUES ({?}, 'shop.example', 1, 0, {?})";
    let now = Clock::system().now();
    for (hash, expires) in [("old", now.0), ("older", 0), ("good", now.0 + 3_600_000_000)] {
        bed.store.run(INSERT, None, vec![hash.into(), expires.into()]).await.unwrap();
    }
    let mut worker = bed.start_planned(idle(&bed)).await;
    eventually("only the good one is left", PATIENCE, async || {
        let left = bed.store.all("SELECT token_hash FROM password_link", None, Vec::new()).await;
        let left: Vec<_> =
            left.unwrap().iter().map(|row| row.text("token_hash").unwrap()).collect();
        if left == ["good"] { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    worker.stop().await;
}
