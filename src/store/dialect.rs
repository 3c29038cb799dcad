//! All differences between the databases, in one file.
//!
//! Statements are written once, with these words:
//!
//! | word | becomes |
//! | --- | --- |
//! | `{rows}` | a table of the given [`Rows`], alias `r` included |
//! | `{, rows}`, `{from rows}` | `UPDATE t{, rows} SET … {from rows} WHERE …`: joins the rows where the database wants it said |
//! | `{?}` | the next single value |
//! | `{conflict KEYS}` | `ON CONFLICT (KEYS) DO UPDATE SET` / `ON DUPLICATE KEY UPDATE` |
//! | `{old T.C}`, `{new C}` | in what follows: the stored and the arriving value of column C |
//! | `{greatest}`, `{least}` | the function's name |
//! | `{skip locked}` | `FOR UPDATE SKIP LOCKED` where there are row locks |
//! | `{for update}` | `FOR UPDATE` where there are row locks |
//! | `{last id}` | the `{serial}` key that this transaction's last INSERT made |
//! | `{as int X}` | X, a sum, as a 64-bit integer |
//! | `{after ID}`, `{in order of ID}` | `ID > {?}`, and ID's order, along an index that holds no more of ID than its [stretch](STRETCH_BITS) |
use std::fmt::Write as _;

use sea_orm::{DatabaseBackend, DatabaseConnection};
use sqlx::PgPool;

use super::{
    StoreError, arrays,
    rows::{Kind, Param, Rows},
    statement::{Filled, Values},
};

/// Ids that have all but so many bits in common make a stretch. PostgreSQL's index `click_of_code` knows
/// stretches alone, so that a code's clicks in one of them share an entry.
const STRETCH_BITS: u32 = 16;

/// Which database this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `PostgreSQL`.
    Postgres,
    /// `SQLite`.
    Sqlite,
    /// `MySQL` or `MariaDB`.
    Mysql,
}

impl From<DatabaseBackend> for Dialect {
    fn from(backend: DatabaseBackend) -> Self {
        match backend {
            DatabaseBackend::Postgres => Self::Postgres,
            DatabaseBackend::MySql => Self::Mysql,
            _ => Self::Sqlite,
        }
    }
}

impl Dialect {
    /// By the scheme of a database URL; `None` for any other scheme.
    pub fn of_url(url: &str) -> Option<Self> {
        match url.split_once(':')?.0 {
            "postgres" | "postgresql" => Some(Self::Postgres),
            "sqlite" => Some(Self::Sqlite),
            "mysql" | "mariadb" => Some(Self::Mysql),
            _ => None,
        }
    }

    /// The connections beneath sea-orm's, where statements run on them; see `transaction.rs`.
    pub(super) fn pool(self, connection: &DatabaseConnection) -> Option<&PgPool> {
        (self == Self::Postgres).then(|| connection.get_postgres_connection_pool())
    }

    /// For the values of such statements.
    fn values(self) -> Values {
        if self == Self::Postgres { Values::postgres() } else { Values::orm() }
    }

