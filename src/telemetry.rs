//! Logs to stderr: text for people, JSON for machines. Secrets never get here.
use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::{LogFormat, LogSettings, SettingError};

/// Starts the log; once per process.
pub fn start(settings: &LogSettings) -> Result<(), SettingError> {
    let filter = EnvFilter::try_new(&settings.filter)
        .map_err(|error| SettingError { name: "LOG".to_owned(), problem: error.to_string() })?;
    let terminal = std::io::stderr().is_terminal();
    let text = match settings.format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if text {
        log.with_target(false).with_ansi(terminal).try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
    // A second start in one process (tests) keeps the first log.
    drop(started);
    Ok(())
}
