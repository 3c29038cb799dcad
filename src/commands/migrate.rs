//! `referral migrate`: brings the tables up to date, whatever `AUTO_MIGRATE` says. Waits for a
//! database that is not there yet, as it is the first thing that runs beside a new one.
use std::process::ExitCode;

use super::Tools;
use crate::store::{Store, StoreSettings};

pub(super) async fn run(tools: &Tools) -> anyhow::Result<ExitCode> {
    let settings = StoreSettings { migrate: true, ..tools.settings.store()? };
    match Store::open(&settings, &tools.shutdown).await? {
        Some(_) => {
            eprintln!("the tables are up to date");
            Ok(ExitCode::SUCCESS)
        }
        None => anyhow::bail!("stopped before the database was there"),
    }
}
