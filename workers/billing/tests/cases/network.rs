//! What the way to billing does to a POST: huge and slow answers, connections that break, strangers in
//! its place (contract 6; faults 21 and 22).
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::Child,
};

use crate::support::{
    sink::{Answer, Sink},
    tls::Authority,
    world::{Database, World, eventually},
};

const ENDPOINT: &str = "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP";
const GIB: u64 = 1 << 30;
/// More than the program needs for the 64 KiB of each of eight answers, and nothing beside 1 GiB.
const GROWTH_MAX_KB: u64 = 32 * 1024;

/// The most memory that a process ever had.
fn peak_kb(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// "At most 64 KiB of an answer is read; the first 1 KiB is kept with the attempt."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_of_answer_leaves_memory_flat() {
    let world = World::new(Database::Sqlite).await;
    let huge = Arc::new(AtomicBool::new(false));
    let is_huge = huge.clone();
    let sink = Sink::start(move |_, before| match (is_huge.load(Ordering::Relaxed), before) {
        (false, _) => Answer::Status(200),
        (true, 0) => Answer::Stream(500, GIB),
        (true, _) => Answer::Stream(200, GIB),
    });
    let child = world.process(&[(ENDPOINT, &sink.url())]);
    world.deliveries(8).await;
    eventually("small ones delivered", || async { world.count("delivered").await == 8 }).await;
    let before = peak_kb(&child);
    huge.store(true, Ordering::Relaxed);
    let ids = world.deliveries(8).await;
    eventually("huge ones delivered", || async { world.count("delivered").await == 16 }).await;
    let grown = peak_kb(&child) - before;
    assert!(grown < GROWTH_MAX_KB, "by {grown} kB over {before} kB");
    assert!(sink.streamed() < GIB, "16 answers were cut: {}", sink.streamed());
    for id in &ids {
        for attempt in world.attempts(id).await {
            assert_eq!(attempt.text("answer").unwrap(), "x".repeat(1024));
        }
    }
    world.end().await;
}

/// "`BILLING_TIMEOUT`, 15 s for the whole exchange": not for each byte of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_drips_is_a_time_out() {
    let world = World::new(Database::Sqlite).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/credit", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                // An answer that comes before its request is none.
                let mut request = [0; 1024];
                if stream.read(&mut request).await.is_err() {
                    return;
                }
                let head = b"HTTP/1.1 200 OK\r\nx-slow: ".iter().chain(std::iter::repeat(&b'.'));
                for byte in head {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
    });
    let worker = world.worker(&[(ENDPOINT, &endpoint), ("BILLING_TIMEOUT", "700ms")]);
    let ids = world.deliveries(1).await;
    let attempt = world.first_attempt(&ids[0]).await;
    assert_eq!(attempt.int_or_null("status").unwrap(), None);
    assert_eq!(attempt.text("error").unwrap(), "no answer within 700 ms");
    worker.stop().await;
    world.end().await;
}

/// A server that closes a kept connection just as it is used again: the POST is repeated at once, the
/// same bytes over a new one, and both are one attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_was_closed_costs_no_attempt() {
    let world = World::new(Database::Sqlite).await;
    let kept = |kept| if kept > 0 { Answer::Reset } else { Answer::Status(200) };
    let sink = Sink::start(move |post, _| kept(post.kept));
    let worker = world.worker(&[(ENDPOINT, &sink.url())]);
    let mut closed = 0;
    for _ in 0..4 {
        let ids = world.deliveries(1).await;
        world.hint(&ids).await;
        let seen = world.becomes(&ids[0], "delivered").await;
        assert_eq!(seen.attempts, 1);
        let attempts = world.attempts(&ids[0]).await;
        assert_eq!((attempts.len(), attempts[0].int("status").unwrap()), (1, 200));
        assert_eq!(attempts[0].text_or_null("error").unwrap(), None);
        let posts = sink.posts_of(&ids[0]);
        if let [first, again] = &posts[..] {
            assert_eq!((&first.headers, &first.body), (&again.headers, &again.body));
            assert_eq!((first.kept, again.kept), (1, 0));
            closed += 1;
        } else {
            assert_eq!(posts.len(), 1);
        }
    }
    assert!(closed > 0, "a connection was kept");
    worker.stop().await;
    world.end().await;
}

/// TLS is verified: against the machine's authorities, or those of `SSL_CERT_FILE`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_to_whom_no_authority_vouches_for() {
    let world = World::new(Database::Sqlite).await;
    let authority = Authority::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    let file = file.path().to_str().unwrap();
    let anywhere = "127.0.0.1:0".parse().unwrap();
    for (name, trusted, taken) in
        [("127.0.0.1", false, false), ("other.example", true, false), ("127.0.0.1", true, true)]
    {
        let tls = Some(authority.vouches_for(name));
        let sink = Sink::start_at(anywhere, tls, |_, _| Answer::Status(200));
        let endpoint = format!("https://{}/credit", sink.address);
        let own = [(ENDPOINT, endpoint.as_str()), ("SSL_CERT_FILE", file)];
        let child = world.process(&own[..if trusted { 2 } else { 1 }]);
        let ids = world.deliveries(1).await;
        let attempt = world.first_attempt(&ids[0]).await;
        let status = attempt.int_or_null("status").unwrap();
        let error = attempt.text_or_null("error").unwrap().unwrap_or_default();
        if taken {
            assert_eq!((status, sink.posts().len()), (Some(200), 1), "{error}");
        } else {
            assert_eq!((status, sink.posts().len()), (None, 0), "{name}");
            assert!(error.contains("certificate"), "{error}");
        }
        drop(child);
        world.forget(&ids).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_host_is_a_failed_attempt() {
    let world = World::new(Database::Sqlite).await;
    let worker = world.worker(&[(ENDPOINT, "http://nowhere.invalid/credit")]);
    let ids = world.deliveries(1).await;
    let attempt = world.first_attempt(&ids[0]).await;
    assert_eq!(attempt.int_or_null("status").unwrap(), None);
    let error = attempt.text("error").unwrap();
    assert!(!error.is_empty() && !error.contains("alice"), "{error}");
    assert_eq!(world.seen(&ids[0]).await.state, "pending");
    worker.stop().await;
    world.end().await;
}

/// "Redirects are not followed", wherever they lead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_followed_nowhere() {
    let world = World::new(Database::Sqlite).await;
    let elsewhere = Sink::start(|_, _| Answer::Status(200));
    let places = ["http://169.254.169.254/latest/meta-data/".to_owned(), elsewhere.url()];
    let statuses = [301, 302, 303, 307, 308];
    let sink = Sink::start(move |_, before| match statuses.get(before / 2) {
        Some(status) => Answer::With(*status, "location", places[before % 2].clone()),
        None => Answer::Status(200),
    });
    let worker = world.worker(&[(ENDPOINT, &sink.url()), ("BILLING_RETRY_MAX", "10ms")]);
    let ids = world.deliveries(1).await;
    let seen = world.becomes(&ids[0], "delivered").await;
    assert_eq!(seen.attempts, 11);
    let attempts = world.attempts(&ids[0]).await;
    let seen: Vec<_> = attempts.iter().map(|attempt| attempt.int("status").unwrap()).collect();
    let twice = statuses.iter().flat_map(|status| [i64::from(*status); 2]);
    assert_eq!(seen, twice.chain([200]).collect::<Vec<_>>());
    assert!(elsewhere.posts().is_empty(), "{:?}", elsewhere.posts());
    worker.stop().await;
    world.end().await;
}
