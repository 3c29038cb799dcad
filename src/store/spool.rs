//! The file of clicks that wait for the broker (contract 2): an SQLite database of one table, the
//! ingress's alone, apart from the pipeline's database, which may be elsewhere and away as well.
//!
//! Owns the file, its table and its lock. What is written is on the disk when [`keep`](SpoolFile::keep)
//! returns (WAL, `synchronous=FULL`). Refuses a second process: the lock is the operating system's,
//! so it ends with whoever holds it, `kill -9` included.
use std::{
    fs::{File, TryLockError},
    sync::Arc,
};

use super::{Rows, Store, StoreError, StoreSettings, rows::Kind::Text};
use crate::failpoint;

/// What an event takes in the file beyond its own bytes: its id, its number, SQLite's headers.
pub const ROW_BYTES: u64 = 64;

/// Why the file cannot be used; reads on after the setting's name.
#[derive(Debug, thiserror::Error)]
pub enum SpoolFileError {
    /// Another process holds it.
    #[error("{0} is in use by another process; every ingress needs a spool of its own")]
    InUse(String),
    /// No file can be made or locked there.
    #[error("{0} cannot be locked: {1}")]
    Lock(String, std::io::Error),
    /// It cannot be read or written, or is no spool.
    #[error("{0} cannot be used: {1}")]
    Unusable(String, StoreError),
}

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Its place: ascending in the order of arrival.
    pub number: i64,
    /// Its CloudEvents `id`.
    pub id: String,
    /// The event, byte for byte.
    pub event: String,
}

impl Spooled {
    /// What it counts against the spool's bound.
    pub fn bytes(&self) -> u64 {
        self.event.len() as u64 + ROW_BYTES
    }
}

/// How much is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Events.
    pub events: u64,
    /// Their bytes, [`ROW_BYTES`] each included.
    pub bytes: u64,
}

/// See the module. Cheap to clone; the lock goes with the last one.
#[derive(Debug, Clone)]
pub struct SpoolFile {
    store: Store,
    lock: Arc<File>,
}

impl SpoolFile {
    /// Opens the file at `path`, or makes it, and locks it by `PATH.lock` beside it.
    pub async fn open(path: &str) -> Result<Self, SpoolFileError> {
        // Not the file itself: closing it would end SQLite's own locks on it.
        let lock = format!("{path}.lock");
        let cannot = |error| SpoolFileError::Lock(lock.clone(), error);
        let file = File::options().create(true).truncate(false).write(true).open(&lock);
        let file = file.map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolFileError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        let unusable = |error| SpoolFileError::Unusable(path.to_owned(), error);
        let store = connect(path).await.map_err(unusable)?;
        Ok(Self { store, lock: Arc::new(file) })
    }

    /// Writes events, each its id and its text, in one transaction.
    pub async fn keep(
        &self,
        events: impl IntoIterator<Item = (&str, &str)>,
    ) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO spooled (event_id, event) \
            SELECT event_id, event FROM {rows} WHERE true";
        let mut rows = Rows::new(&[("event_id", Text), ("event", Text)]);
        for (id, event) in events {
            rows.push([id.into(), event.into()]);
        }
        failpoint::reach("spool::before-keep")?;
        self.store.run(INSERT, Some(&rows), Vec::new()).await?;
        Ok(failpoint::reach("spool::after-keep")?)
    }

    /// The oldest events, at most so many.
    pub async fn oldest(&self, events_max: usize) -> Result<Vec<Spooled>, StoreError> {
        const FIND: &str = "SELECT number, event_id, event FROM spooled ORDER BY number LIMIT {?}";
        let rows = self.store.all(FIND, None, vec![(events_max as i64).into()]).await?;
        let spooled = rows.iter().map(|row| {
            let (id, event) = (row.text("event_id")?, row.text("event")?);
            Ok(Spooled { number: row.int("number")?, id, event })
        });
        spooled.collect()
    }

    /// Forgets the events with these numbers and all between them.
    pub async fn remove(&self, first: i64, last: i64) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM spooled WHERE number BETWEEN {?} AND {?}";
        failpoint::reach("spool::before-remove")?;
        self.store.run(DELETE, None, vec![first.into(), last.into()]).await?;
        Ok(failpoint::reach("spool::after-remove")?)
    }

    /// Counts what is there.
    pub async fn held(&self) -> Result<Held, StoreError> {
        const COUNT: &str = "SELECT COUNT(*) AS events, \
            COALESCE(SUM(LENGTH(CAST(event AS BLOB))), 0) AS bytes FROM spooled";
        let Some(row) = self.store.one(COUNT, Vec::new()).await? else {
            return Ok(Held::default());
        };
        let events = row.int("events")? as u64;
        Ok(Held { events, bytes: row.int("bytes")? as u64 + events * ROW_BYTES })
    }

    /// Closes the file and lets others have it; nothing of SQLite's is left beside it.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.store.connection().clone().close().await?;
        self.lock.unlock().map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

