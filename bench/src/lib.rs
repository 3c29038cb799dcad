//! `make bench`: the goals of `docs/performance.md`, each measured against its limit, in turn, in one
//! run, with the real release programs, a private broker and PostgreSQL.
//!
//! | room | what it owns |
//! | --- | --- |
//! | [`ground`] | where it is measured: databases, queues, programs |
//! | [`backlog`] | the events that are waited with, and how they get into the queues |
//! | [`hot`] | the functions that run for every event, alone |
//! | [`curve`], [`plot`] | curves, and their pictures |
//! | [`counts`] | instructions, by callgrind |
//! | [`limits`] | what is compared with: small programs of this binary's own |
//! | [`goals`] | one function a goal: a pair of figures, state asserted |
//! | [`table`] | pairs to ratios, and how they are shown |
//!
//! A figure counts only where the database ended in the expected state.
mod backlog;
mod counts;
mod curve;
mod goals;
mod ground;
pub mod hot;
mod limits;
mod load;
mod plot;
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
    /// Measures how rates go with what grows; prints CSV, and writes it with its picture.
    Growth(Growth),
    /// Samples our own side of one goal with perf.
    Flame(Flame),
    /// Makes curves' pictures again, of their CSV.
    Plot {
        /// Such as docs/curves/stored.csv.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Counts instructions by callgrind.
    Counts(counts::Counts),
    /// What callgrind counts.
    Hot(counts::Hots),
    /// One bare limit, as a program of its own.
    #[command(subcommand)]
    Limit(limits::Limit),
}

/// Where it is measured.
#[derive(Args, Clone)]
struct Place {
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

/// How large each run is.
#[derive(Args, Clone, Copy)]
struct Sizes {
    /// Events of the backlog of single messages.
    #[arg(long, default_value_t = 300_000)]
    events: usize,
    /// Seconds of each run under load by HTTP or at a fixed rate.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
}

#[derive(Args)]
struct Goals {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    sizes: Sizes,
    /// Only these, such as P1,P4.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Pairs of each goal.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Clicks that are stored already, for P7.
    #[arg(long, default_value_t = 10_000_000)]
    stored: usize,
}

#[derive(Args)]
struct Growth {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    sizes: Sizes,
    /// What grows.
    #[arg(value_enum, required = true)]
    what: Vec<goals::growth::What>,
    /// Where the curves are put.
    #[arg(long)]
    into: PathBuf,
    /// Runs of each point.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

#[derive(Args)]
struct Flame {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    sizes: Sizes,
    /// P1, P2, P3, P4 or P6.
    goal: String,
    /// Where the samples are put.
    #[arg(long)]
    into: PathBuf,
}

/// The program.
pub fn main() -> anyhow::Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Goals(goals) => goals::run(&goals).await,
            Command::Growth(growth) => goals::growth::run(&growth).await,
            Command::Flame(flame) => goals::flame::run(&flame).await,
            Command::Plot { files } => files.iter().try_for_each(|file| plot::file(file)),
            Command::Counts(counts) => counts.run().await,
            Command::Hot(hots) => hots.run(),
            Command::Limit(limit) => limits::run(limit).await,
        }
    })
}
