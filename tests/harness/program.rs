//! The real programs as child processes, with nothing in their environment but their settings.
//! Whoever holds a [`Program`] holds its life: dropped, also by a panic, it is killed.
use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};

use super::{
    environment,
    eventually::{PATIENCE, eventually},
    http,
};

/// A program, not yet started.
#[derive(Debug, Clone)]
pub struct Plan {
    name: String,
    arguments: Vec<String>,
    settings: BTreeMap<String, String>,
    directory: PathBuf,
    /// What a shell does first.
    before: String,
}

impl Plan {
    /// A worker by its name, or `ingress`.
    pub fn new(name: &str, directory: PathBuf) -> Self {
        let arguments = if name == "ingress" { vec![name.to_owned()] } else { Vec::new() };
        let (name, settings) = (name.to_owned(), BTreeMap::new());
        let plan = Self { name, arguments, settings, directory, before: String::new() };
        let plan =
            plan.set("LOG_FORMAT", "text").set("NO_COLOR", "1").set("OPS_ADDR", &free_address());
        if plan.name != "ingress" {
            return plan;
        }
        // Every ingress has a spool of its own.
        let spool = format!("spool-{}.db", short_id());
        plan.set("LISTEN_ADDR", &free_address()).set("SPOOL_PATH", &spool)
    }

    /// The same with this setting.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with this argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The same with this shell command before it, in the same process.
    #[must_use]
    pub fn after(mut self, command: &str) -> Self {
        self.before = format!("{command} && exec \"$0\" \"$@\"");
        self
    }

    /// An HTTP address of the ingress that it makes.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.settings["LISTEN_ADDR"])
    }

    /// Starts it.
    pub fn spawn(self) -> Program {
        let log = self.directory.join(format!("{}-{}.log", self.name, short_id()));
        let child = launch(&self, &log);
        Program { plan: self, log, child }
    }

    /// What it is run as, with its settings and nothing else in the environment.
    pub fn command(&self) -> Command {
        let file = if self.name == "ingress" { "referral" } else { &self.name };
        let program = environment::program(file);
        let mut command = if self.before.is_empty() {
            Command::new(program)
        } else {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(&self.before).arg(program);
            shell
        };
        command.args(&self.arguments).env_clear().envs(&self.settings);
        command.current_dir(&self.directory).kill_on_drop(true).stdin(Stdio::null());
        command
    }
}

/// A running program.
pub struct Program {
    plan: Plan,
    log: PathBuf,
    child: Child,
}

impl Program {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Where its log is.
    pub fn log(&self) -> &PathBuf {
        &self.log
    }

    /// An HTTP address of the ingress.
    pub fn url(&self, path: &str) -> String {
        self.plan.url(path)
    }

    /// Status and body of its operations address.
    pub async fn ops(&self, path: &str) -> Result<(u16, String), String> {
        let url = format!("http://{}{path}", self.plan.settings["OPS_ADDR"]);
        let answer = http::client().get(url).send().await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        answer.text().await.map(|text| (status, text)).map_err(|error| error.to_string())
    }

    /// Waits until `/ready` says so.
    pub async fn ready(&self) {
        eventually(&format!("{} is ready", self.plan.name), PATIENCE, async || {
            match self.ops("/ready").await? {
                (200, _) => Ok(()),
                (status, text) => Err(format!("{status} {text}")),
            }
        })
        .await;
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("killed");
    }

    /// Starts it again, with the same settings and the same addresses.
    pub fn start_again(&mut self) {
        self.child = launch(&self.plan, &self.log);
    }

    /// SIGTERM, or another signal by its name.
    pub async fn signal(&self, name: &str) {
        let process = self.process().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().await;
        assert!(sent.expect("kill").success(), "no process {process}");
    }

    /// Waits for its end.
    pub async fn exit(&mut self, deadline: Duration) -> ExitStatus {
        let exit = tokio::time::timeout(deadline, self.child.wait()).await;
        exit.unwrap_or_else(|_| panic!("{} did not end within {deadline:?}", self.plan.name))
            .expect("an exit status")
    }

    /// Its end, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("an exit status")
    }

    /// Asks it to stop and expects that it does, with exit 0.
    pub async fn stop(&mut self) {
        self.signal("TERM").await;
        let exit = self.exit(Duration::from_secs(30)).await;
        assert_eq!(exit.code(), Some(0), "{} was asked to stop", self.plan.name);
    }
}

fn launch(plan: &Plan, log: &PathBuf) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log file");
    let mut command = plan.command();
    command.stdout(log.try_clone().expect("a log file")).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("{}: {error}", plan.name))
}

/// An address that nobody listens at, below the range from which the system gives ports away.
pub fn free_address() -> String {
    loop {
        let random = getrandom::u32().expect("randomness");
        let port = 10_240 + (random % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return format!("127.0.0.1:{port}");
        }
    }
}

/// Eight hexadecimal characters.
pub fn short_id() -> String {
    format!("{:08x}", getrandom::u32().expect("randomness"))
}
