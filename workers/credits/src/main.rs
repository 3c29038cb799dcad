//! The program `credits`; see the library.
use std::process::ExitCode;

use credits::Credits;
use referral::{lifecycle::Program, worker};

fn main() -> ExitCode {
    let settings = [worker::SETTINGS, &["SWEEP_EVERY"]].concat();
    let program = Program {
        name: "credits",
        about: "signups and payments to credit entries and deliveries",
        settings: &settings,
    };
    program.main(worker::Setup::read("credits"), |setup, context| async move {
        let Some(tools) = setup.tools(context).await? else { return Ok(()) };
        let credits = Credits::new(tools.store.clone(), tools.clock.clone());
        let (every, shutdown) = (tools.settings.sweep_every, &tools.context.shutdown);
        let sweep = credits.sweep(&tools.publisher, every, shutdown);
        let (done, ()) = tokio::join!(worker::run(&credits, &tools), sweep);
        Ok(done?)
    })
}
