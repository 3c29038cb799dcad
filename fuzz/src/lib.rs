//! What holds of every input that strangers send: one function for each thing that reads it, which
//! panics where it does not hold.
//!
//! Called by `fuzz_targets/` for minutes (`make fuzz`) and by `tests/fuzz.rs` for seconds (the gate).
//! Inputs are lines of text where they can be, so that people can read and write a corpus.

mod envelope;
mod forms;
mod hosts;
mod money;
mod retry_after;

pub use envelope::envelope;
pub use forms::forms;
pub use hosts::hosts;
pub use money::money;
pub use retry_after::retry_after;

/// The lines of a text; as many empty ones after them as are asked for.
fn lines(data: &[u8]) -> Option<impl Iterator<Item = &str>> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.split('\n').chain(std::iter::repeat("")))
}
