//! Connecting, waiting for a database that is not there yet, migrations, transactions.
use std::{collections::HashSet, ops::Deref, sync::Arc, time::Duration};

use migrations::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, IsolationLevel,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

use super::{
    Param, Row, Rows, StoreError,
    counts::Errors,
    dialect::Dialect,
    transaction::{Care, Runs, Transaction},
};
use crate::{domain::EventKey, failpoint};

/// How long a statement waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long SQLite waits for another process's write transaction.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between tries to reach a database that is not there.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Tries of one transaction that others' locks got in the way of.
const AGAIN_TRIES_MAX: u32 = 20;
/// Tries of one transaction whose connection was lost, and the pause between them.
const LOST_TRIES_MAX: u32 = 4;
const LOST_PAUSE: Duration = Duration::from_millis(250);

/// How to reach the database.
#[derive(Clone)]
pub struct StoreSettings {
    /// `sqlite://`, `postgres://` or `mysql://`; secret.
    pub url: String,
    /// Most connections of this program.
    pub connections_max: u32,
    /// Whether this program brings the tables up to date (`AUTO_MIGRATE`).
    pub migrate: bool,
}

/// Runs statements on a connection or in a transaction.
#[derive(Debug, Clone)]
pub struct Statements<C> {
    connection: C,
    dialect: Dialect,
    errors: Errors,
}

/// A database, with its dialect. Cheap to clone. A statement that is run on it is a transaction of
/// its own.
#[derive(Debug, Clone)]
pub struct Store {
    statements: Statements<DatabaseConnection>,
    care: Arc<Care>,
}

/// A transaction. Rolled back when dropped.
pub struct Tx {
    statements: Statements<Transaction>,
    care: Arc<Care>,
}

/// Which rows of an insertion were new.
#[derive(Debug)]
pub enum New {
    /// All.
    All,
    /// Those with these keys.
    Of(HashSet<EventKey>),
}

impl New {
    /// Whether the row with this key was.
    pub fn contains(&self, key: &EventKey) -> bool {
        match self {
            Self::All => true,
            Self::Of(keys) => keys.contains(key),
        }
    }

    /// How many of `all` rows were.
    pub fn count(&self, all: usize) -> usize {
        match self {
            Self::All => all,
            Self::Of(keys) => keys.len(),
        }
    }
}

impl Deref for Store {
    type Target = Statements<DatabaseConnection>;

    fn deref(&self) -> &Self::Target {
        &self.statements
    }
}

impl Deref for Tx {
    type Target = Statements<Transaction>;

    fn deref(&self) -> &Self::Target {
        &self.statements
    }
}

impl<C: Runs> Statements<C> {
    /// Reads rows (none where no rows were given).
    pub async fn all(
        &self,
        template: &str,
        rows: Option<&Rows>,
        params: Vec<Param<'_>>,
    ) -> Result<Vec<Row>, StoreError> {
        if rows.is_some_and(Rows::is_empty) {
            return Ok(Vec::new());
        }
        let filled = self.dialect.statement(template, rows, params)?;
        self.errors.counted(self.connection.fetch(filled).await)
    }

    /// Reads at most one row.
    pub async fn one(
        &self,
        template: &str,
        params: Vec<Param<'_>>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.all(template, None, params).await?.into_iter().next())
    }

    /// Runs a statement; how many rows it changed (none where no rows were given).
    pub async fn run(
        &self,
        template: &str,
        rows: Option<&Rows>,
        params: Vec<Param<'_>>,
    ) -> Result<u64, StoreError> {
        if rows.is_some_and(Rows::is_empty) {
            return Ok(0);
        }
        let filled = self.dialect.statement(template, rows, params)?;
        self.errors.counted(self.connection.execute(filled).await)
    }
}

impl Store {
    /// Waits until the database answers and its tables are there; `None` when `shutdown` came
    /// first. Errors are only those that waiting does not mend.
    pub async fn open(
        settings: &StoreSettings,
        shutdown: &CancellationToken,
    ) -> Result<Option<Self>, StoreError> {
        let mut told = false;
        loop {
            match Self::connect(settings).await {
                Ok(store) => return Ok(Some(store)),
                Err(error) if error.is_passing() => {
                    if !told {
                        tracing::warn!(%error, "waiting for the database");
                        told = true;
                    }
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY_PAUSE) => {}
                () = shutdown.cancelled() => return Ok(None),
            }
        }
    }

    /// Connects once; see [`open`](Self::open).
    pub async fn connect(settings: &StoreSettings) -> Result<Self, StoreError> {
        let dialect = Dialect::of_url(&settings.url)
            .ok_or_else(|| StoreError::Refused("the URL has no known scheme".to_owned()))?;
        if settings.migrate {
            migrate(&settings.url, dialect).await?;
        }
        let connection =
            Database::connect(options(&settings.url, settings.connections_max)).await?;
        let statements = Statements { connection, dialect, errors: Errors::default() };
        Ok(Self { statements, care: Arc::default() })
    }

    /// The same, counting errors into `errors`.
    pub fn counting(mut self, errors: &Errors) -> Self {
        self.statements.errors = errors.clone();
        self
    }

