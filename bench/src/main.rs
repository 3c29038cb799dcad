//! `make bench`: the goals of `docs/performance.md`, each measured against its limit, in turn, in one
//! run, with the real release programs, a private broker and PostgreSQL.
//!
//! | room | what it owns |
//! | --- | --- |
//! | [`ground`] | where it is measured: databases, queues, programs |
//! | [`backlog`] | the events that are waited with, and how they get into the queues |
//! | [`limits`] | what is compared with: small programs of this binary's own |
//! | [`goals`] | one function a goal: a pair of figures, state asserted |
//! | [`table`] | pairs to ratios, and how they are shown |
//!
//! A figure counts only where the database ended in the expected state.
mod backlog;
mod goals;
mod ground;
mod limits;
mod load;
mod program;
mod table;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(about = "measures the referral programs", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the goals and prints their table.
    Goals(Goals),
    /// Measures how rates go with what grows; prints CSV.
    Growth(Growth),
    /// One bare limit, as a program of its own.
    #[command(subcommand)]
    Limit(limits::Limit),
}

/// Where it is measured.
#[derive(Args, Clone)]
pub struct Place {
    /// The private broker.
    #[arg(long)]
    amqp: String,
    /// The private PostgreSQL server; its user may create databases.
    #[arg(long)]
    postgres: String,
    /// The directory of the release programs.
    #[arg(long)]
    programs: PathBuf,
    /// A directory for logs and spools.
    #[arg(long)]
    directory: PathBuf,
    /// Where `bench/peers/install.sh` put its packages; without it P10 is left out.
    #[arg(long)]
    peers: Option<PathBuf>,
}

#[derive(Args)]
struct Goals {
    #[command(flatten)]
    place: Place,
    /// Only these, such as P1,P4.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Pairs of each goal.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Events of the backlog of single messages.
    #[arg(long, default_value_t = 300_000)]
    events: usize,
    /// Clicks that are stored already, for P7.
    #[arg(long, default_value_t = 10_000_000)]
    stored: usize,
    /// Seconds of each run under load by HTTP or at a fixed rate.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
}

#[derive(Args)]
struct Growth {
    #[command(flatten)]
    place: Place,
    /// What grows.
    #[arg(value_enum)]
    what: goals::growth::What,
    /// Events of each backlog.
    #[arg(long, default_value_t = 300_000)]
    events: usize,
    /// Runs of each point.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

fn main() -> anyhow::Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Goals(goals) => goals::run(&goals).await,
            Command::Growth(growth) => goals::growth::run(&growth).await,
            Command::Limit(limit) => limits::run(limit).await,
        }
    })
}
