//! The three databases: one of its own for every test, gone when the test is over.
use std::path::Path;

use sea_orm::ConnectionTrait;

use super::environment;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file in the test's directory.
    Sqlite,
    /// A database of `TEST_POSTGRES_URL`.
    Postgres,
    /// A database of `TEST_MARIADB_URL`.
    Mariadb,
}

impl Database {
    /// The server's address, as `make test` gives it; SQLite has none.
    pub fn server(self) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(environment::postgres_url()),
            Self::Mariadb => Some(environment::mariadb_url()),
        }
    }

    /// Makes an empty database; its address.
    pub async fn create(self, server: Option<&str>, name: &str, directory: &Path) -> String {
        let Some(server) = server else {
            return format!("sqlite://{}?mode=rwc", directory.join("referral.db").display());
        };
        let create = match self {
            // `template1` cannot be copied by two tests at once.
            Self::Postgres => format!("CREATE DATABASE \"{name}\" TEMPLATE template0"),
            _ => format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4"),
        };
        execute(server, &create).await;
        let mut url = url::Url::parse(server).expect("a database URL");
        url.set_path(name);
        url.into()
    }

    /// Removes it, whoever is still connected.
    pub async fn remove(self, server: Option<&str>, name: &str) {
        let Some(server) = server else { return };
        let remove = match self {
            Self::Postgres => format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"),
            _ => format!("DROP DATABASE IF EXISTS `{name}`"),
        };
        execute(server, &remove).await;
    }
}

async fn execute(server: &str, sql: &str) {
    let mut options = sea_orm::ConnectOptions::new(server);
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await;
    let connection = connection.unwrap_or_else(|error| panic!("the database server: {error}"));
    connection.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    connection.close().await.expect("closed");
}
