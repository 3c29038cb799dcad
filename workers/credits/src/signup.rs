//! Signups on their way into a decision, and what became of them (contract 1, Replies).
use referral::domain::{Email, EventKey, Trace};

use crate::known::{Cause, Claim, User};

/// What became of a signup (contract 1, Replies).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A new user, settled.
    Created,
    /// A new user who waits.
    Pending,
    /// The same signup again.
    Duplicate,
    /// The user exists with another referrer, address or terms.
    Conflict,
    /// A new user who named themselves; unreferred.
    SelfReferral,
}

impl Outcome {
    /// As in replies and in `signup.outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Pending => "pending",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::SelfReferral => "self_referral",
        }
    }
}

/// A signup that is new.
#[derive(Debug, Clone)]
pub struct NewSignup {
    /// Names it.
    pub key: EventKey,
    /// Who signs up.
    pub user: User,
    /// Their address.
    pub email: Option<Email>,
    /// What it says.
    pub claim: Claim,
    /// The event.
    pub cause: Cause,
    /// Carried to the webhook.
    pub trace: Trace,
}
