//! Requests that no honest client sends (fault 23): each is refused at once, or let go in time, and the
//! ingress serves everybody else meanwhile. Spoken over bare sockets.
use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{House, PATIENCE};

/// A call that takes a body, with its head's lines but the last.
fn post(house: &House, lines: &str) -> String {
    let kind = "application/x-www-form-urlencoded";
    format!(
        "POST /program/ HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\n{lines}",
        house.key
    )
}

async fn connected(house: &House) -> TcpStream {
    TcpStream::connect(house.base.strip_prefix("http://").unwrap()).await.unwrap()
}

/// What comes until the ingress closes; the client never does, and sends nothing more.
async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    // A reset is an end like any other: the ingress left what it had not read.
    assert!(ended.is_ok(), "still open after: {answer}");
    answer
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let house = House::new(&[("BODY_MAX", "2000")]).await;
    // The last is more than HTTP's own library counts to, and so its refusal.
    for (length, refused) in
        [("2001", "413"), ("1099511627776", "413"), ("18446744073709551615", "431")]
    {
        let mut stream = connected(&house).await;
        let head = post(&house, &format!("content-length: {length}\r\n\r\n"));
        stream.write_all(head.as_bytes()).await.unwrap();
        // Not one byte of the body is sent, so whoever waits for it says 408.
        let answer = answer(stream).await;
        assert_eq!(status(&answer), refused, "{length}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_framed_wrongly_is_a_bad_request() {
    let house = House::new(&[]).await;
    for (what, rest) in [
        ("negative", "content-length: -1\r\n\r\nname=x"),
        ("no number", "content-length: x\r\n\r\nname=x"),
        ("more than a number", "content-length: 99999999999999999999999\r\n\r\nname=x"),
        ("two lengths", "content-length: 6\r\ncontent-length: 7\r\n\r\nname=x"),
        ("unknown coding", "transfer-encoding: x\r\n\r\nname=x"),
        ("no chunk", "transfer-encoding: chunked\r\n\r\nzz\r\nname=x\r\n0\r\n\r\n"),
        ("a longer chunk", "transfer-encoding: chunked\r\n\r\n2\r\nname=x\r\n0\r\n\r\n"),
        (
            "a huge chunk",
            "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nname=x\r\n0\r\n\r\n",
        ),
    ] {
        let mut stream = connected(&house).await;
        stream.write_all(post(&house, rest).as_bytes()).await.unwrap();
        let answer = answer(stream).await;
        assert_eq!(status(&answer), "400", "{what}: {answer}");
    }
    // Broken off: the client has closed its side.
    for head in ["content-length: 60\r\n\r\nname=x", "transfer-encoding: chunked\r\n\r\n6\r\nname"]
    {
        let mut stream = connected(&house).await;
        stream.write_all(post(&house, head).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = answer(stream).await;
        assert!(["", "400"].contains(&status(&answer)), "{head}: {answer}");
    }
    let programmes = house.get("/program/").await;
    assert_eq!(programmes.status, 200, "{}", programmes.text);
    assert!(!programmes.text.contains("\"x\""), "{}", programmes.text);
}

/// With both a length and chunks a front and its server may disagree where a request ends: what follows
/// must never be taken for a request of its own.
#[tokio::test]
async fn what_has_both_a_length_and_chunks_smuggles_nothing() {
    let house = House::new(&[]).await;
    for lines in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n",
        "transfer-encoding: identity, chunked\r\ncontent-length: 4\r\n\r\n",
    ] {
        let smuggled = "GET /health HTTP/1.1\r\nhost: h\r\n\r\n";
        let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
        let mut stream = connected(&house).await;
        stream.write_all((post(&house, lines) + &chunk).as_bytes()).await.unwrap();
        let answer = answer(stream).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lines}: {answer}");
        assert!(["400", "422"].contains(&status(&answer)), "{lines}: {answer}");
    }
}

/// Clients that never end what they began, each sending a little for ever, cost an honest one nothing.
#[tokio::test]
async fn clients_that_drip_are_let_go_and_others_are_served_meanwhile() {
    let house = House::new(&[]).await;
    let drips = [
        ("head", "GET /health HTTP/1.1\r\nhost: h\r\n".to_owned(), "x-a: b\r\n"),
        ("body", post(&house, "content-length: 500\r\n\r\nname="), "x"),
        ("chunks", post(&house, "transfer-encoding: chunked\r\n\r\n"), "1\r\nx\r\n"),
    ];
    let dripping = drips.iter().map(async |(what, begin, drip)| {
        let (mut from, mut to) = connected(&house).await.into_split();
        to.write_all(begin.as_bytes()).await.unwrap();
        let dripping = async {
            while to.write_all(drip.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        let mut answer = Vec::new();
        tokio::select! {
            // Writing fails soon after the other end has closed.
            () = dripping => {}
            _ = from.read_to_end(&mut answer) => {}
            () = tokio::time::sleep(PATIENCE) => panic!("{what}: still open"),
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(["", "408"].contains(&status(&answer)), "{what}: {answer}");
    });
    let honest = async {
        for _ in 0..20 {
            assert_eq!(house.get("/health").await.status, 200);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(join_all(dripping), honest);
}
