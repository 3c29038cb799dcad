//! A statement's text with its values, bound as its database takes them: on PostgreSQL as sqlx does, a column of
//! many rows as one array right from the rows; on the others as sea-orm does.
use sea_orm::Value;
use sqlx::{Arguments as _, error::BoxDynError, postgres::PgArguments};

use super::{Param, Rows, StoreError, arrays};

/// See the module.
pub struct Filled {
    /// Its text.
    pub sql: String,
    /// What stands for its placeholders.
    pub values: Values,
}

/// Values, in the placeholders' order.
pub enum Values {
    /// SQLite's and MySQL's.
    Orm(Vec<Value>),
    /// PostgreSQL's.
    Postgres(PgArguments),
}

impl Values {
    /// None yet, for sea-orm.
    pub const fn orm() -> Self {
        Self::Orm(Vec::new())
    }

    /// None yet, for PostgreSQL.
    pub fn postgres() -> Self {
        Self::Postgres(PgArguments::default())
    }

    /// How many there are: the last placeholder's number.
    pub fn len(&self) -> usize {
        match self {
            Self::Orm(values) => values.len(),
            Self::Postgres(values) => values.len(),
        }
    }

    /// Adds a single value.
    pub fn add(&mut self, value: Param<'_>) -> Result<(), StoreError> {
        match self {
            Self::Orm(values) => {
                values.push(value.into_value());
                Ok(())
            }
            Self::Postgres(values) => bound(match value {
                Param::Text(text) => values.add(text.as_deref()),
                Param::Int(int) => values.add(int),
            }),
        }
    }

    /// Adds the column at `place` as one array; on PostgreSQL alone.
    pub fn add_column(&mut self, rows: &Rows, place: usize) -> Result<(), StoreError> {
        match self {
            Self::Postgres(values) => bound(values.add(arrays::Column { rows, place })),
            Self::Orm(_) => Err(StoreError::Broken("an array for a database without".to_owned())),
        }
    }
}

fn bound(added: Result<(), BoxDynError>) -> Result<(), StoreError> {
    added.map_err(|error| StoreError::Refused(error.to_string()))
}
