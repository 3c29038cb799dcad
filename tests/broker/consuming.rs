//! Sessions: taking, acknowledging, giving back.

use std::time::Duration;

use referral::broker::{Lost, topology::CREDITS};
use tokio::time::timeout;

use super::{PATIENCE, Site, event, ids, nothing_more, take, until};

async fn filled(n: usize) -> Site {
    let site = Site::new().await;
    let publisher = site.publisher().await;
    let messages = (0..n).map(|i| event("payment", &i.to_string())).collect();
    for result in publisher.publish_all(messages).await {
        result.expect("confirmed");
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn one_acknowledgement_settles_all_before_it() {
    let site = filled(5).await;
    let mut session = site.consume(CREDITS, 10).await;
    let taken = take(&mut session, 5).await;
    session.ack_through(taken[2].tag).await.expect("written");
    session.close().await;
    let mut session = site.consume(CREDITS, 10).await;
    let again = take(&mut session, 2).await;
    assert_eq!(ids(&again), ["3", "4"]);
    session.ack_one(again[1].tag).await.expect("written");
    session.close().await;
    let mut session = site.consume(CREDITS, 10).await;
    assert_eq!(ids(&take(&mut session, 1).await), ["3"]);
    nothing_more(&mut session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_counts_its_deliveries() {
    let site = filled(1).await;
    for count in 0..4 {
        let mut session = site.consume(CREDITS, 10).await;
        let taken = take(&mut session, 1).await;
        assert_eq!((taken[0].delivery_count, taken[0].redelivered), (count, count > 0));
        if count % 2 == 0 {
            session.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prefetch_bounds_what_is_held_and_try_next_does_not_wait() {
    let site = filled(10).await;
    let mut session = site.consume(CREDITS, 4).await;
    let mut taken = take(&mut session, 1).await;
    until("the prefetched ones are here", async || {
        while let Some(message) = session.try_next().expect("the session lasts") {
            taken.push(message);
        }
        taken.len() == 4
    })
    .await;
    nothing_more(&mut session).await;
    assert_eq!(session.try_next().expect("the session lasts").map(|m| m.tag), None);
    session.ack_through(taken[3].tag).await.expect("written");
    assert_eq!(ids(&take(&mut session, 4).await), ["4", "5", "6", "7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refilled_session_goes_on_in_order_and_settles_as_before() {
    let site = filled(12).await;
    let mut session = site.consume(CREDITS, 4).await;
    let mut taken = take(&mut session, 2).await;
    session.refill(3).await.expect("the session lasts");
    // The four of before, two of them taken already, and three of now.
    taken.extend(take(&mut session, 5).await);
    nothing_more(&mut session).await;
    session.ack_through(taken[4].tag).await.expect("written");
    session.refill(10).await.expect("the session lasts");
    taken.extend(take(&mut session, 5).await);
    let all: Vec<String> = (0..12).map(|n| n.to_string()).collect();
    assert_eq!(ids(&taken), all);
    assert!(taken.is_sorted_by_key(|message| message.tag), "one ack settles all before it");
    session.ack_through(taken[11].tag).await.expect("written");
    session.close().await;
    nothing_more(&mut site.consume(CREDITS, 10).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_be_refilled_before_it_has_given_what_it_had() {
    let site = filled(12).await;
    let mut session = site.consume(CREDITS, 4).await;
    let mut taken = take(&mut session, 1).await;
    for prefetch in [3, 2] {
        session.refill(prefetch).await.expect("the session lasts");
    }
    taken.extend(take(&mut session, 8).await);
    nothing_more(&mut session).await;
    session.ack_through(taken[8].tag).await.expect("written");
    taken.extend(take(&mut session, 2).await);
    nothing_more(&mut session).await;
    let first: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    assert_eq!(ids(&taken), first, "in order, and the last number holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_wait_loses_nothing() {
    let site = filled(0).await;
    let mut session = site.consume(CREDITS, 100).await;
    let publisher = site.publisher().await;
    for i in 0..50 {
        let _ = timeout(Duration::from_micros(200), session.next()).await.is_err();
        publisher.publish(event("payment", &format!("x{i}"))).await.expect("confirmed");
        let mut got = None;
        while got.is_none() {
            if let Ok(next) = timeout(Duration::from_micros(50), session.next()).await {
                got = Some(next.expect("the session lasts"));
            }
        }
        assert_eq!(got.and_then(|m| m.message_id), Some(format!("x{i}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_session_takes_no_more_but_settles_what_it_has() {
    let site = filled(3).await;
    let mut session = site.consume(CREDITS, 2).await;
    let taken = take(&mut session, 2).await;
    session.stop().await;
    session.stop().await;
    assert_eq!(session.next().await.map(|m| m.tag), Err(Lost::Stopped));
    assert_eq!(session.try_next().map(|m| m.map(|m| m.tag)), Ok(None));
    session.ack_through(taken[0].tag).await.expect("written");
    session.close().await;
    let mut session = site.consume(CREDITS, 10).await;
    let mut rest = take(&mut session, 2).await;
    rest.sort_by_key(|m| m.message_id.clone());
    assert_eq!(ids(&rest), ["1", "2"]);
    nothing_more(&mut session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_ends_the_session_and_is_declared_again() {
    let site = filled(0).await;
    let mut session = site.consume(CREDITS, 1).await;
    let queue = site.api.replace("/api/vhosts/", "/api/queues/") + "/referral.credits";
    let gone = reqwest::Client::new().delete(queue).send().await;
    assert!(gone.expect("the management API").status().is_success());
    let end = timeout(PATIENCE, session.next()).await.expect("noticed");
    assert_eq!(end.map(|m| m.tag), Err(Lost::Cancelled));
    drop(session);
    let mut session = site.consume(CREDITS, 1).await;
    site.publisher().await.publish(event("payment", "p")).await.expect("confirmed");
    assert_eq!(ids(&take(&mut session, 1).await), ["p"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_tag_costs_the_session_not_the_message() {
    let site = filled(1).await;
    let mut session = site.consume(CREDITS, 1).await;
    take(&mut session, 1).await;
    let _ = session.ack_through(999).await;
    let end = timeout(PATIENCE, session.next()).await.expect("noticed");
    assert!(matches!(end, Err(Lost::Connection(_))), "{end:?}");
    drop(session);
    let mut session = site.consume(CREDITS, 1).await;
    assert_eq!(take(&mut session, 1).await.len(), 1);
}
