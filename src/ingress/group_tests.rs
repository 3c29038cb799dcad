//! Groups: how they are made, and what their callers learn.
use tokio::sync::Semaphore;

use super::*;

fn settings() -> GroupSettings {
    GroupSettings {
        linger: Duration::from_millis(1),
        events_max: 4,
        message_bytes_max: 1 << 20,
        publish_timeout: Duration::from_secs(5),
        reply_timeout: Duration::from_secs(2),
    }
}

fn waiting(id: &str) -> (Waiting, oneshot::Receiver<Answer>) {
    let (answer, answered) = oneshot::channel();
    (Waiting { id: id.to_owned(), json: format!("{{\"id\":\"{id}\"}}"), answer }, answered)
}

#[test]
fn a_group_leaves_alone_or_beside_few_smaller_ones_or_when_it_has_waited() {
    for (events, groups, others, waited, expected) in [
        (1, 0, 0, false, true),
        (1, 1, 2, false, true),
        (1, 1, 3, false, false),
        (1, 1, 3, true, true),
        (8, EAGER_MAX, 16, false, true),
        (7, EAGER_MAX, 16, false, false),
        (7, EAGER_MAX, 16, true, true),
        (99, EAGER_MAX + 1, 4, false, false),
        (1, EAGER_MAX + 1, 4, true, true),
        (1, IN_FLIGHT_MAX - 1, 16, true, true),
        (99, IN_FLIGHT_MAX, 16, true, false),
    ] {
        let leaves = leaves(events, groups, others, waited);
        assert_eq!(leaves, expected, "{events} beside {others} in {groups}, waited: {waited}");
    }
}

#[tokio::test]
async fn what_is_in_flight_is_known_of_each_group_and_a_broken_one_is_forgotten_with_the_last() {
    let (metrics, mut in_flight) = (Metrics::new("ingress"), InFlight::default());
    in_flight.spawn(3, async { (3, true) });
    in_flight.spawn(4, async { panic!("broken") });
    in_flight.spawn(5, async { (5, false) });
    assert_eq!(in_flight.events, 12);
    let mut left = Vec::new();
    while let Some(done) = in_flight.sends.join_next().await {
        in_flight.landed(done.ok(), &metrics);
        left.push(in_flight.events);
    }
    assert_eq!(left.pop(), Some(0), "{left:?}");
    assert!(left.iter().all(|events| [4, 9].contains(events) || *events == 12), "{left:?}");
}

#[test]
fn a_group_is_bounded_in_events_and_bytes() {
    let mut group = Group::new(waiting("0").0);
    for id in ["1", "2", "3"] {
        assert!(group.push(waiting(id).0, &settings()).is_none());
    }
    assert_eq!(group.push(waiting("4").0, &settings()).map(|w| w.id), Some("4".to_owned()));
    let tight = GroupSettings { message_bytes_max: 24, ..settings() };
    let mut group = Group::new(waiting("0").0);
    assert!(group.push(waiting("1").0, &tight).is_none());
    assert!(group.push(waiting("2").0, &tight).is_some());
}

#[tokio::test]
async fn events_leave_at_once_beside_few_groups_and_together_beside_more() {
    let (left, mut sizes) = mpsc::unbounded_channel();
    let confirmed = Arc::new(Semaphore::new(0));
    let broker = confirmed.clone();
    let send = move |group: Group| {
        left.send(group.events.len()).unwrap();
        let broker = broker.clone();
        async move {
            broker.acquire_owned().await.unwrap().forget();
            let events = group.events.len();
            for waiting in group.events {
                let _ = waiting.answer.send(Ok(None));
            }
            (events, true)
        }
    };
    let (queue, events) = mpsc::channel(100);
    let lane = tokio::spawn(run(events, settings(), Arc::new(Metrics::new("ingress")), send));
    let mut answers = Vec::new();
    let mut event = |name: String| {
        let (event, answered) = waiting(&name);
        answers.push(answered);
        event
    };
    for n in 0..=EAGER_MAX {
        queue.send(event(format!("lone {n}"))).await.unwrap();
        assert_eq!(sizes.recv().await, Some(1), "beside {n} groups");
    }
    for n in 0..6 {
        queue.send(event(n.to_string())).await.unwrap();
    }
    let (gone, answered) = waiting("gone");
    drop(answered);
    queue.send(gone).await.unwrap();
    drop(queue);
    assert_eq!(sizes.recv().await, Some(4), "full");
    assert_eq!(sizes.recv().await, Some(2), "after the linger, without the one that is gone");
    confirmed.add_permits(EAGER_MAX + 3);
    lane.await.unwrap();
    for answered in answers {
        assert_eq!(answered.await.unwrap(), Ok(None));
    }
}

#[test]
fn a_reply_is_told_apart_by_id() {
    let body = br#"[{"id":"a","source":"s","type":"t","outcome":"created","code":"x"},
        {"id":"b","source":"s","outcome":"invalid","reason":"schema","detail":"d"}]"#;
    let replies = by_id(body);
    assert_eq!(replies["a"].outcome, "created");
    assert_eq!(replies["b"].reason.as_deref(), Some("schema"));
    assert!(by_id(b"rubbish").is_empty());
}
