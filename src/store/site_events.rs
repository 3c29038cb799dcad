//! Events of sites on their way to the broker (contract 3): put here in the transaction of the row
//! that they tell of, removed once the broker has confirmed them. What is published twice counts
//! once: it is the same event, byte for byte. Written by the ingress.
use super::{Row, Rows, Store, StoreError, Tx, rows::Kind};
use crate::domain::Micros;

/// An event as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteEvent {
    /// CloudEvents `id`.
    pub id: String,
    /// CloudEvents `type`.
    pub event_type: String,
    /// The event in the JSON format.
    pub json: String,
}

/// Puts events by, in the transaction of what they tell of.
pub async fn put(tx: &Tx, events: &[SiteEvent], now: Micros) -> Result<(), StoreError> {
    let mut rows = Rows::new(&[
        ("id", Kind::Text),
        ("event_type", Kind::Text),
        ("event", Kind::Text),
        ("ctime_us", Kind::Int),
    ]);
    for SiteEvent { id, event_type, json } in events {
        rows.push([
            id.as_str().into(),
            event_type.as_str().into(),
            json.as_str().into(),
            now.0.into(),
        ]);
    }
    tx.insert("site_event", &rows).await
}

/// The oldest events of before `then`, at most so many.
pub async fn older_than(
    store: &Store,
    then: Micros,
    most: i64,
) -> Result<Vec<SiteEvent>, StoreError> {
    const FIND: &str = "SELECT id, event_type, event FROM site_event WHERE ctime_us < {?} \
        ORDER BY ctime_us LIMIT {?}";
    let read = |row: &Row| {
        Ok(SiteEvent {
            id: row.text("id")?,
            event_type: row.text("event_type")?,
            json: row.text("event")?,
        })
    };
    store.all(FIND, None, vec![then.0.into(), most.into()]).await?.iter().map(read).collect()
}

/// How many there are.
pub async fn count(store: &Store) -> Result<i64, StoreError> {
    const COUNT: &str = "SELECT {as int COUNT(*)} AS events FROM site_event";
    store.one(COUNT, Vec::new()).await?.map_or(Ok(0), |row| row.int("events"))
}

/// Removes events that the broker has confirmed.
pub async fn remove(store: &Store, ids: &[&str]) -> Result<(), StoreError> {
    const REMOVE: &str = "DELETE FROM site_event WHERE id IN (SELECT r.id FROM {rows})";
    let mut rows = Rows::new(&[("id", Kind::Text)]);
    for id in ids {
        rows.push([(*id).into()]);
    }
    store.again(async || store.run(REMOVE, Some(&rows), Vec::new()).await).await.map(|_| ())
}
