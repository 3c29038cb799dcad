//! `referral demo`: what `make run` runs (contract 7).
use std::process::ExitCode;

use super::Tools;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: Args, _tools: &Tools) -> anyhow::Result<ExitCode> {
    anyhow::bail!("comes next")
}
