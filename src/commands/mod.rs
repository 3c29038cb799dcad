//! The command line of `referral` (contract 7): one file a command.
//!
//! Owns the arguments, what is printed, and exit codes: 0 done, 1 failed, 2 wrong use. What is
//! done is the other rooms'. A secret comes on standard input, never as an argument.
mod admin;
mod dead;
mod deliveries;
pub mod demo;
mod domain;
mod goods;
mod import;
mod input;
mod lines;
mod migrate;
mod partner;
mod payout;
mod prune;
mod publish;
mod publish_file;
mod rates;
mod rcp;
mod rebuild;
mod token;
mod top;

use std::{io::IsTerminal as _, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    ingress, lifecycle,
    settings::{self, LogSettings, SettingError, Settings},
    store::{Store, StoreSettings, reference::Domain, tenants},
    telemetry,
};

/// Referral pipeline: the HTTP ingress and the operator's commands
#[derive(Debug, Parser)]
#[command(name = "referral", version, after_help = common_help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the HTTP ingress
    #[command(after_help = ingress_help())]
    Ingress,
    /// Brings the database's tables up to date
    Migrate,
    /// Domains (tenants)
    Domain(domain::Args),
    /// Administrators
    Admin(admin::Args),
    /// Tokens of the HTTP interface
    Token(token::Args),
    /// Imports users from a file
    Import(import::Args),
    /// Publishes events, each confirmed by the broker
    Publish(Box<publish::Args>),
    /// Messages that the workers parked: bad events, and whatever crashed a worker
    Dead(dead::Args),
    /// What billing was told, or is to be told, of credits
    Deliveries(deliveries::Args),
    /// Exchange rates of a domain
    Rates(rates::Args),
    /// Tariffs and goods of a domain's sites
    Goods(goods::Args),
    /// Partners: their logins, and their keys of the partner API
    Partner(partner::Args),
    /// Payouts of partners' rewards
    Payout(payout::Args),
    /// Empties old clicks of what was raw of them; that they were counted stays known
    Prune(prune::Args),
    /// Recomputes daily records and credit entries from the stored events, and repairs them
    Rebuild(rebuild::Args),
    /// Shows figures, queues and deliveries in the terminal, and how fast they move
    Top(top::Args),
    /// This system as the referral system of a remote RCP
    Rcp(rcp::Args),
    /// Starts everything, walks one referral through, and stays up (what `make run` runs)
    Demo(demo::Args),
}

fn common_help() -> String {
    settings::help(settings::COMMON)
}

fn ingress_help() -> String {
    settings::help(settings::INGRESS) + "\n" + &common_help()
}

/// What every command works with.
struct Tools {
    settings: Settings,
    clock: Clock,
    shutdown: CancellationToken,
}

impl Tools {
    /// The database, which has to be there; its tables are brought up to date unless
    /// `AUTO_MIGRATE` is off.
    async fn store(&self) -> anyhow::Result<Store> {
        self.store_of(&self.settings.store()?).await
    }

    async fn store_of(&self, settings: &StoreSettings) -> anyhow::Result<Store> {
        Store::connect(settings).await.context("the database")
    }

    /// A domain that has to be there.
    async fn domain(&self, store: &Store, name: &str) -> anyhow::Result<Domain> {
        match tenants::domain(store, name).await? {
            Some(domain) => Ok(domain),
            None => bail!("--domain: there is no domain {name:?}"),
        }
    }
}

/// The program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let settings = match Settings::from_environment() {
        Ok(settings) => settings,
        Err(error) => return lifecycle::refuse(&error),
    };
    match cli.command {
        Command::Ingress => serve(&settings),
        command => operate(command, settings),
    }
}

fn serve(settings: &Settings) -> ExitCode {
    let read = || {
        telemetry::start(&settings.log()?)?;
        let own = ingress::ProgramSettings::read(settings)?;
        Ok((settings.ops()?, settings.traces("ingress")?, own))
    };
    match read() {
        Ok((ops, traces, own)) => {
            let run = |context| ingress::start(own, context);
            lifecycle::execute("ingress", &ops, traces.as_ref(), run)
        }
        Err(error) => lifecycle::refuse(&error),
    }
}

