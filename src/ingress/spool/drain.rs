//! From the spool to the broker: oldest first, removed only once confirmed.
//!
//! What is published twice (a crash between confirm and removal, a click whose late confirm came
//! after all) counts once: it is the same event, byte for byte.
use std::{ops::Range, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::{
    broker::{Outgoing, PublishError, compose},
    domain::EventType,
    store::{StoreError, spool::Spooled},
};

/// Most events that are read, and on their way, at once.
const READ_MAX: usize = 1024;
/// Most bytes of one message, as far as `MAX_MESSAGE` allows.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Pause between looks at whether the broker is back.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// First and longest pause after a publish that failed.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a stop may go on publishing what is left.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why something is still in the spool.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Broker(#[from] PublishError),
    #[error(transparent)]
    File(#[from] StoreError),
}

/// Publishes whatever comes into the spool until `shutdown`, then for a moment what is left.
pub(super) async fn run(shared: Arc<Shared>, shutdown: CancellationToken) {
    let _ended = shared.ended.clone().drop_guard();
    let waiting = shared.held().events;
    if waiting > 0 {
        tracing::info!(waiting, "clicks of an earlier time wait in the spool");
    }
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = always(&shared) => {}
    }
    let rest = async {
        while shared.held().events > 0 && shared.publisher.is_ready() {
            publish_oldest(&shared).await?;
        }
        Ok::<_, Stuck>(())
    };
    // What is left waits for the next start.
    let _ = timeout(FAREWELL, rest).await;
}

async fn always(shared: &Shared) {
    let mut pause = PAUSE_MIN;
    loop {
        while shared.held().events == 0 {
            shared.came.notified().await;
        }
        if !shared.publisher.is_ready() {
            sleep(LOOK_EVERY).await;
            continue;
        }
        match publish_oldest(shared).await {
            Ok(()) => {
                pause = PAUSE_MIN;
                shared.in_doubt.store(false, std::sync::atomic::Ordering::Relaxed);
                if shared.held().events == 0 {
                    tracing::info!("the spool is empty");
                }
            }
            Err(error) => {
                tracing::warn!(%error, waiting = shared.held().events, "clicks wait in the spool");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Publishes the oldest events and removes those that were confirmed.
async fn publish_oldest(shared: &Shared) -> Result<(), Stuck> {
    let spooled = shared.file.oldest(READ_MAX).await?;
    if spooled.is_empty() {
        // A removal that nobody waited for to the end: what was counted is gone.
        let _changing = shared.changing.lock().await;
        shared.set(shared.file.held().await?);
        return Ok(());
    }
    let bytes_max = shared.settings.message_bytes_max.min(MESSAGE_BYTES_MAX);
    let groups = groups(&spooled, shared.settings.group_events_max, bytes_max);
    let of = |group: &Range<usize>| spooled.get(group.clone()).unwrap_or_default();
    let messages = groups.iter().map(|group| message(of(group))).collect();
    let results = shared.publisher.publish_all(messages).await;
    let mut stuck = None;
    for run in runs(&groups, &results) {
        shared.remove(of(&run)).await?;
        shared.metrics.spool_published.inc_by(run.len() as u64);
    }
    for result in results {
        stuck = stuck.or(result.err());
    }
    stuck.map_or(Ok(()), |error| Err(error.into()))
}

/// One message under the clicks' key. It was small enough when it was taken in.
fn message(group: &[Spooled]) -> Outgoing {
    let texts: Vec<&str> = group.iter().map(|spooled| spooled.event.as_str()).collect();
    let id = group.first().map_or("", |first| first.id.as_str());
    Outgoing { any_size: true, ..compose::message(EventType::Click, id, &texts) }
}

/// Cuts events into messages: so many events, and bytes unless one alone has more.
fn groups(spooled: &[Spooled], events_max: usize, bytes_max: usize) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (place, next) in spooled.iter().enumerate() {
        let more = next.event.len() + 1;
        match groups.last_mut() {
            Some(group) if group.len() < events_max && bytes + more < bytes_max => {
                group.end = place + 1;
                bytes += more;
            }
            _ => {
                groups.push(place..place + 1);
                bytes = more;
            }
        }
    }
    groups
}

/// The confirmed groups, neighbours joined: each is removed by one statement.
fn runs(groups: &[Range<usize>], results: &[Result<(), PublishError>]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (group, _) in groups.iter().zip(results).filter(|(_, result)| result.is_ok()) {
        match runs.last_mut() {
            Some(run) if run.end == group.start => run.end = group.end,
            _ => runs.push(group.clone()),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spooled(sizes: &[usize]) -> Vec<Spooled> {
        let numbered = sizes.iter().zip(1..);
        let spooled = numbered.map(|(size, number)| Spooled {
            number,
            id: number.to_string(),
            event: "x".repeat(*size),
        });
        spooled.collect()
    }

    #[test]
    fn messages_are_bounded_in_events_and_bytes() {
        let cases: [(&str, &[usize], &[usize]); 4] = [
            ("nothing", &[], &[]),
            ("by events", &[1, 1, 1, 1, 1], &[3, 2]),
            ("by bytes", &[40, 40, 40], &[2, 1]),
            ("one alone has more", &[500, 1, 500], &[1, 1, 1]),
        ];
        for (name, sizes, expected) in cases {
            let groups = groups(&spooled(sizes), 3, 100);
            let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
            assert_eq!(lengths, expected, "{name}");
            assert!(groups.iter().flat_map(|group| group.clone()).eq(0..sizes.len()), "{name}");
        }
    }

    #[test]
    fn only_what_is_confirmed_is_removed() {
        let groups = [0..2, 2..3, 3..5, 5..9];
        let (yes, no) = (|| Ok(()), || Err(PublishError::Nacked));
        for (results, expected) in [
            ([yes(), yes(), yes(), yes()], "[0..9]"),
            ([yes(), no(), yes(), yes()], "[0..2, 3..9]"),
            ([no(), no(), no(), yes()], "[5..9]"),
            ([no(), no(), no(), no()], "[]"),
        ] {
            assert_eq!(format!("{:?}", runs(&groups, &results)), expected);
        }
    }

    #[test]
    fn a_message_holds_the_events_as_they_were_kept() {
        let one = spooled(&[3]);
        assert_eq!(message(&one).body, b"xxx");
        let two = spooled(&[1, 2]);
        assert_eq!(message(&two).body, b"[x,xx]");
        assert_eq!(message(&two).routing_key, "click");
    }
}
