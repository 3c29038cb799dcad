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
fn a_group_leaves_beside_few_or_when_full_or_after_its_linger() {
    for (in_flight, is_full, lingered, expected) in [
        (0, false, false, true),
        (EAGER_MAX, false, false, true),
        (EAGER_MAX + 1, false, false, false),
        (EAGER_MAX + 1, true, false, true),
        (EAGER_MAX + 1, false, true, true),
        (IN_FLIGHT_MAX - 1, true, false, true),
        (IN_FLIGHT_MAX, true, true, false),
    ] {
        assert_eq!(leaves(in_flight, is_full, lingered), expected, "{in_flight} in flight");
    }
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
