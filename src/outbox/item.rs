//! What a worker says of its outbox: the table, and how one item of it is attempted.
use super::{Due, Which, outcome::Attempt};
use crate::{
    broker::hints::Hints,
    domain::Micros,
    store::{Row, StoreError},
};

/// A table whose rows leave, and its names. The table has the columns `id`, `created_us`, `state`
/// (`pending`, `delivered`, `dead`), `attempts`, `first_attempt_us`, `next_attempt_us`, `lease`,
/// `lease_until_us` and `delivered_us`; the table of attempts `number`, `time_us`, `duration_us`,
/// `status`, `error` and `answer`.
#[derive(Debug)]
pub struct Outbox {
    /// The worker's queue, and what the messages in it say.
    pub hints: Hints,
    /// The table.
    pub table: &'static str,
    /// What the worker reads of a row beside `id`, `attempts` and `first_attempt_us`, with commas.
    pub columns: &'static str,
    /// The table of attempts.
    pub attempts: &'static str,
    /// Its column of the item's id.
    pub attempt_of: &'static str,
    /// Whether hints stay in the queue while there is no courier; else they are taken, as the row
    /// is enough.
    pub hints_wait: bool,
}

impl Outbox {
    /// A statement with this outbox's names in the place of `{table}`, `{columns}`, `{attempts}`
    /// and `{attempt_of}`.
    pub(super) fn sql(&self, template: &str) -> String {
        template
            .replace("{table}", self.table)
            .replace("{columns}", self.columns)
            .replace("{attempts}", self.attempts)
            .replace("{attempt_of}", self.attempt_of)
    }
}

/// A row that was claimed.
pub trait Item: Sized + Send + Sync + 'static {
    /// Where it lies.
    const OUTBOX: &'static Outbox;

    /// From a row of the outbox's columns.
    fn read(row: &Row) -> Result<Self, StoreError>;

    /// Its key, the same at every attempt.
    fn id(&self) -> &str;

    /// Attempts before this one.
    fn attempts(&self) -> i64;

    /// When the first attempt was claimed; none: this is it.
    fn first_attempt(&self) -> Option<Micros>;
}

/// Makes the attempts.
pub trait Courier: Send + Sync + 'static {
    /// What it carries.
    type Item: Item;

    /// One attempt, which began at `began`; ends within [`Plan::timeout`](super::Plan).
    fn attempt(&self, item: &Self::Item, began: Micros) -> impl Future<Output = Attempt> + Send;

    /// Which of the items that are due leave now, no more than `which` says; the others stay as
    /// they are. A part of the claim's transaction, which may be run again.
    fn pick(
        &self,
        due: &Due<'_>,
        which: Which<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Item>, StoreError>> + Send {
        due.lock(which)
    }

    /// The earliest instant, of those learnt since the last call, at which [`pick`](Self::pick)
    /// may let something leave that it held back.
    fn wakes_at(&self) -> Option<Micros> {
        None
    }
}
