//! Trying one message alone, event by event, each try noted in the database first.
//!
//! This is the slow way for messages that came back often: whatever crashes the worker is found
//! out here and parked, and only tries made here count against an event (contract 1).
use super::{
    Applied, End, Placed, Tools, Worker,
    check::{self, Answer, BadEvent, Checked},
    collect::Batch,
    hold, settle,
};
use crate::{
    domain::{Bad, EventKey, Reason},
    store::{Param, Store, StoreError},
};

/// Lone tries of one event before it is parked.
pub const TRIES_MAX: i64 = 5;

/// Applies the events of the batch's one message, each in a transaction of its own.
pub async fn apply<W: Worker>(
    worker: &W,
    tools: &Tools,
    mut batch: Batch,
) -> Result<settle::Outbox, End> {
    let references = hold(tools, || check::look_up(&tools.store, &batch)).await?;
    let mut checked = check::sort::<W>(&mut batch, &references);
    let wanted = checked.wanted();
    let mut applied = Applied::default();
    let now = tools.clock.now().0;
    let events = std::mem::take(&mut checked.events).into_iter();
    for (placed, origin) in events.zip(std::mem::take(&mut checked.origins)) {
        let key = placed.event.key;
        let tries = hold(tools, || note_try(&tools.store, W::NAME, key, now)).await?;
        if tries > TRIES_MAX {
            park::<W>(&placed, origin, &mut checked);
        } else {
            let one = std::slice::from_ref(&placed);
            super::crash_when_marked(one);
            let done = hold(tools, || worker.apply(one, &wanted)).await?;
            applied.new += done.new;
            applied.outcomes.extend(done.outcomes);
            applied.after_commit.extend(done.after_commit);
            hold(tools, || forget_tries(&tools.store, W::NAME, key)).await?;
        }
    }
    tools.context.metrics.count_events("applied", applied.new);
    Ok(settle::outbox::<W>(&batch, &checked, applied, tools.clock.now()))
}

/// Marks an event as bad that crashed the worker too often. Whoever it crashed parks it, also
/// under a key that the other worker answers for: to that one it may be a good event.
fn park<W: Worker>(placed: &Placed, origin: (usize, Option<usize>), checked: &mut Checked) {
    let detail = format!("crashed {} {TRIES_MAX} times when tried alone", W::NAME);
    let bad = Bad::new(Reason::CrashesWorker, detail);
    for answer in checked.replies.values_mut().flatten() {
        if matches!(answer, Answer::Applied { key, .. } if *key == placed.event.key) {
            let named = Some((placed.event.id.clone(), placed.event.source.clone()));
            *answer = Answer::Invalid { named, bad: bad.clone() };
        }
    }
    checked.bad.push(BadEvent { message: origin.0, item: origin.1, bad });
}

/// Counts a try that is about to be made; how many there are with it.
async fn note_try(
    store: &Store,
    worker: &str,
    key: EventKey,
    now_us: i64,
) -> Result<i64, StoreError> {
    const NOTE: &str = "INSERT INTO lone_try (worker, event_key, tries, first_us) \
        VALUES ({?}, {?}, 1, {?}) {conflict worker, event_key} tries = {old lone_try.tries} + 1";
    const READ: &str = "SELECT tries FROM lone_try WHERE worker = {?} AND event_key = {?}";
    let params = || vec![Param::from(worker), Param::from(key.as_str())];
    let mut noted = params();
    noted.push(Param::from(now_us));
    store.run(NOTE, None, noted).await?;
    store.one(READ, params()).await?.map_or(Ok(0), |row| row.int("tries"))
}

/// The event was no crasher.
async fn forget_tries(store: &Store, worker: &str, key: EventKey) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM lone_try WHERE worker = {?} AND event_key = {?}";
    store.run(FORGET, None, vec![Param::from(worker), Param::from(key.as_str())]).await?;
    Ok(())
}
