//! The spool without a broker: its bound, its file, what a restart finds.
use serde_json::json;

use super::*;
use crate::{
    broker::{Broker, BrokerSettings},
    domain::{EventType, Micros, Trace},
};

/// Nobody listens there.
const NOWHERE: &str = "amqp://guest:guest@127.0.0.1:9/%2f";

fn draft(number: usize) -> Draft {
    Draft {
        id: format!("id-{number}"),
        source: "/t".into(),
        event_type: EventType::Click,
        time: Micros(0),
        domain: "d".into(),
        trace: Trace::default(),
        data: json!({"code": "x"}).into(),
    }
}

async fn spool(file: SpoolFile, bytes_max: u64, shutdown: &CancellationToken) -> Spool {
    let publisher = Broker::new(BrokerSettings::new(NOWHERE, "t")).publisher(shutdown.clone());
    let settings = SpoolSettings { bytes_max, group_events_max: 10, message_bytes_max: 1 << 20 };
    let metrics = Arc::new(Metrics::new("ingress"));
    Spool::start(file, settings, publisher, metrics, shutdown.clone()).await.unwrap()
}

#[tokio::test]
async fn what_is_kept_is_on_the_disk_and_a_full_spool_takes_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db").to_str().unwrap().to_owned();
    let file = SpoolFile::open(&path).await.unwrap();
    let shutdown = CancellationToken::new();
    let each = draft(0).to_json().len() as u64 + ROW_BYTES;
    let small = spool(file.clone(), each * 2 + each / 2, &shutdown).await;
    assert!(small.broker_is_away());
    assert_eq!(small.keep(&draft(0)).await, Ok(()));
    assert_eq!(small.keep(&draft(1)).await, Ok(()));
    assert_eq!(small.keep(&draft(2)).await, Err(NotKept::Full));
    assert_eq!(small.events(), 2);
    let text = small.shared.metrics.text();
    for line in ["spool_events{program=\"ingress\"} 2", "result=\"full\"} 1", "result=\"kept\"} 2"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    shutdown.cancel();
    small.ended().await;
    drop((small, file));

    let file = SpoolFile::open(&path).await.unwrap();
    let texts: Vec<_> = file.oldest(9).await.unwrap().into_iter().map(|s| s.event).collect();
    assert_eq!(texts, [draft(0).to_json(), draft(1).to_json()]);
    let shutdown = CancellationToken::new();
    let again = spool(file.clone(), each * 3, &shutdown).await;
    assert_eq!(again.events(), 2, "found again");
    assert_eq!(again.keep(&draft(2)).await, Ok(()));
    file.close().await.unwrap();
    assert_eq!(again.keep(&draft(3)).await, Err(NotKept::Full), "full before the disk is asked");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_keeps_nothing_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = SpoolFile::open(directory.path().join("s.db").to_str().unwrap()).await.unwrap();
    let spool = spool(file.clone(), 1 << 20, &CancellationToken::new()).await;
    file.close().await.unwrap();
    assert_eq!(spool.keep(&draft(0)).await, Err(NotKept::Failed));
    assert!(spool.shared.metrics.text().contains("result=\"failed\"} 1"));
}

#[tokio::test]
async fn many_at_once_share_transactions_and_none_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let file = SpoolFile::open(directory.path().join("s.db").to_str().unwrap()).await.unwrap();
    let spool = spool(file.clone(), 1 << 30, &CancellationToken::new()).await;
    let drafts: Vec<Draft> = (0..5000).map(draft).collect();
    let kept = futures_util::future::join_all(drafts.iter().map(|draft| spool.keep(draft))).await;
    assert!(kept.iter().all(Result::is_ok));
    assert_eq!(spool.events(), 5000);
    assert_eq!(file.held().await.unwrap(), spool.shared.held());
}

#[test]
fn as_many_are_taken_as_there_is_room_for() {
    for (room, expected) in [(0, (0, 0)), (4, (0, 0)), (5, (1, 5)), (14, (2, 10)), (99, (3, 15))] {
        assert_eq!(fitting([5, 5, 5].into_iter(), room), expected, "{room}");
    }
}
