//! Servers of a test's own, through `deploy/local/services.sh`: for tests that stop or kill them.
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
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
        let root = tempfile::tempdir().expect("a directory");
        let database = match database {
            Database::Sqlite => None,
            Database::Postgres => Some("postgres"),
            Database::Mariadb => Some("mariadb"),
        };
        let services = Self { directory: root.path().join("services"), _root: root, database };
        let names: Vec<&str> = ["rabbitmq"].into_iter().chain(database).collect();
        services.run("up", &names);
        services
    }

    /// Where they are.
    pub fn servers(&self) -> Servers {
        let file = std::fs::read_to_string(self.directory.join("env")).expect("DIR/env");
        let found: HashMap<&str, &str> = file.lines().filter_map(|l| l.split_once('=')).collect();
        let database = self.database.map(|name| match name {
            "postgres" => found["POSTGRES_URL"].to_owned(),
            _ => found["MARIADB_URL"].to_owned(),
        });
        let (amqp, api) = (found["AMQP_URL"].to_owned(), found["RABBITMQ_API"].to_owned());
        Servers { amqp, api, database }
    }

    /// The database server's name, where there is one.
    pub fn database(&self) -> Option<&'static str> {
        self.database
    }

    /// `stop`, `start`, `kill`, `pause` or `resume` of `rabbitmq` or the database's server, off
    /// the async threads.
    pub async fn act(&self, what: &str, service: &str) {
        tokio::task::block_in_place(|| self.run(what, &[service]));
    }

    fn run(&self, what: &str, names: &[&str]) {
        let output = script(what, &self.directory, names).output().expect("services.sh");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "services.sh {what} {names:?}: {errors}");
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let done = script("down", &self.directory, &["--purge"]).output();
        if !done.is_ok_and(|output| output.status.success()) {
            eprintln!("services.sh down {} failed", self.directory.display());
        }
    }
}

fn script(what: &str, directory: &Path, names: &[&str]) -> Command {
    let mut command = Command::new(environment::services());
    command.arg(what).arg(directory).args(names);
    command
}
