//! Values on their way into and out of statements: whole batches of rows as one parameter set,
//! so that a statement's text depends on its shape alone, never on the number of rows.
use std::borrow::Cow;

use sea_orm::{QueryResult, Value};
use serde_json::value::RawValue;
use sqlx::{Decode, MySql, Postgres, Row as _, Sqlite, Type};

use super::StoreError;

/// A single value of a statement, or of a row; a text may be borrowed.
#[derive(Debug, Clone, PartialEq)]
pub enum Param<'a> {
    /// A text or null.
    Text(Option<Cow<'a, str>>),
    /// An integer or null.
    Int(Option<i64>),
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text.into()))
    }
}
impl From<String> for Param<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(text.into()))
    }
}
impl From<Option<String>> for Param<'_> {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(Into::into))
    }
}
impl<'a> From<Option<&'a str>> for Param<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Into::into))
    }
}
impl From<i64> for Param<'_> {
    fn from(int: i64) -> Self {
        Self::Int(Some(int))
    }
}
impl From<Option<i64>> for Param<'_> {
    fn from(int: Option<i64>) -> Self {
        Self::Int(int)
    }
}
impl From<bool> for Param<'_> {
    fn from(truth: bool) -> Self {
        Self::Int(Some(i64::from(truth)))
    }
}

impl Param<'_> {
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.map(Cow::into_owned)),
            Self::Int(int) => Value::BigInt(int),
        }
    }
}

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of any length that an event may have.
    Text,
    /// A 64-bit integer.
    Int,
}

/// A value of a row; the texts of all rows lie one after the other in one place.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Null,
    Int(i64),
    Text { from: usize, until: usize },
}

/// The same, to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    /// A null of either type.
    Null,
    /// An integer.
    Int(i64),
    /// A text, not empty.
    Text(&'a str),
}

/// Many rows of the same named columns; stands for `{rows}` in a statement, aliased `r`.
///
/// In a row an empty text is a null: no column tells the two apart.
#[derive(Debug, Clone)]
pub struct Rows {
    columns: &'static [(&'static str, Kind)],
    cells: Vec<Cell>,
    texts: String,
}

impl Rows {
    /// No rows yet, of these columns.
    pub fn new(columns: &'static [(&'static str, Kind)]) -> Self {
        Self { columns, cells: Vec::new(), texts: String::new() }
    }

    /// Adds a row; its values are those of the columns, in order and type.
    pub fn push<const N: usize>(&mut self, row: [Param<'_>; N]) {
        self.extend(row);
    }

    /// Adds a row whose values come from several places.
    pub fn extend<'a>(&mut self, row: impl IntoIterator<Item = Param<'a>>) {
        for value in row {
            let cell = match value {
                Param::Text(Some(text)) if !text.is_empty() => {
                    let from = self.texts.len();
                    self.texts.push_str(&text);
                    Cell::Text { from, until: self.texts.len() }
                }
                Param::Int(Some(int)) => Cell::Int(int),
                Param::Text(_) | Param::Int(None) => Cell::Null,
            };
            self.cells.push(cell);
        }
        debug_assert_eq!(self.cells.len() % self.columns.len(), 0, "a value for every column");
    }

    /// True when no row was added.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.cells.len() / self.columns.len().max(1)
    }

    fn see(&self, cell: Cell) -> Seen<'_> {
        match cell {
            Cell::Null => Seen::Null,
            Cell::Int(int) => Seen::Int(int),
            Cell::Text { from, until } => Seen::Text(&self.texts[from..until]),
        }
    }

    /// A column's type.
    pub(super) fn kind(&self, place: usize) -> Kind {
        self.columns[place].1
    }

    /// A column's values.
    pub(super) fn column(&self, place: usize) -> impl Iterator<Item = Seen<'_>> {
        let cells = self.cells.iter().skip(place).step_by(self.columns.len());
        cells.map(|cell| self.see(*cell))
    }

    /// The one value that a column has in all rows.
    pub(super) fn constant(&self, place: usize) -> Option<Seen<'_>> {
        let mut values = self.column(place);
        let first = values.next()?;
        values.all(|value| value == first).then_some(first)
    }

    pub(super) fn columns(&self) -> &'static [(&'static str, Kind)] {
        self.columns
    }

    /// All rows as one JSON array of arrays, for `json_each` and `JSON_TABLE`.
    pub(super) fn json(&self) -> Param<'static> {
        let mut text = String::with_capacity(self.texts.len() + self.cells.len() * 8);
        text.push('[');
        for (n, row) in self.cells.chunks(self.columns.len()).enumerate() {
            text.push_str(if n == 0 { "[" } else { ",[" });
            for (n, cell) in row.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                match self.see(*cell) {
                    Seen::Text(cell) => text.push_str(&json_text(cell)),
                    Seen::Int(cell) => text.push_str(&cell.to_string()),
                    Seen::Null => text.push_str("null"),
                }
            }
            text.push(']');
        }
        text.push(']');
        text.into()
    }
}

fn json_text(text: &str) -> Box<str> {
    serde_json::value::to_raw_value(text).map(RawValueText::from).unwrap_or_default().0
}

#[derive(Default)]
struct RawValueText(Box<str>);

impl From<Box<RawValue>> for RawValueText {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw.into())
    }
}

/// A row that came back.
///
/// Read by sqlx itself: sea-orm makes an error of two texts of every null, and a row may have a dozen.
pub struct Row(pub(super) QueryResult);

impl Row {
    /// A text that cannot be null.
    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        self.text_or_null(column)?.ok_or_else(|| null(column))
    }

    /// A text or null.
    pub fn text_or_null(&self, column: &str) -> Result<Option<String>, StoreError> {
        let Some(row) = self.0.try_as_mysql_row() else { return self.value(column) };
        // Of a binary collation, such a column's type is bytes.
        let bytes: Option<Vec<u8>> = row.try_get(column)?;
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|error| StoreError::Broken(format!("{column}: {error}")))
    }

    /// An integer that cannot be null.
    pub fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.int_or_null(column)?.ok_or_else(|| null(column))
    }

    /// An integer or null.
    pub fn int_or_null(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.value(column)
    }

    fn value<T>(&self, column: &str) -> Result<Option<T>, StoreError>
    where
        T: Type<Postgres> + for<'r> Decode<'r, Postgres>,
        T: Type<MySql> + for<'r> Decode<'r, MySql>,
        T: Type<Sqlite> + for<'r> Decode<'r, Sqlite>,
    {
        let value = if let Some(row) = self.0.try_as_pg_row() {
            row.try_get(column)
        } else if let Some(row) = self.0.try_as_mysql_row() {
            row.try_get(column)
        } else if let Some(row) = self.0.try_as_sqlite_row() {
            row.try_get(column)
        } else {
            return Err(StoreError::Broken("a row of no known database".to_owned()));
        };
        Ok(value?)
    }

    /// A truth.
    pub fn truth(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }
}

fn null(column: &str) -> StoreError {
    StoreError::Broken(format!("{column} is null"))
}
