//! A command that runs to its end: its input, what it printed, its exit code.
use std::process::Stdio;

use tokio::{io::AsyncWriteExt as _, process::Command};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output, trimmed.
    pub output: String,
    /// Its standard error.
    pub errors: String,
}

impl Told {
    /// Runs it.
    pub async fn of(mut command: Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = command.kill_on_drop(true).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut stdin = child.stdin.take().expect("its standard input");
        // A command that reads nothing may have closed it already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.expect("its output");
        Self {
            code: output.status.code(),
            output: String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
