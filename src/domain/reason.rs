//! Why an event is bad: the stable codes of contract 1, with one sentence that names the field.
use std::fmt;

/// The stable snake_case codes of `x-reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Over `MAX_MESSAGE`, or a batch of more than 1,000 events.
    TooLarge,
    /// Not JSON, or not UTF-8.
    MalformedJson,
    /// JSON, but not the shape of an event.
    Schema,
    /// No type that anybody handles.
    UnknownType,
    /// A type that does not belong under the message's routing key.
    WrongKey,
    /// More than 24 h in the future.
    TimeInFuture,
    /// Not 20 characters of `[0-9A-Za-z]`.
    CodeInvalid,
    /// Not a decimal of at most 2 decimals in range.
    AmountInvalid,
    /// No such domain.
    UnknownDomain,
    /// No such programme in the event's domain.
    UnknownProgramme,
    /// Crashed a worker five times when tried alone.
    CrashesWorker,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::TooLarge,
        Self::MalformedJson,
        Self::Schema,
        Self::UnknownType,
        Self::WrongKey,
        Self::TimeInFuture,
        Self::CodeInvalid,
        Self::AmountInvalid,
        Self::UnknownDomain,
        Self::UnknownProgramme,
        Self::CrashesWorker,
    ];

    /// The code as it stands in `x-reason` and in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::MalformedJson => "malformed_json",
            Self::Schema => "schema",
            Self::UnknownType => "unknown_type",
            Self::WrongKey => "wrong_key",
            Self::TimeInFuture => "time_in_future",
            Self::CodeInvalid => "code_invalid",
            Self::AmountInvalid => "amount_invalid",
            Self::UnknownDomain => "unknown_domain",
            Self::UnknownProgramme => "unknown_programme",
            Self::CrashesWorker => "crashes_worker",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A bad event's reason and the sentence for `x-detail`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Bad {
    /// The stable code.
    pub reason: Reason,
    /// One human sentence that names the field.
    pub detail: String,
}

impl Bad {
    /// A reason with its sentence.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