async fn connect(path: &str) -> Result<Store, StoreError> {
    // A number is never used again, so that what was read can be removed by its numbers.
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS spooled (\
        number INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, event TEXT NOT NULL)";
    // A path is not a URL: these two would be read as one's parts.
    let path = path.replace('%', "%25").replace('?', "%3F");
    let settings = StoreSettings {
        url: format!("sqlite://{path}?mode=rwc"),
        // One at a time is all that SQLite writes; so nobody waits for a lock.
        connections_max: 1,
        migrate: false,
    };
    let store = Store::connect(&settings).await?;
    store.run(TABLE, None, Vec::new()).await?;
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(directory: &tempfile::TempDir, name: &str) -> String {
        directory.path().join(name).to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn what_is_kept_is_there_again_byte_for_byte_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = path(&directory, "what? 100%.db");
        let file = SpoolFile::open(&path).await.unwrap();
        let events = [("1", r#"{"a":"é\"\\ \u0001"}"#), ("2", "{}"), ("3", "\u{1}ümläut 👍")];
        file.keep(events).await.unwrap();
        let held = file.held().await.unwrap();
        let bytes: usize = events.iter().map(|(_, event)| event.len()).sum();
        assert_eq!(held, Held { events: 3, bytes: bytes as u64 + 3 * ROW_BYTES });
        file.close().await.unwrap();
        drop(file);

        let file = SpoolFile::open(&path).await.unwrap();
        let found = file.oldest(10).await.unwrap();
        let texts: Vec<_> = found.iter().map(|s| (s.id.as_str(), s.event.as_str())).collect();
        assert_eq!(texts, events);
        assert_eq!(found.iter().map(Spooled::bytes).sum::<u64>(), held.bytes);
        assert_eq!(file.oldest(2).await.unwrap(), found[..2]);
        file.remove(found[0].number, found[1].number).await.unwrap();
        assert_eq!(file.oldest(10).await.unwrap(), found[2..]);
        file.remove(found[2].number, found[2].number).await.unwrap();
        file.keep([("4", "{}")]).await.unwrap();
        assert!(file.oldest(1).await.unwrap()[0].number > found[2].number, "never used again");
    }

    #[tokio::test]
    async fn a_file_has_one_owner_and_another_takes_over_once_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = path(&directory, "spool.db");
        let file = SpoolFile::open(&path).await.unwrap();
        let second = SpoolFile::open(&path).await.map(|_| ()).unwrap_err();
        assert!(matches!(second, SpoolFileError::InUse(_)), "{second}");
        drop(file);
        SpoolFile::open(&path).await.unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_a_spool_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = path(&directory, "none/spool.db");
        let error = SpoolFile::open(&nowhere).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, SpoolFileError::Lock(..)), "{error}");
        let other = path(&directory, "letter");
        std::fs::write(&other, "x".repeat(5000)).unwrap();
        let error = SpoolFile::open(&other).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, SpoolFileError::Unusable(..)), "{error}");
    }
}
