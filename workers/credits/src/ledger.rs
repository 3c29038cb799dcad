//! The ledger's lines: what is granted, to whom, and for what (contract 5).
use referral::domain::{Money, Trace, UserHash};

use crate::known::{Cause, Terms, User};

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// For the referred user, at signup; billing is called.
    Signup,
    /// What the referrer may yet get; statement only.
    Potential,
    /// For the referrer, when the payments have reached the target; billing is called.
    Acquired,
}

impl Kind {
    /// As in `entry.kind` and in the webhook.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signup => "signup_credit",
            Self::Potential => "potential_credit",
            Self::Acquired => "acquired_credit",
        }
    }
}

/// A line of the ledger to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What for.
    pub kind: Kind,
    /// Who gets it.
    pub user: User,
    /// How much.
    pub amount: Money,
    /// Under which terms.
    pub terms: Terms,
    /// Whose signup it comes from.
    pub referred: UserHash,
    /// Who referred them.
    pub referrer: UserHash,
    /// The signup.
    pub signup: Cause,
    /// The payment that reached the target, where one did.
    pub payment: Option<Cause>,
    /// Carried to the webhook.
    pub trace: Trace,
}
