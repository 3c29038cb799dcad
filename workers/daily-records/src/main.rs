//! The program `daily-records`; see the library.
use std::process::ExitCode;

use daily_records::DailyRecords;
use referral::{lifecycle::Program, worker};

fn main() -> ExitCode {
    let program = Program {
        name: "daily-records",
        about: "clicks and signups to daily records",
        settings: worker::SETTINGS,
    };
    program.main(worker::Setup::read("daily-records"), |setup, context| async move {
        let Some(tools) = setup.tools(context).await? else { return Ok(()) };
        let records = DailyRecords::new(tools.store.clone(), tools.clock.clone());
        Ok(worker::run(&records, &tools).await?)
    })
}
