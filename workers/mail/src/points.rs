//! Where a test may kill this program: failpoints of the feature `failpoints`, nothing without it.
//!
//! Named in the environment: `FAILPOINTS='mail::after-send=return'`. The action `return` ends the
//! process at once, as SIGKILL would; `1*off->return` the second time, and so on.

/// After a claim was committed, before anything is made.
pub fn after_claim() {
    fail::fail_point!("mail::after-claim", |_| std::process::abort());
}

/// After the link's hash was stored, before the server is spoken to.
pub fn before_send() {
    fail::fail_point!("mail::before-send", |_| std::process::abort());
}

/// After the server's last reply, before the outcome is stored.
pub fn after_send() {
    fail::fail_point!("mail::after-send", |_| std::process::abort());
}

/// In the transaction of the outcomes, before its commit.
pub fn before_outcome_commit() {
    fail::fail_point!("mail::before-outcome-commit", |_| std::process::abort());
}
