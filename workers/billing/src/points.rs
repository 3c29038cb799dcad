//! Where a test may kill this program: failpoints of the feature `failpoints`, nothing without it.
//!
//! Named in the environment: `FAILPOINTS='billing::after-post=return'`. The action `return` ends
//! the process at once, as SIGKILL would; `1*off->return` the second time, and so on.

/// After a claim was committed, before anything is sent.
pub fn after_claim() {
    fail::fail_point!("billing::after-claim", |_| std::process::abort());
}

/// Before an attempt's first byte.
pub fn before_post() {
    fail::fail_point!("billing::before-post", |_| std::process::abort());
}

/// After an attempt, before its outcome is stored.
pub fn after_post() {
    fail::fail_point!("billing::after-post", |_| std::process::abort());
}

/// In the transaction of the outcomes, before its commit.
pub fn before_outcome_commit() {
    fail::fail_point!("billing::before-outcome-commit", |_| std::process::abort());
}
