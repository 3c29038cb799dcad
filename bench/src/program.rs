//! A program that is measured, or measured against: started with nothing but its settings, watched
//! for the memory it takes, and stopped with a signal.
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
};

/// How long a program may take to say that it listens, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program; killed when dropped.
pub struct Program {
    name: String,
    child: Child,
}

impl Program {
    /// Starts it; its output goes to `directory`/NAME.log.
    pub fn start(
        file: &Path,
        arguments: &[&str],
        settings: &[(&str, String)],
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let log = std::fs::File::create(directory.join(format!("{}.log", name_of(file))))?;
        Self::spawn(file, arguments, settings, directory, log.try_clone()?.into(), log.into())
    }

    /// Starts it and waits for the first line that it prints; that line.
    pub async fn start_and_hear(file: &Path, arguments: &[&str]) -> anyhow::Result<(Self, String)> {
        let (out, err) = (Stdio::piped(), Stdio::inherit());
        let mut program = Self::spawn(file, arguments, &[], Path::new("."), out, err)?;
        let said = program.child.stdout.take().context("its output")?;
        let line = tokio::time::timeout(PATIENCE, first_line(said)).await??;
        Ok((program, line))
    }

    fn spawn(
        file: &Path,
        arguments: &[&str],
        settings: &[(&str, String)],
        directory: &Path,
        out: Stdio,
        err: Stdio,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(file);
        command.args(arguments).env_clear().current_dir(directory).kill_on_drop(true);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().with_context(|| format!("{}", file.display()))?;
        Ok(Self { name: name_of(file), child })
    }

    /// Its process.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("it runs")
    }

    /// The most memory that it has had resident so far, in MiB.
    pub fn memory_mib(&self) -> anyhow::Result<f64> {
        let pid = self.pid()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    /// Fails where it has ended.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended by itself: {status}", self.name),
        }
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid()?;
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM)?;
        tokio::time::timeout(PATIENCE, self.child.wait()).await.context("it does not stop")??;
        Ok(())
    }
}

/// Runs a program to its end; what it printed.
pub async fn output(file: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(file);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = command.output().await.with_context(|| format!("{}", file.display()))?;
    ensure!(output.status.success(), "{} failed: {}", file.display(), output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// This program's own file: the bare limits are commands of it.
pub fn own_file() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?)
}

fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

async fn first_line(said: ChildStdout) -> anyhow::Result<String> {
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line).await?;
    ensure!(!line.is_empty(), "it said nothing");
    Ok(line.trim_end().to_owned())
}
