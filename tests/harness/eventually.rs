//! Waiting for what must come to pass: a condition is looked at until it holds, never slept for.
use std::time::{Duration, Instant};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(25);
/// Long enough for anything on a busy machine with two cores; a test that passes never uses it up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until `probe` says `Ok`; past the deadline panics with what it said last.
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    probe: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    match within(deadline, probe).await {
        Ok(found) => found,
        Err(last) => panic!("{what}: not within {deadline:?}; in the end: {last}"),
    }
}

/// The same, giving back what the probe said last.
pub async fn within<T>(
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let end = Instant::now() + deadline;
    loop {
        let began = Instant::now();
        match probe().await {
            Ok(found) => return Ok(found),
            Err(last) if Instant::now() >= end => return Err(last),
            // A look that takes long is not repeated more often than half the time.
            Err(_) => tokio::time::sleep(PAUSE.max(began.elapsed())).await,
        }
    }
}