    /// What to say to the database so that nobody else runs migrations meanwhile, and after.
    /// SQLite needs neither: its migrations run in one immediate transaction.
    pub(super) const fn migration_lock(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Postgres => Some([
                "SELECT pg_advisory_lock(7236837534)",
                "SELECT pg_advisory_unlock(7236837534)",
            ]),
            Self::Sqlite => None,
            Self::Mysql => Some([
                "SELECT GET_LOCK('referral.migrations', 600)",
                "SELECT RELEASE_LOCK('referral.migrations')",
            ]),
        }
    }

    /// Fills a statement's words in; see the module.
    pub(super) fn statement(
        self,
        template: &str,
        rows: Option<&Rows>,
        params: Vec<Param<'_>>,
    ) -> Result<Filled, StoreError> {
        let mut sql = String::with_capacity(template.len() + 256);
        let mut values = self.values();
        let mut params = params.into_iter();
        let mut rest = template;
        while let Some((before, word_on)) = rest.split_once('{') {
            let (word, after) = word_on.split_once('}').unwrap_or((word_on, ""));
            sql.push_str(before);
            match word {
                "rows" | ", rows" | "from rows" => {
                    if let Some((before, rows)) = self.before_rows(word).zip(rows) {
                        sql.push_str(before);
                        self.source(rows, &mut sql, &mut values)?;
                    }
                }
                "?" => {
                    params.next().map_or(Ok(()), |param| values.add(param))?;
                    self.placeholder(values.len(), &mut sql);
                }
                word if word.starts_with("after ") => {
                    params.next().map_or(Ok(()), |param| values.add(param))?;
                    self.after(&word["after ".len()..], values.len(), &mut sql);
                }
                word => sql.push_str(&self.word(word)),
            }
            rest = after;
        }
        sql.push_str(rest);
        Ok(Filled { sql, values })
    }

    /// What stands before the rows at this word; `None` where this database wants none there.
    fn before_rows(self, word: &str) -> Option<&'static str> {
        match (word, self) {
            ("rows", _) => Some(""),
            (", rows", Self::Mysql) => Some(", "),
            ("from rows", Self::Postgres | Self::Sqlite) => Some("FROM "),
            _ => None,
        }
    }

    fn word(self, word: &str) -> String {
        let mysql = self == Self::Mysql;
        if let Some(keys) = word.strip_prefix("conflict ") {
            return if mysql {
                "ON DUPLICATE KEY UPDATE".to_owned()
            } else {
                format!("ON CONFLICT ({keys}) DO UPDATE SET")
            };
        }
        if let Some(column) = word.strip_prefix("old ") {
            return column.to_owned();
        }
        if let Some(column) = word.strip_prefix("new ") {
            return if mysql { format!("VALUES({column})") } else { format!("excluded.{column}") };
        }
        if let Some(sum) = word.strip_prefix("as int ") {
            let kind = if mysql { "SIGNED" } else { "BIGINT" };
            return format!("CAST({sum} AS {kind})");
        }
        if let Some(id) = word.strip_prefix("in order of ") {
            let postgres = self == Self::Postgres;
            return if postgres { format!("{id} >> {STRETCH_BITS}, {id}") } else { id.to_owned() };
        }
        let sqlite = self == Self::Sqlite;
        match word {
            "last id" => match self {
                Self::Postgres => "lastval()",
                Self::Sqlite => "last_insert_rowid()",
                Self::Mysql => "CAST(LAST_INSERT_ID() AS SIGNED)",
            }
            .to_owned(),
            "greatest" => if sqlite { "max" } else { "GREATEST" }.to_owned(),
            "least" => if sqlite { "min" } else { "LEAST" }.to_owned(),
            "skip locked" => if sqlite { "" } else { "FOR UPDATE SKIP LOCKED" }.to_owned(),
            "for update" => if sqlite { "" } else { "FOR UPDATE" }.to_owned(),
            other => format!("{{{other}}}"),
        }
    }

    fn placeholder(self, number: usize, sql: &mut String) {
        if self == Self::Postgres {
            let _ = write!(sql, "${number}");
        } else {
            sql.push('?');
        }
    }

    fn after(self, id: &str, number: usize, sql: &mut String) {
        if self == Self::Postgres {
            let _ = write!(sql, "{id} >> {STRETCH_BITS} >= ${number} >> {STRETCH_BITS} AND ");
        }
        let _ = write!(sql, "{id} > ");
        self.placeholder(number, sql);
    }

    /// The rows as a table expression `… AS r(columns)`.
    fn source(self, rows: &Rows, sql: &mut String, values: &mut Values) -> Result<(), StoreError> {
        let columns = rows.columns();
        match self {
            Self::Postgres => arrays::table(rows, sql, values)?,
            Self::Sqlite => {
                let picked: Vec<String> = columns
                    .iter()
                    .enumerate()
                    .map(|(n, (name, _))| format!("value->>{n} AS {name}"))
                    .collect();
                values.add(rows.json())?;
                let _ = write!(sql, "(SELECT {} FROM json_each(?)) AS r", picked.join(", "));
            }
            Self::Mysql => {
                let picked: Vec<String> = columns
                    .iter()
                    .enumerate()
                    .map(|(n, (name, kind))| {
                        let kind = match kind {
                            Kind::Text => "VARCHAR(4096) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                            Kind::Int => "BIGINT",
                        };
                        format!("{name} {kind} PATH '$[{n}]' NULL ON EMPTY ERROR ON ERROR")
                    })
                    .collect();
                values.add(rows.json())?;
                let _ = write!(sql, "JSON_TABLE(?, '$[*]' COLUMNS({})) AS r", picked.join(", "));
            }
        }
        Ok(())
    }

    /// A statement that sets, in the rows of `table` with the keys of the given rows, all other
    /// columns of the given rows. The first `keys` columns are the key.
    pub(super) fn update(
        self,
        table: &str,
        keys: usize,
        rows: &Rows,
    ) -> Result<Filled, StoreError> {
        let names = || rows.columns().iter().map(|(name, _)| *name);
        let on: Vec<String> =
            names().take(keys).map(|name| format!("{table}.{name} = r.{name}")).collect();
        let on = on.join(" AND ");
        // Only MySQL takes, and needs, the table's name before a column that is set.
        let prefix = if self == Self::Mysql { format!("{table}.") } else { String::new() };
        let set: Vec<String> =
            names().skip(keys).map(|name| format!("{prefix}{name} = r.{name}")).collect();
        let set = set.join(", ");
        let template = format!("UPDATE {table}{{, rows}} SET {set} {{from rows}} WHERE {on}");
        self.statement(&template, Some(rows), Vec::new())
    }

    /// The statements that insert rows by their unique `event_key` and tell which were new.
    ///
    /// `RETURNING` tells it where there is one. MySQL has none: there the rows carry the number
    /// of their insertion, and are read back by it.
    pub(super) fn insert_new(
        self,
        table: &str,
        rows: &Rows,
        batch_id: i64,
    ) -> Result<[Option<Filled>; 2], StoreError> {
        let names: Vec<&str> = rows.columns().iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        if self == Self::Mysql {
            let insert = format!(
                "INSERT INTO {table} ({names}, batch_id) SELECT {names}, {batch_id} FROM {{rows}} \
                 WHERE true ON DUPLICATE KEY UPDATE {table}.event_key = {table}.event_key"
            );
            let read = format!(
                "SELECT {table}.event_key AS event_key FROM {{rows}} \
                 JOIN {table} ON {table}.event_key = r.event_key \
                 WHERE {table}.batch_id = {batch_id}"
            );
            let read = self.statement(&read, Some(rows), Vec::new())?;
            Ok([Some(self.statement(&insert, Some(rows), Vec::new())?), Some(read)])
        } else {
            let insert = format!(
                "INSERT INTO {table} ({names}) SELECT {names} FROM {{rows}} WHERE true \
                 ON CONFLICT (event_key) DO NOTHING RETURNING event_key"
            );
            Ok([None, Some(self.statement(&insert, Some(rows), Vec::new())?)])
        }
    }
}
