//! Values on their way into and out of statements: whole batches of rows as one parameter set,
//! so that a statement's text depends on its shape alone, never on the number of rows.
use sea_orm::{QueryResult, Value};
use serde_json::value::RawValue;

use super::StoreError;

/// A single value of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// A text or null.
    Text(Option<String>),
    /// An integer or null.
    Int(Option<i64>),
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}
impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}
impl From<Option<String>> for Param {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}
impl From<Option<&str>> for Param {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}
impl From<i64> for Param {
    fn from(int: i64) -> Self {
        Self::Int(Some(int))
    }
}
impl From<Option<i64>> for Param {
    fn from(int: Option<i64>) -> Self {
        Self::Int(int)
    }
}
impl From<bool> for Param {
    fn from(truth: bool) -> Self {
        Self::Int(Some(i64::from(truth)))
    }
}

impl Param {
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text),
            Self::Int(int) => Value::BigInt(int),
        }
    }
}

/// Stands for a null integer where a null cannot travel; no integer of ours is ever this one.
pub(super) const NULL_INT: i64 = i64::MIN;

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of any length that an event may have.
    Text,
    /// A 64-bit integer.
    Int,
}

/// Many rows of the same named columns; stands for `{rows}` in a statement, aliased `r`.
///
/// In a row an empty text is a null: no column tells the two apart.
#[derive(Debug, Clone)]
pub struct Rows {
    columns: &'static [(&'static str, Kind)],
    cells: Vec<Param>,
}

impl Rows {
    /// No rows yet, of these columns.
    pub fn new(columns: &'static [(&'static str, Kind)]) -> Self {
        Self { columns, cells: Vec::new() }
    }

    /// Adds a row; its values are those of the columns, in order and type.
    pub fn push<const N: usize>(&mut self, row: [Param; N]) {
        self.extend(row);
    }

    /// Adds a row whose values come from several places.
    pub fn extend(&mut self, row: impl IntoIterator<Item = Param>) {
        self.cells.extend(row.into_iter().map(|cell| match cell {
            Param::Text(Some(text)) if text.is_empty() => Param::Text(None),
            cell => cell,
        }));
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

    pub(super) fn columns(&self) -> &'static [(&'static str, Kind)] {
        self.columns
    }

    /// One array a column, for `UNNEST`.
    pub(super) fn arrays(&self) -> impl Iterator<Item = Value> + '_ {
        let width = self.columns.len();
        self.columns.iter().enumerate().map(move |(place, (_, kind))| {
            let cells = self.cells.iter().skip(place).step_by(width).cloned();
            let values: Vec<Value> = cells
                .map(|cell| match cell {
                    Param::Text(text) => Value::String(Some(text.unwrap_or_default())),
                    Param::Int(int) => Value::BigInt(Some(int.unwrap_or(NULL_INT))),
                })
                .collect();
            let kind = match kind {
                Kind::Text => sea_orm::sea_query::ArrayType::String,
                Kind::Int => sea_orm::sea_query::ArrayType::BigInt,
            };
            Value::Array(kind, Some(Box::new(values)))
        })
    }

    /// All rows as one JSON array of arrays, for `json_each` and `JSON_TABLE`.
    pub(super) fn json(&self) -> Value {
        let mut text = String::with_capacity(self.cells.len() * 16);
        text.push('[');
        for (n, row) in self.cells.chunks(self.columns.len()).enumerate() {
            text.push_str(if n == 0 { "[" } else { ",[" });
            for (n, cell) in row.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                match cell {
                    Param::Text(Some(cell)) => text.push_str(&json_text(cell)),
                    Param::Int(Some(cell)) => text.push_str(&cell.to_string()),
                    Param::Text(None) | Param::Int(None) => text.push_str("null"),
                }
            }
            text.push(']');
        }
        text.push(']');
        Value::String(Some(text))
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
pub struct Row(pub(super) QueryResult);

impl Row {
    /// A text that cannot be null.
    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.0.try_get("", column)?)
    }

    /// A text or null.
    pub fn text_or_null(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.0.try_get("", column)?)
    }

    /// An integer that cannot be null.
    pub fn int(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.0.try_get("", column)?)
    }

    /// An integer or null.
    pub fn int_or_null(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.0.try_get("", column)?)
    }

    /// A truth.
    pub fn truth(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }
}
