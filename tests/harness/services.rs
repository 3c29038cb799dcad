//! Servers of a test's own, through `deploy/local/services.sh`: for tests that stop or kill them.
use std::{
    collections::HashMap,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use super::{Database, Servers, environment};

/// Private servers in a directory of their own; stopped and removed when dropped.
pub struct Services {
    directory: PathBuf,
    /// Keeps the directory for as long as it is used.
    _root: tempfile::TempDir,
    database: Option<&'static str>,
}

impl Services {
    /// A private broker, and a private server for `database` where it has one.
    pub fn up(database: Database) -> Self {
        let database = match database {
            Database::Sqlite => None,
            Database::Postgres => Some("postgres"),
            Database::Mariadb => Some("mariadb"),
        };
        let names: Vec<&str> = ["rabbitmq"].into_iter().chain(database).collect();
        let mut services = Self::of(&names);
        services.database = database;
        services
    }

    /// These, by their names.
    pub fn of(names: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("services");
        let services = Self { directory, _root: root, database: None };
        check("up", "", &services.script("up", names).output().expect("services.sh"));
        services
    }

    /// What the programs are given to find them: names and values.
    pub fn environment(&self) -> HashMap<String, String> {
        let file = std::fs::read_to_string(self.directory.join("env")).expect("DIR/env");
        let found = file.lines().filter_map(|line| line.split_once('='));
        found.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Where they are.
    pub fn servers(&self) -> Servers {
        let found = self.environment();
        let database = self.database.map(|name| match name {
            "postgres" => found["POSTGRES_URL"].clone(),
            _ => found["MARIADB_URL"].clone(),
        });
        let (amqp, api) = (found["AMQP_URL"].clone(), found["RABBITMQ_API"].clone());
        Servers { amqp, api, database }
    }

    /// The database server's name, where there is one.
    pub fn database(&self) -> Option<&'static str> {
        self.database
    }

    /// `stop`, `start`, `kill`, `pause` or `resume` of `rabbitmq` or the database's server.
    pub async fn act(&self, what: &str, service: &str) {
        let mut command = tokio::process::Command::from(self.script(what, &[service]));
        check(what, service, &command.output().await.expect("services.sh"));
    }

    /// `rabbitmqctl` with these arguments.
    pub async fn control(&self, arguments: &[&str]) {
        let mut command = tokio::process::Command::from(self.script("ctl", arguments));
        check("ctl", &arguments.join(" "), &command.output().await.expect("services.sh"));
    }

    /// `rabbitmqctl` as one line, for scripts that are told how to reach the node.
    pub fn control_command(&self) -> String {
        format!("{} ctl {}", environment::services().display(), self.directory.display())
    }

    fn script(&self, what: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(environment::services());
        command.arg(what).arg(&self.directory).args(arguments).stdin(Stdio::null());
        command
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let done = self.script("down", &["--purge"]).output();
        if !done.is_ok_and(|output| output.status.success()) {
            eprintln!("services.sh down {} failed", self.directory.display());
        }
    }
}

fn check(what: &str, service: &str, output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "services.sh {what} {service}: {errors}");
}
