//! Rows as PostgreSQL takes them fastest in one round trip: one array a column, written in its binary form right
//! from the rows, nulls included; in an INSERT a column whose values are all the same is one value.
//!
//! (`COPY` takes the server no less: what costs is `ON CONFLICT`. And it takes three round trips.)
use std::fmt::Write as _;

use sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo},
};

use super::{
    Param, StoreError,
    rows::{Kind, Rows, Seen},
    statement::{Filled, Values},
};

/// In the place of a value's length.
const NULL: i32 = -1;
/// The object ids of the elements' types, as PostgreSQL has them since ever.
const INT8: u32 = 20;
const TEXT: u32 = 25;

/// A statement that inserts all rows, and fails where a key is taken.
pub(super) fn insert(table: &str, rows: &Rows) -> Result<Filled, StoreError> {
    let names: Vec<&str> = rows.columns().iter().map(|(name, _)| *name).collect();
    let mut sql = format!("INSERT INTO {table} ({}) SELECT ", names.join(", "));
    let mut values = Values::postgres();
    for (place, (_, kind)) in rows.columns().iter().enumerate() {
        let (comma, number) = (if place == 0 { "" } else { ", " }, place + 1);
        if let Some(same) = rows.constant(place) {
            let _ = write!(sql, "{comma}${number}::{}", element(*kind));
            values.add(match (same, kind) {
                (Seen::Text(text), _) => Param::from(text),
                (Seen::Int(int), _) => Param::from(int),
                (Seen::Null, Kind::Text) => Param::Text(None),
                (Seen::Null, Kind::Int) => Param::Int(None),
            })?;
        } else {
            let _ = write!(sql, "{comma}unnest(${number}::{}[])", element(*kind));
            values.add_column(rows, place)?;
        }
    }
    Ok(Filled { sql, values })
}

/// Writes all rows as a table, alias `r`.
pub(super) fn table(rows: &Rows, sql: &mut String, values: &mut Values) -> Result<(), StoreError> {
    sql.push_str("UNNEST(");
    for (place, (_, kind)) in rows.columns().iter().enumerate() {
        values.add_column(rows, place)?;
        let comma = if place == 0 { "" } else { ", " };
        let _ = write!(sql, "{comma}${}::{}[]", values.len(), element(*kind));
    }
    let names: Vec<&str> = rows.columns().iter().map(|(name, _)| *name).collect();
    let _ = write!(sql, ") AS r({})", names.join(", "));
    Ok(())
}

const fn element(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Int => "bigint",
    }
}

/// One column of all rows.
pub(super) struct Column<'a> {
    pub(super) rows: &'a Rows,
    pub(super) place: usize,
}

impl Type<Postgres> for Column<'_> {
    fn type_info() -> PgTypeInfo {
        <[i64] as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Column<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        write_array(self.rows, self.place, buffer);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(match self.rows.kind(self.place) {
            Kind::Text => <[&str] as Type<Postgres>>::type_info(),
            Kind::Int => <[i64] as Type<Postgres>>::type_info(),
        })
    }
}

/// One dimension, nulls allowed, counted from 1.
fn write_array(rows: &Rows, place: usize, buffer: &mut Vec<u8>) {
    let element = if rows.kind(place) == Kind::Text { TEXT } else { INT8 };
    for word in [1, 1, element as i32, rows.len() as i32, 1] {
        buffer.extend_from_slice(&word.to_be_bytes());
    }
    for value in rows.column(place) {
        match value {
            Seen::Null => buffer.extend_from_slice(&NULL.to_be_bytes()),
            Seen::Int(int) => {
                buffer.extend_from_slice(&8_i32.to_be_bytes());
                buffer.extend_from_slice(&int.to_be_bytes());
            }
            Seen::Text(text) => {
                buffer.extend_from_slice(&(text.len() as i32).to_be_bytes());
                buffer.extend_from_slice(text.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let columns = &[("name", Kind::Text), ("number", Kind::Int), ("none", Kind::Text)];
        let mut rows = Rows::new(columns);
        rows.push(["ä".into(), 258.into(), "".into()]);
        rows.push(["".into(), 258.into(), "".into()]);
        rows
    }

    #[test]
    fn what_is_the_same_in_all_rows_is_one_value() {
        let Filled { sql, values } = insert("t", &rows()).unwrap();
        let expected = "INSERT INTO t (name, number, none) \
            SELECT unnest($1::text[]), $2::bigint, $3::text";
        assert_eq!((sql.as_str(), values.len()), (expected, 3));
    }

    #[test]
    fn as_a_table_every_column_is_an_array() {
        let (mut sql, mut values) = (String::new(), Values::postgres());
        values.add(7.into()).unwrap();
        table(&rows(), &mut sql, &mut values).unwrap();
        let expected = "UNNEST($2::text[], $3::bigint[], $4::text[]) AS r(name, number, none)";
        assert_eq!((sql.as_str(), values.len()), (expected, 4));
    }

    #[test]
    fn an_array_is_written_as_postgres_reads_it() {
        let mut written = Vec::new();
        write_array(&rows(), 0, &mut written);
        let head = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1];
        let elements = [0, 0, 0, 2, 0xc3, 0xa4, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(written, [&head[..], &elements[..]].concat());
    }
}
