//! What a transaction runs on: sea-orm's own connection or, on PostgreSQL, sqlx's beneath it, which takes
//! whole columns as they are.
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, PgPool, Postgres, query::Query};
use tokio::sync::Mutex;

use super::{Rows, StoreError, arrays};

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
        let (sql, values) =
            arrays::insert(table, rows).map_err(|error| StoreError::Refused(error.to_string()))?;
        let mut transaction = transaction.lock().await;
        let inserted = async {
            sqlx::raw_sql("SAVEPOINT inserted").execute(&mut **transaction).await?;
            sqlx::query_with(AssertSqlSafe(sql), values).execute(&mut **transaction).await
        };
        match inserted.await.map_err(StoreError::from) {
            Ok(_) => Ok(true),
            Err(StoreError::Taken(_)) => {
                care.take();
                let undo = sqlx::raw_sql("ROLLBACK TO SAVEPOINT inserted");
                undo.execute(&mut **transaction).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

fn query(statement: &mut Statement) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.take().unwrap_or_else(|| sea_orm::Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Orm(transaction) => transaction.get_database_backend(),
            Self::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, mut statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Orm(transaction) => transaction.execute_raw(statement).await,
            Self::Postgres(transaction) => {
                let mut transaction = transaction.lock().await;
                let done = query(&mut statement).execute(&mut **transaction).await;
                done.map(ExecResult::from).map_err(failed)
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Orm(transaction) => transaction.execute_unprepared(sql).await,
            Self::Postgres(transaction) => {
                let mut transaction = transaction.lock().await;
                let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction).await;
                done.map(ExecResult::from).map_err(failed)
            }
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, mut statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Orm(transaction) => transaction.query_all_raw(statement).await,
            Self::Postgres(transaction) => {
                let mut transaction = transaction.lock().await;
                let found = query(&mut statement).fetch_all(&mut **transaction).await;
                let found = found.map_err(failed)?;
                Ok(found.into_iter().map(QueryResult::from).collect())
            }
        }
    }
}
