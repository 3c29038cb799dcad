//! A program's life: settings, log, start, SIGTERM, the grace, the exit code (contract 7).
//!
//! | exit | when |
//! | --- | --- |
//! | 0 | it was asked to stop and finished what it held |
//! | 1 | it failed, or the grace ran out, or a second signal came |
//! | 2 | a setting cannot be used: one line on stderr names it |
use std::{future::Future, process::ExitCode, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    metrics::Metrics,
    ops::{self, Readiness},
    settings::{self, OpsSettings, SettingError, Settings, TraceSettings},
    telemetry, traces,
};

/// How long the last traces may take to leave, as far as the grace allows.
const FAREWELL: Duration = Duration::from_secs(2);

/// What every program gets from its main.
#[derive(Clone)]
pub struct Context {
    /// Cancelled by the first SIGTERM or SIGINT: take no more work, finish what is held.
    pub shutdown: CancellationToken,
    /// What `/ready` says.
    pub ready: Readiness,
    /// What `/metrics` says.
    pub metrics: Arc<Metrics>,
}

/// A program: its name, what it is for, and the settings it has beyond the common ones.
pub struct Program<'a> {
    /// As in `ps`.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Names of its own settings.
    pub settings: &'a [&'static str],
}

impl Program<'_> {
    /// Runs a program from `main`: `--help`, `--version`, settings, log, then `run` until it ends.
    ///
    /// `read` makes the program's own settings, so that a bad one ends the start with exit 2
    /// before anything else happens.
    pub fn main<S, R, F>(
        &self,
        read: impl FnOnce(&Settings) -> Result<S, SettingError>,
        run: R,
    ) -> ExitCode
    where
        R: FnOnce(S, Context) -> F,
        F: Future<Output = anyhow::Result<()>>,
    {
        match std::env::args().nth(1).as_deref() {
            None => {}
            Some("--help" | "-h") => {
                let names = [settings::COMMON, self.settings].concat();
                println!("{}: {}\n\n{}", self.name, self.about, settings::help(&names));
                return ExitCode::SUCCESS;
            }
            Some("--version" | "-V") => {
                println!("{} {}", self.name, env!("CARGO_PKG_VERSION"));
                return ExitCode::SUCCESS;
            }
            Some(other) => {
                eprintln!("error: {other}: not known; see --help");
                return ExitCode::from(2);
            }
        }
        let read = || {
            let settings = Settings::from_environment()?;
            telemetry::start(&settings.log()?)?;
            Ok((settings.ops()?, settings.traces(self.name)?, read(&settings)?))
        };
        match read() {
            Ok((ops, traces, own)) => {
                execute(self.name, &ops, traces.as_ref(), |context| run(own, context))
            }
            Err(error) => refuse(&error),
        }
    }
}

/// Says which setting is bad; exit 2.
pub fn refuse(error: &SettingError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}

/// Runs `run` on a runtime of its own with signals, operations address and grace.
pub fn execute<R, F>(
    name: &str,
    ops: &OpsSettings,
    traces: Option<&TraceSettings>,
    run: R,
) -> ExitCode
where
    R: FnOnce(Context) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    // Test builds only: reads FAILPOINTS and holds for as long as the program runs.
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    traces::start(traces, runtime.handle());
    let done = runtime.block_on(supervise(name, ops, run));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Some settings can be tried at start only, such as a file that others may hold.
            if let Some(error) = error.downcast_ref::<SettingError>() {
                return refuse(error);
            }
            tracing::error!("{name} failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one of the operator's commands: no operations address, errors on stderr as one line.
///
/// SIGINT and SIGTERM cancel the token that it gets; a second one ends it at once.
pub fn command<R, F>(run: R) -> ExitCode
where
    R: FnOnce(CancellationToken) -> F,
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let done = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = CancellationToken::new();
        let mut running = std::pin::pin!(run(shutdown.clone()));
        loop {
            tokio::select! {
                done = &mut running => return done,
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if shutdown.is_cancelled() {
                anyhow::bail!("stopped by a second signal");
            }
            shutdown.cancel();
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    match done {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("error: {error:#}");
            let is_setting = error.downcast_ref::<SettingError>().is_some();
            if is_setting { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, ExitCode> {
    // Two TLS providers at once would panic; this is the one that everything here uses.
    drop(rustls::crypto::ring::default_provider().install_default());
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        eprintln!("error: no runtime: {error}");
        ExitCode::FAILURE
    })
}

async fn supervise<R, F>(name: &str, ops: &OpsSettings, run: R) -> anyhow::Result<()>
where
    R: FnOnce(Context) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let context = Context {
        shutdown: CancellationToken::new(),
        ready: Readiness::default(),
        metrics: Arc::new(Metrics::new(name)),
    };
    context.metrics.started(Clock::system().now());
    if let Some(address) = ops.address {
        ops::serve(address, context.ready.clone(), context.metrics.clone()).await?;
    }
    tracing::info!("{name} starts");
    let shutdown = context.shutdown.clone();
    let mut running = std::pin::pin!(run(context));
    tokio::select! {
        done = &mut running => {
            traces::end(FAREWELL).await;
            return done;
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("{name} stops: finishing what it holds");
    shutdown.cancel();
    let begun = Instant::now();
    tokio::select! {
        done = &mut running => {
            traces::end(FAREWELL.min(ops.grace.saturating_sub(begun.elapsed()))).await;
            done
        }
        () = tokio::time::sleep(ops.grace) => anyhow::bail!("SHUTDOWN_GRACE ran out"),
        _ = terminate.recv() => anyhow::bail!("stopped by a second signal"),
        _ = interrupt.recv() => anyhow::bail!("stopped by a second signal"),
    }
}
