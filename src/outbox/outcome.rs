//! From an attempt to what follows: the decision, pure.
//!
//! Owns the states of an item (contract 6, "States"). Refuses to read answers: what a status or a
//! reply means, the [`Courier`](super::Courier) says.
use std::time::Duration;

use super::{
    Item,
    schedule::{Failure, Next, Policy, next_attempt},
};
use crate::domain::Micros;

/// What one attempt brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The status, where one arrived.
    pub status: Option<u16>,
    /// What went wrong, for people; holds neither address nor secret.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<String>,
    /// How it failed; none: it did not.
    pub failure: Option<Failure>,
}

/// What becomes of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived, now.
    Delivered(Micros),
    /// It is tried again, then.
    Again(Micros),
    /// It is given up, now.
    Dead(Micros),
}

/// An attempt and what follows from it, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whose attempt.
    pub item_id: String,
    /// Which, from 1.
    pub number: i64,
    /// When it began.
    pub time_us: i64,
    /// How long it took.
    pub duration_us: i64,
    /// As in [`Attempt`].
    pub status: Option<u16>,
    /// As in [`Attempt`].
    pub error: Option<String>,
    /// As in [`Attempt`].
    pub answer: Option<String>,
    /// What follows.
    pub verdict: Verdict,
}

/// The instant at which what began at `began` and took so long ended.
pub fn ended(began: Micros, took: Duration) -> Micros {
    Micros(began.0.saturating_add(micros(took)))
}

fn micros(took: Duration) -> i64 {
    i64::try_from(took.as_micros()).unwrap_or(i64::MAX)
}

/// Decides about an attempt that began at `began` and took so long. `jitter` is 0 to 1.
pub fn conclude<I: Item>(
    policy: &Policy,
    item: &I,
    attempt: Attempt,
    began: Micros,
    took: Duration,
    jitter: f64,
) -> Outcome {
    let now = ended(began, took);
    let number = item.attempts().saturating_add(1);
    let first = item.first_attempt().unwrap_or(began);
    let verdict = match attempt.failure {
        None => Verdict::Delivered(now),
        Some(failure) => match next_attempt(policy, number, first, failure, now, jitter) {
            Next::At(at) => Verdict::Again(at),
            Next::Dead => Verdict::Dead(now),
        },
    };
    Outcome {
        item_id: item.id().to_owned(),
        number,
        time_us: began.0,
        duration_us: micros(took),
        status: attempt.status,
        error: attempt.error,
        answer: attempt.answer,
        verdict,
    }
}
