//! Where a test may strike a program; nothing of it is in a build without the feature `failpoints`.
//!
//! Named in the environment: `FAILPOINTS='billing::after-post=1*off->1*return(kill)'`, in the words of the crate
//! `fail`. What is returned says how the program is struck:
//!
//! | `return(…)` | at this point the program |
//! | --- | --- |
//! | `kill`, or nothing | ends at once, as by SIGKILL |
//! | `error` | is told that the step failed; at a point that can only be [passed](pass), nothing |
//! | `stall 1500` | stands still for so many milliseconds, and goes on |
//!
//! Every point is struck in each of these ways by the kill matrix, `tests/matrix.rs`.
use std::time::Duration;

/// A step failed because a test wanted it to.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("struck at {0}")]
pub struct Struck(&'static str);

/// At this point a test may end the program, make it stand still, or make this step fail.
pub fn reach(name: &'static str) -> Result<(), Struck> {
    let _ = name;
    fail::fail_point!(name, |how| strike(name, how.as_deref()));
    Ok(())
}

/// At this point a test may end the program or make it stand still.
pub fn pass(name: &'static str) {
    // What would fail here is for others to say: a receiver, a mail server.
    let _ = reach(name);
}

#[cfg_attr(not(feature = "failpoints"), expect(dead_code, reason = "see the module"))]
fn strike(name: &'static str, how: Option<&str>) -> Result<(), Struck> {
    let how = how.unwrap_or("kill");
    tracing::warn!(point = name, how, "struck by a failpoint");
    if how == "error" {
        return Err(Struck(name));
    }
    match how.strip_prefix("stall ").and_then(|millis| millis.parse().ok()) {
        Some(millis) => std::thread::sleep(Duration::from_millis(millis)),
        None => std::process::abort(),
    }
    Ok(())
}
