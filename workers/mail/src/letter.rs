//! A letter as it is claimed: the row of `letter` that [`referral::outbox`] moves for this worker.
//!
//! Owns the names of its tables and what is read of a row. Refuses to know how it is claimed, and
//! what it says.
use referral::{
    broker::hints,
    domain::Micros,
    outbox::{Item, Outbox},
    store::{Row, StoreError},
};

/// A letter that was claimed. Its texts are as the row has them: nothing is believed of them yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Makes the `Message-ID`.
    pub id: String,
    /// The site.
    pub host: String,
    /// `access` or `password`.
    pub kind: String,
    /// Whom it is for.
    pub email: String,
    /// Attempts before this one.
    pub attempts: i64,
    /// When the first attempt was claimed; none: this is it.
    pub first_attempt_us: Option<i64>,
}

/// The letters and their attempts.
pub const OUTBOX: Outbox = Outbox {
    hints: hints::LETTERS,
    table: "letter",
    columns: "host, kind, email",
    attempts: "letter_attempt",
    attempt_of: "letter_id",
    hints_wait: true,
};

impl Item for Letter {
    const OUTBOX: &'static Outbox = &OUTBOX;

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            host: row.text("host")?,
            kind: row.text("kind")?,
            email: row.text("email")?,
            attempts: row.int("attempts")?,
            first_attempt_us: row.int_or_null("first_attempt_us")?,
        })
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn attempts(&self) -> i64 {
        self.attempts
    }

    fn first_attempt(&self) -> Option<Micros> {
        self.first_attempt_us.map(Micros)
    }
}
