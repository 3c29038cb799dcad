//! Publishing with confirms, requests and replies.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use referral::broker::{
    Broker, Message, Outgoing, PublishError, Publisher, Session,
    topology::{CREDITS, MAIL},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, SINGLE, Site, event, ids, take};

/// lapin hangs a returned message on whichever confirm comes next. Taken at its word it calls some
/// hundred lost messages of this test published.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_no_queue_takes_is_unroutable_even_in_a_crowd() {
    let site = Site::new().await;
    let publisher = site.publisher().await;
    let end = Instant::now() + Duration::from_secs(5);
    let mut callers = JoinSet::new();
    for caller in 0..300 {
        let publisher = publisher.clone();
        callers.spawn(async move {
            let (key, expected) = match caller % 10 {
                0 => ("missing", Err(PublishError::Unroutable)),
                _ => (CREDITS, Ok(())),
            };
            let mut count = 0;
            while Instant::now() < end {
                count += 1;
                let body = vec![b'x'; if caller % 3 == 0 { 30 } else { 3_000 }];
                let message = Outgoing::new("", key, SINGLE, body);
                let message = message.with_message_id(format!("{caller}-{count}"));
                assert_eq!(publisher.publish(message).await, expected, "{caller}-{count}");
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.expect("every answer is true");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_amqp_cannot_carry_is_refused_and_hurts_nobody() {
    let site = Site::new().await;
    let publisher = site.publisher().await;
    let long = "x".repeat(300);
    let cases = [
        Outgoing::event("click", SINGLE, vec![0; 4 * 1024 * 1024 + 1]),
        event(&long, "key"),
        event("click", &long),
        event("click", "header").with_header(long.clone(), "v"),
        event("click", "headers").with_header("h", "v".repeat(200_000)),
    ];
    for message in cases {
        assert_eq!(publisher.publish(message).await, Err(PublishError::TooLarge));
    }
    let largest = Outgoing::event("click", SINGLE, vec![b' '; 4 * 1024 * 1024]);
    assert_eq!(publisher.publish(largest).await, Ok(()));
    assert!(publisher.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses() {
    let site = Site::new().await;
    let publisher = site.publisher().await;
    let policy = site.api.replace("/api/vhosts/", "/api/policies/") + "/full";
    let made = reqwest::Client::new()
        .put(policy)
        .json(&serde_json::json!({
            "pattern": "^referral.mail$", "apply-to": "queues", "definition": {"max-length": 1}
        }))
        .send()
        .await;
    assert!(made.expect("the management API").status().is_success());
    let mut last = Ok(());
    let full = async {
        while last.is_ok() {
            last = publisher.publish(Outgoing::work("mail", "{}")).await;
        }
    };
    timeout(PATIENCE, full).await.expect("full at last");
    assert_eq!(last, Err(PublishError::Nacked));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_publishing_fails_soon_and_again() {
    let site = Site::new().await;
    let mut settings = site.settings();
    settings.url = "amqp://127.0.0.1:1/%2f".into();
    settings.publish_timeout = Duration::from_millis(500);
    let shutdown = CancellationToken::new();
    let broker = Broker::new(settings);
    let publisher = broker.publisher(shutdown.clone());
    assert!(!publisher.is_ready());
    let mut results = Vec::new();
    for i in 0..3 {
        let start = Instant::now();
        results.push(publisher.publish(event("click", &i.to_string())).await);
        // Less than a publish may take: it did not wait for that.
        assert!(start.elapsed() < Duration::from_secs(4));
    }
    assert_eq!(results[0], Err(PublishError::TimedOut), "waits while it may be a moment's");
    assert!(matches!(results[2], Err(PublishError::Unavailable(_))), "{results:?}");
    shutdown.cancel();
    assert_eq!(broker.consume(CREDITS, 1, &shutdown).await.map(|s| s.is_none()), Ok(true));
    timeout(PATIENCE, publisher.ended()).await.expect("ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_confirms_what_was_taken_up() {
    let site = Site::new().await;
    let shutdown = CancellationToken::new();
    let publisher = site.broker().publisher(shutdown.clone());
    super::until("connected", async || publisher.is_ready()).await;
    let sending = (0..10_000).map(|i| event("payment", &format!("{i:03}"))).collect();
    let (results, ()) = tokio::join!(publisher.publish_all(sending), async {
        sleep(Duration::from_millis(20)).await;
        shutdown.cancel();
    });
    timeout(PATIENCE, publisher.ended()).await.expect("ended");
    assert!(!publisher.is_ready());
    let refused = PublishError::Unavailable("the publisher has been shut down".into());
    let strange = |r: &&Result<(), PublishError>| r.is_err() && *r != &Err(refused.clone());
    assert_eq!(results.iter().find(strange), None);
    let confirmed = results.iter().filter(|r| r.is_ok()).count();
    println!("{confirmed} of {} were taken up", results.len());
    let mut session = site.consume(CREDITS, 20_000).await;
    take(&mut session, confirmed).await;
}

/// Answers requests on the mail queue until dropped: `echo:` and the body; bodies `mute` never, and
/// `late` after 300 ms.
async fn answer(mut session: Session, publisher: Publisher) {
    while let Ok(message) = session.next().await {
        session.ack_through(message.tag).await.expect("acknowledged");
        let publisher = publisher.clone();
        tokio::spawn(async move {
            match &message.body[..] {
                b"mute" => return,
                b"late" => sleep(Duration::from_millis(300)).await,
                _ => {}
            }
            publisher.publish(reply_to(&message)).await.expect("replied");
        });
    }
}

fn reply_to(message: &Message) -> Outgoing {
    let body = [b"echo:", &message.body[..]].concat();
    let queue = message.reply_to.clone().expect("a request");
    Outgoing::reply(queue, message.correlation_id.clone(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_gets_its_own_reply_or_none() {
    let site = Site::new().await;
    let worker = answer(site.consume(MAIL, 100).await, site.publisher().await);
    let worker = tokio::spawn(worker);
    let publisher = site.publisher().await;
    let ask = async |body: &str, millis| {
        let request = Outgoing::work("mail", body);
        let reply = publisher.request(request, Duration::from_millis(millis)).await;
        reply.expect("confirmed").map(|b| String::from_utf8_lossy(&b).into_owned())
    };
    let bodies: Vec<String> = (0..200).map(|i| format!("m{i}")).collect();
    let replies = join_all(bodies.iter().map(|body| ask(body, 10_000))).await;
    for (body, reply) in bodies.iter().zip(replies) {
        assert_eq!(reply, Some(format!("echo:{body}")));
    }
    let start = Instant::now();
    assert_eq!(ask("mute", 200).await, None);
    assert!((150..2_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(ask("late", 100).await, None);
    sleep(Duration::from_millis(400)).await;
    assert_eq!(ask("after the late one", 10_000).await.as_deref(), Some("echo:after the late one"));

    let twice = |body: &str| Outgoing::work("mail", body).with_correlation_id("the same");
    let wait = Duration::from_secs(10);
    let (a, b) =
        tokio::join!(publisher.request(twice("a"), wait), publisher.request(twice("b"), wait));
    assert_eq!(a.expect("confirmed").as_deref(), Some(&b"echo:a"[..]));
    assert_eq!(b.expect("confirmed").as_deref(), Some(&b"echo:b"[..]));
    worker.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_that_is_gone_fails_no_worker() {
    let site = Site::new().await;
    let worker = site.publisher().await;
    let gone = {
        let publisher = site.publisher().await;
        let wait = Duration::from_millis(1);
        let asked = publisher.request(Outgoing::work("mail", "{}"), wait).await;
        assert_eq!(asked, Ok(None));
        let mut session = site.consume(MAIL, 1).await;
        let message = take(&mut session, 1).await.remove(0);
        session.ack_through(message.tag).await.expect("acknowledged");
        message.reply_to.expect("a request")
    };
    sleep(Duration::from_millis(200)).await;
    let addresses = [
        gone.as_str(),
        "amq.rabbitmq.reply-to",
        "amq.rabbitmq.reply-to.",
        "amq.rabbitmq.reply-to.garbage",
        "no-such-queue",
        "",
    ];
    for address in addresses {
        let start = Instant::now();
        let replied = worker.publish(Outgoing::reply(address, None, "[]")).await;
        assert_eq!(replied, Ok(()), "{address:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{address:?}");
    }
    assert_eq!(worker.publish(event("payment", "p")).await, Ok(()));
    assert!(worker.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn order_is_kept_for_one_caller() {
    let site = Site::new().await;
    let publisher = site.publisher().await;
    let names: Vec<String> = (0..300).map(|i| format!("{i:03}")).collect();
    let messages = names.iter().map(|id| event("payment", id)).collect();
    assert!(publisher.publish_all(messages).await.iter().all(Result::is_ok));
    let mut session = site.consume(CREDITS, 300).await;
    assert_eq!(ids(&take(&mut session, 300).await), names);
}