fn operate(command: Command, settings: Settings) -> ExitCode {
    if let Err(error) = start_log(&settings) {
        return lifecycle::refuse(&error);
    }
    lifecycle::command(|shutdown| async move {
        let tools = Tools { settings, clock: Clock::system(), shutdown };
        match command {
            Command::Ingress => bail!("runs as a program of its own"),
            Command::Migrate => migrate::run(&tools).await,
            Command::Domain(args) => domain::run(args, &tools).await,
            Command::Admin(args) => admin::run(args, &tools).await,
            Command::Token(args) => token::run(args, &tools).await,
            Command::Import(args) => import::run(args, &tools).await,
            Command::Publish(args) => publish::run(*args, &tools).await,
            Command::Rates(args) => rates::run(args, &tools).await,
            Command::Goods(args) => goods::run(args, &tools).await,
            Command::Partner(args) => partner::run(args, &tools).await,
            Command::Payout(args) => payout::run(args, &tools).await,
            Command::Prune(args) => prune::run(args, &tools).await,
            Command::Rebuild(args) => rebuild::run(args, &tools).await,
            Command::Rcp(args) => rcp::run(args, &tools).await,
            Command::Dead(args) => dead::run(args, &tools).await,
            Command::Deliveries(args) => deliveries::run(args, &tools).await,
            Command::Top(args) => top::run(args, &tools).await,
            Command::Demo(args) => demo::run(args, &tools).await,
        }
    })
}

/// A command's own words are its output; of the log only warnings are wanted.
fn start_log(settings: &Settings) -> Result<(), SettingError> {
    let log = settings.log()?;
    let filter = if settings.is_given("LOG") { log.filter } else { "warn".to_owned() };
    telemetry::start(&LogSettings { filter, ..log })
}

/// Says what is wrong with the arguments; exit 2.
fn wrong_use(problem: impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(2)
}

/// A bar on a terminal, of `length` or, where that is 0, without an end; nothing elsewhere.
fn progress_bar(length: u64, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    if length == 0 {
        return ProgressBar::new_spinner();
    }
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Prints a listing as `--json` says it: one array of objects.
fn print_json<T: serde::Serialize>(items: &[T]) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(items)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_use_is_refused_by_name() {
        for (line, named) in [
            ("referral", "Usage"),
            ("referral nothing", "nothing"),
            ("referral domain create d --timezone Nowhere --currency USD", "--timezone"),
            ("referral domain create d --timezone UTC --currency usd", "--currency"),
            ("referral token create --login l --domain d --ttl 5", "--ttl"),
            ("referral admin create l --domain d", "--password-stdin"),
            ("referral admin totp l --off", "--domain"),
            ("referral dead", "list"),
            ("referral dead show", "<ID>"),
            ("referral dead list --worker nobody", "--worker"),
            ("referral dead replay --worker ingress", "daily-records, credits, billing or mail"),
            ("referral dead drop", "--all"),
            ("referral dead drop --worker credits", "--reason"),
            ("referral dead drop --all --reason schema", "--reason"),
            ("referral deliveries test --user-hash=", "--user-hash"),
            ("referral import users", "<FILE>"),
            ("referral import users f --program one", "--program"),
            ("referral rates load", "<FILE>"),
            ("referral goods", "load"),
            ("referral goods load", "<FILE>"),
            ("referral goods show d", "d"),
            ("referral partner create l --domain d", "--email"),
            ("referral partner key --email nobody --domain d", "--email"),
            ("referral payout method add t --domain d --commission 101", "--commission"),
            ("referral payout done one", "<ID>"),
            ("referral payout list --domain d --status paid", "--status"),
            ("referral domain set d --min-payout 0", "--min-payout"),
            ("referral prune --older-than 23h", "--older-than"),
            ("referral prune", "--older-than"),
            ("referral rebuild --dry-run", "--dry-run"),
            ("referral rcp sync", "--url"),
            ("referral rcp sync --url cp.example", "--url"),
            ("referral rcp sync --url https://cp.example --every 0s", "--every"),
            ("referral rcp sync --url https://cp.example --timezone Nowhere", "--timezone"),
            ("referral publish click --code short", "--code"),
            ("referral publish payment --user-hash u", "--amount"),
        ] {
            let error = Cli::try_parse_from(line.split(' ')).err();
            let text = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains(named), "{line}: {text:?}");
        }
    }
}