    /// The connection pool, for entities.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// Begins a transaction that writes: READ COMMITTED, and on SQLite the write lock at once.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let connection = if let Some(pool) = self.dialect.pool(&self.connection) {
            self.errors.counted(Transaction::postgres(pool).await)?
        } else {
            let read_committed = Some(IsolationLevel::ReadCommitted);
            let options = TransactionOptions {
                isolation_level: read_committed.filter(|_| self.dialect != Dialect::Sqlite),
                access_mode: None,
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            };
            let begun = self.connection.begin_with_options(options).await;
            Transaction::Orm(self.errors.counted(begun)?)
        };
        let (dialect, errors) = (self.dialect, self.errors.clone());
        let statements = Statements { connection, dialect, errors };
        Ok(Tx { statements, care: self.care.clone() })
    }

    /// Runs `work`, a whole transaction, again while others' locks get in its way.
    pub async fn again<T, W, F>(&self, work: W) -> Result<T, StoreError>
    where
        W: Fn() -> F,
        F: Future<Output = Result<T, StoreError>>,
    {
        for _ in 1..AGAIN_TRIES_MAX {
            match work().await {
                Err(StoreError::Again(error)) => tracing::debug!(error, "transaction run again"),
                other => return other,
            }
        }
        work().await
    }

    /// The same, and again also after the connection was lost, when nobody knows whether the commit was
    /// made: for work that finds what an earlier try of it left.
    pub async fn again_if_lost<T, W, F>(&self, work: W) -> Result<T, StoreError>
    where
        W: Fn() -> F,
        F: Future<Output = Result<T, StoreError>>,
    {
        for _ in 1..LOST_TRIES_MAX {
            match self.again(&work).await {
                Err(StoreError::Unavailable(error)) => {
                    tracing::debug!(error, "transaction run again, as its connection was lost");
                    tokio::time::sleep(LOST_PAUSE).await;
                }
                other => return other,
            }
        }
        self.again(&work).await
    }
}

impl Tx {
    /// Inserts rows by their unique `event_key`, the inbox of exactly-once: says which this
    /// transaction inserted. Rows should come sorted by key, each key once.
    pub async fn insert_new(&self, table: &str, rows: &Rows) -> Result<New, StoreError> {
        if rows.is_empty() || self.insert_trusting(table, rows).await? {
            return Ok(New::All);
        }
        let batch_id = i64::from_be_bytes(uuid::Uuid::new_v4().as_u64_pair().0.to_be_bytes());
        let [insert, read] = self.dialect.insert_new(table, rows, batch_id)?;
        if let Some(insert) = insert {
            self.errors.counted(self.connection.execute(insert).await)?;
        }
        let mut new = HashSet::with_capacity(rows.len());
        if let Some(read) = read {
            for row in self.errors.counted(self.connection.fetch(read).await)? {
                new.extend(EventKey::from_stored(&row.text("event_key")?));
            }
        }
        Ok(New::Of(new))
    }

    async fn insert_trusting(&self, table: &str, rows: &Rows) -> Result<bool, StoreError> {
        self.errors.counted(self.connection.insert(table, rows, &self.care).await)
    }

    /// Inserts one row into a table with a `{serial}` key; the key it was given.
    pub async fn insert_id(&self, text: &str, params: Vec<Param<'_>>) -> Result<i64, StoreError> {
        self.run(text, None, params).await?;
        let row = self.one("SELECT {last id} AS id", Vec::new()).await?;
        row.ok_or_else(|| StoreError::Refused("no id of the new row".to_owned()))?.int("id")
    }

    /// Sets, in the rows of `table` named by the first `keys` columns of `rows`, all the others.
    pub async fn update(&self, table: &str, keys: usize, rows: &Rows) -> Result<(), StoreError> {
        if !rows.is_empty() {
            let update = self.dialect.update(table, keys, rows)?;
            self.errors.counted(self.connection.execute(update).await)?;
        }
        Ok(())
    }

    /// Inserts rows that nobody else has.
    pub async fn insert(&self, table: &str, rows: &Rows) -> Result<(), StoreError> {
        if rows.is_empty() || self.insert_trusting(table, rows).await? {
            return Ok(());
        }
        let names: Vec<&str> = rows.columns().iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        let template =
            format!("INSERT INTO {table} ({names}) SELECT {names} FROM {{rows}} WHERE true");
        self.run(&template, Some(rows), Vec::new()).await?;
        Ok(())
    }

    /// Makes it so.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.statements.errors.counted(self.statements.connection.commit().await)?;
        // As when the connection is lost before the answer comes: nobody knows.
        Ok(failpoint::reach("store::after-commit")?)
    }

    /// Undoes it, and gives the connection back clean.
    pub async fn rollback(self) -> Result<(), StoreError> {
        self.statements.connection.rollback().await
    }
}

fn options(url: &str, connections_max: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(SQLITE_BUSY_TIMEOUT)
        })
        .map_sqlx_sqlite_pool_opts(|pool| {
            // Without room on the disk SQLite rolls back by itself. sqlx goes on counting that transaction,
            // so that the next ones would be savepoints in none, and their commits nothing: such a
            // connection is closed. The ping waits for a rollback that is under way.
            pool.after_release(|connection, _| {
                Box::pin(async move {
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
        });
    options
}

/// Brings the tables up to date; of several programs that try at once exactly one does it.
async fn migrate(url: &str, dialect: Dialect) -> Result<(), StoreError> {
    // One connection, so that the lock and the migrations share a session.
    let connection = Database::connect(options(url, 1)).await?;
    let done = match dialect.migration_lock() {
        Some([lock, unlock]) => {
            connection.execute_unprepared(lock).await?;
            let done = if migrations::is_done(&connection).await {
                Ok(())
            } else {
                Migrator::up(&connection, None).await
            };
            connection.execute_unprepared(unlock).await?;
            done
        }
        None => {
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            };
            let transaction = connection.begin_with_options(options).await?;
            if !migrations::is_done(&transaction).await {
                Migrator::up(&transaction, None).await?;
            }
            transaction.commit().await
        }
    };
    connection.close().await?;
    Ok(done?)
}
