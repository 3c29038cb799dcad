//! The demonstration's programs as child processes: started, watched, stopped in good order.
//!
//! They are in process groups of their own, so that Ctrl-C reaches them through us, once.
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use futures_util::future::select_all;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// How long a program may take to be ready.
const READY_WAIT: Duration = Duration::from_secs(60);
/// How long a program may take to stop: its own `SHUTDOWN_GRACE`, and some.
const STOP_WAIT: Duration = Duration::from_secs(30);
/// Pause between looks at whether a program is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A program to start.
pub(super) struct Program {
    /// Its name, as shown.
    pub name: &'static str,
    /// Its file, beside our own.
    pub file: &'static str,
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// Its operations address.
    pub ops: String,
    /// What its environment has beyond ours.
    pub environment: Vec<(&'static str, String)>,
}

struct Running {
    program: Program,
    log: PathBuf,
    process: Child,
}

/// The programs that run. Killed when dropped.
#[derive(Default)]
pub(super) struct Children(Vec<Running>);

impl Children {
    /// Starts a program with its log in `logs`.
    pub(super) fn start(&mut self, program: Program, logs: &Path) -> anyhow::Result<()> {
        let own = std::env::current_exe().context("where this program is")?;
        let file = own.with_file_name(program.file);
        if !file.exists() {
            bail!("{}: not there; `cargo build --workspace` makes it", file.display());
        }
        let log = logs.join(format!("{}.log", program.name));
        let log_file = File::create(&log).with_context(|| log.display().to_string())?;
        let process = Command::new(&file)
            .args(program.arguments)
            .env("OPS_ADDR", &program.ops)
            .envs(program.environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| file.display().to_string())?;
        self.0.push(Running { program, log, process });
        Ok(())
    }

    /// Waits until every program says that it is ready.
    pub(super) async fn ready(&mut self, client: &reqwest::Client) -> anyhow::Result<()> {
        let until = Instant::now() + READY_WAIT;
        for running in &mut self.0 {
            let url = format!("http://{}/ready", running.program.ops);
            loop {
                if let Some(status) = running.process.try_wait()? {
                    bail!(running.died(status));
                }
                let answer = client.get(&url).send().await;
                let said = match answer {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => answer.text().await.unwrap_or_default(),
                    Err(_) => "does not answer yet".to_owned(),
                };
                if Instant::now() > until {
                    let (name, log) = (running.program.name, running.log.display());
                    bail!("{name} is not ready: {}; see {log}", said.trim());
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Waits until one of them ends, and says which.
    pub(super) async fn first_death(&mut self) -> String {
        let endings =
            self.0.iter_mut().enumerate().map(|(place, running)| {
                Box::pin(async move { (place, running.process.wait().await) })
            });
        let ((place, status), _, _) = select_all(endings).await;
        match (self.0.get(place), status) {
            (Some(running), Ok(status)) => running.died(status),
            (_, Err(error)) => format!("a program cannot be watched: {error}"),
            (None, _) => "a program ended".to_owned(),
        }
    }

    /// Asks all of them to stop and waits until they have; says what did not go well.
    pub(super) async fn stop(mut self) -> Vec<String> {
        for running in &self.0 {
            if let Some(pid) = running.process.id() {
                // One that has just ended is what we want.
                let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
            }
        }
        let mut complaints = Vec::new();
        for running in &mut self.0 {
            match timeout(STOP_WAIT, running.process.wait()).await {
                Ok(Ok(status)) if status.success() => {}
                Ok(Ok(status)) => complaints.push(running.died(status)),
                Ok(Err(error)) => complaints.push(error.to_string()),
                Err(_) => {
                    complaints.push(format!("{} did not stop: killed", running.program.name));
                    let _ = running.process.kill().await;
                }
            }
        }
        complaints
    }

    /// Name, operations address and log of each.
    pub(super) fn list(&self) -> impl Iterator<Item = (&'static str, &str, &Path)> {
        self.0.iter().map(|r| (r.program.name, r.program.ops.as_str(), r.log.as_path()))
    }
}

impl Running {
    fn died(&self, status: ExitStatus) -> String {
        format!("{} ended: {status}; see {}", self.program.name, self.log.display())
    }
}
