//! What statements run on: a pool's connections or a transaction, sea-orm's own or, on PostgreSQL, sqlx's
//! beneath it, which takes whole columns as they are.
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, QueryResult, Statement, Value,
};
use sqlx::{
    AssertSqlSafe, PgPool, Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use tokio::sync::Mutex;

use super::{
    Row, Rows, StoreError, arrays,
    statement::{Filled, Values},
};

/// After a batch that met a stored key, so many are inserted with a look at each key: where some events
/// come twice, more will.
const CAREFUL_BATCHES: u32 = 16;
/// For fewer rows the savepoint costs more than the look at each key.
const TRUST_ROWS_MIN: usize = 100;

/// See the module.
pub enum Transaction {
    /// SQLite and MySQL.
    Orm(DatabaseTransaction),
    /// PostgreSQL.
    Postgres(Mutex<sqlx::Transaction<'static, Postgres>>),
}

/// Whether new rows are trusted to be new; shared by all transactions of a program.
#[derive(Debug, Default)]
pub struct Care(AtomicU32);

impl Care {
    fn trusts(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
    }

    fn take(&self) {
        self.0.store(CAREFUL_BATCHES, Ordering::Relaxed);
    }
}

impl Transaction {
    /// Begins one on PostgreSQL that sees what others have committed.
    pub async fn postgres(pool: &PgPool) -> Result<Self, StoreError> {
        let begun = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await;
        Ok(Self::Postgres(Mutex::new(begun?)))
    }

    /// Makes it so.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Orm(transaction) => Ok(transaction.commit().await?),
            Self::Postgres(transaction) => Ok(transaction.into_inner().commit().await?),
        }
    }

    /// Undoes it, and gives the connection back clean.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Orm(transaction) => Ok(transaction.rollback().await?),
            Self::Postgres(transaction) => Ok(transaction.into_inner().rollback().await?),
        }
    }

    /// Inserts rows of which none should be there yet, where this database has a faster way for that;
    /// false where it has none, or where a key is taken, and then nothing was done.
    pub async fn insert(&self, table: &str, rows: &Rows, care: &Care) -> Result<bool, StoreError> {
        let Self::Postgres(transaction) = self else { return Ok(false) };
        if rows.len() < TRUST_ROWS_MIN || !care.trusts() {
            return Ok(false);
        }
        let filled = arrays::insert(table, rows)?;
        let inserted = async {
            let savepoint = sqlx::raw_sql("SAVEPOINT inserted");
            savepoint.execute(&mut **transaction.lock().await).await?;
            self.execute(filled).await
        };
        match inserted.await {
            Ok(_) => Ok(true),
            Err(StoreError::Taken(_)) => {
                care.take();
                let undo = sqlx::raw_sql("ROLLBACK TO SAVEPOINT inserted");
                undo.execute(&mut **transaction.lock().await).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// What statements run on.
pub trait Runs {
    /// Runs a statement; how many rows it changed.
    fn execute(&self, filled: Filled) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Runs a statement that gives rows.
    fn fetch(&self, filled: Filled) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;
}

impl Runs for DatabaseConnection {
    async fn execute(&self, filled: Filled) -> Result<u64, StoreError> {
        let Filled { sql, values } = filled;
        match values {
            Values::Orm(values) => execute(self, sql, values).await,
            Values::Postgres(values) => {
                let pool = self.get_postgres_connection_pool();
                Ok(query(&sql, values).execute(pool).await?.rows_affected())
            }
        }
    }

    async fn fetch(&self, filled: Filled) -> Result<Vec<Row>, StoreError> {
        let Filled { sql, values } = filled;
        match values {
            Values::Orm(values) => fetch(self, sql, values).await,
            Values::Postgres(values) => {
                let pool = self.get_postgres_connection_pool();
                Ok(rows(query(&sql, values).fetch_all(pool).await?))
            }
        }
    }
}

impl Runs for Transaction {
    async fn execute(&self, filled: Filled) -> Result<u64, StoreError> {
        let Filled { sql, values } = filled;
        match (self, values) {
            (Self::Orm(transaction), Values::Orm(values)) => {
                execute(transaction, sql, values).await
            }
            (Self::Postgres(transaction), Values::Postgres(values)) => {
                let mut transaction = transaction.lock().await;
                Ok(query(&sql, values).execute(&mut **transaction).await?.rows_affected())
            }
            _ => Err(foreign()),
        }
    }

    async fn fetch(&self, filled: Filled) -> Result<Vec<Row>, StoreError> {
        let Filled { sql, values } = filled;
        match (self, values) {
            (Self::Orm(transaction), Values::Orm(values)) => fetch(transaction, sql, values).await,
            (Self::Postgres(transaction), Values::Postgres(values)) => {
                let mut transaction = transaction.lock().await;
                Ok(rows(query(&sql, values).fetch_all(&mut **transaction).await?))
            }
            _ => Err(foreign()),
        }
    }
}

fn query(sql: &str, values: PgArguments) -> Query<'_, Postgres, PgArguments> {
    sqlx::query_with(AssertSqlSafe(sql), values)
}

fn rows(found: Vec<PgRow>) -> Vec<Row> {
    found.into_iter().map(|row| Row(QueryResult::from(row))).collect()
}

fn statement(on: &impl ConnectionTrait, sql: String, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(on.get_database_backend(), sql, values)
}

async fn execute(
    on: &impl ConnectionTrait,
    sql: String,
    values: Vec<Value>,
) -> Result<u64, StoreError> {
    Ok(on.execute_raw(statement(on, sql, values)).await?.rows_affected())
}

async fn fetch(
    on: &impl ConnectionTrait,
    sql: String,
    values: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let found = on.query_all_raw(statement(on, sql, values)).await?;
    Ok(found.into_iter().map(Row).collect())
}

fn foreign() -> StoreError {
    StoreError::Broken("a statement of another database".to_owned())
}
