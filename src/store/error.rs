//! What went wrong with the database, as the decision that follows from it.
use sea_orm::{DbErr, RuntimeErr, SqlxError};

use crate::failpoint::Struck;

/// An error of the database; its variants say what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Out of reach, restarting, out of space or connections: hold what you have and try again
    /// later. Nothing is known of a commit that ended so.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A deadlock, a lock time-out, a serialization failure: run the whole transaction again.
    #[error("the transaction has to be run again: {0}")]
    Again(String),
    /// A unique key is taken.
    #[error("already there: {0}")]
    Taken(String),
    /// The data do not fit; the same data will never fit.
    #[error("the database refused the data: {0}")]
    Refused(String),
    /// The database is not as it should be: a table is missing, a right was taken away. Not the
    /// data's fault, and for a person to mend: hold what you have and try again later.
    #[error("the database is not as expected: {0}")]
    Broken(String),
}

impl StoreError {
    /// True when the same transaction may succeed later as it is.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Again(_))
    }

    /// True when the data of this very transaction are to blame.
    pub fn blames_data(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Taken(_))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let sqlx = match &error {
            DbErr::ConnectionAcquire(_) => return Self::Unavailable(error.to_string()),
            DbErr::Conn(RuntimeErr::SqlxError(e))
            | DbErr::Exec(RuntimeErr::SqlxError(e))
            | DbErr::Query(RuntimeErr::SqlxError(e)) => e.clone(),
            _ => return Self::Broken(error.to_string()),
        };
        from_sqlx(&sqlx)
    }
}

impl From<SqlxError> for StoreError {
    fn from(error: SqlxError) -> Self {
        from_sqlx(&error)
    }
}

impl From<Struck> for StoreError {
    fn from(struck: Struck) -> Self {
        Self::Unavailable(struck.to_string())
    }
}

fn from_sqlx(error: &SqlxError) -> StoreError {
    let text = error.to_string();
    match error {
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => StoreError::Unavailable(text),
        SqlxError::Database(database) => {
            if database.is_unique_violation() {
                return StoreError::Taken(text);
            }
            let mysql = database
                .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                .map(|mysql| mysql.number().to_string());
            let code = mysql.or_else(|| database.code().map(std::borrow::Cow::into_owned));
            by_code(code.as_deref().unwrap_or_default(), text)
        }
        _ => StoreError::Broken(text),
    }
}

/// SQLSTATE of PostgreSQL (five characters), error number of MySQL and MariaDB (four digits),
/// (extended) result code of SQLite (the rest).
fn by_code(code: &str, text: String) -> StoreError {
    const AGAIN: [&str; 9] = ["40001", "40P01", "55P03", "1213", "1205", "5", "6", "261", "517"];
    const UNAVAILABLE: [&str; 16] = [
        "1040", "1053", "1021", "1114", "1129", "1158", "1159", "1160", "1161", "1290", "1836",
        "1927", "10", "13", "14", "8",
    ];
    const REFUSED: [&str; 9] = ["1048", "1264", "1292", "1366", "1406", "1690", "3140", "18", "20"];
    let class = if code.len() == 5 { code.get(..2) } else { None };
    if AGAIN.contains(&code) {
        StoreError::Again(text)
    } else if UNAVAILABLE.contains(&code)
        || matches!(class, Some("08" | "25" | "53" | "57" | "58"))
        || is_sqlite_io(code)
    {
        StoreError::Unavailable(text)
    } else if REFUSED.contains(&code) || matches!(class, Some("22" | "23" | "54")) {
        StoreError::Refused(text)
    } else {
        StoreError::Broken(text)
    }
}

/// `SQLITE_IOERR` and its extended codes: the low byte is 10.
fn is_sqlite_io(code: &str) -> bool {
    code.len() <= 4 && !code.starts_with('1') && code.parse::<u32>().is_ok_and(|c| c & 0xff == 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_what_to_do() {
        let cases = [
            ("40001", "again"),
            ("40P01", "again"),
            ("1213", "again"),
            ("1205", "again"),
            ("5", "again"),
            ("57P01", "unavailable"),
            ("53100", "unavailable"),
            ("08006", "unavailable"),
            ("1053", "unavailable"),
            ("13", "unavailable"),
            ("778", "unavailable"),
            ("22003", "refused"),
            ("1406", "refused"),
            ("54000", "refused"),
            ("42P01", "broken"),
            ("1146", "broken"),
            ("1", "broken"),
        ];
        for (code, expected) in cases {
            let told = match by_code(code, String::new()) {
                StoreError::Again(_) => "again",
                StoreError::Unavailable(_) => "unavailable",
                StoreError::Taken(_) => "taken",
                StoreError::Refused(_) => "refused",
                StoreError::Broken(_) => "broken",
            };
            assert_eq!(told, expected, "{code}");
        }
    }
}
