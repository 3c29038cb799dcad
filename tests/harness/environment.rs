//! Where the real parts are: the variables that `make test` gives. A missing one ends the test
//! with a sentence; nothing is skipped in silence.
use std::path::PathBuf;

/// The broker, with its default virtual host.
pub fn amqp_url() -> String {
    required("TEST_AMQP_URL")
}

/// The broker's management interface, with user and password.
pub fn rabbitmq_api() -> String {
    required("TEST_RABBITMQ_API")
}

/// A PostgreSQL server whose user may create databases.
pub fn postgres_url() -> String {
    required("TEST_POSTGRES_URL")
}

/// A MariaDB server whose user may create databases.
pub fn mariadb_url() -> String {
    required("TEST_MARIADB_URL")
}

/// The program of this name, built with failpoints.
pub fn program(name: &str) -> PathBuf {
    PathBuf::from(required("TEST_BIN_DIR")).join(name)
}

/// `deploy/local/services.sh`.
pub fn services() -> PathBuf {
    required("TEST_SERVICES").into()
}

/// A Python interpreter that has pika and aiosmtpd.
pub fn python() -> PathBuf {
    required("TEST_PYTHON").into()
}

/// A `node_modules` that has amqplib.
pub fn node_modules() -> PathBuf {
    required("TEST_NODE_MODULES").into()
}

/// The driver of a Chromium that it finds by itself.
pub fn chromedriver() -> PathBuf {
    required("TEST_CHROMEDRIVER").into()
}

/// An optional number, such as `PROPTEST_CASES`.
pub fn number(name: &str) -> Option<u64> {
    let text = get(name)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// An optional file, such as `MATRIX_REPORT`.
pub fn file(name: &str) -> Option<PathBuf> {
    get(name).map(PathBuf::from)
}

fn required(name: &str) -> String {
    get(name).unwrap_or_else(|| {
        panic!("{name} is not set: these tests run against real servers; start them by `make test`")
    })
}

#[expect(clippy::disallowed_methods, reason = "the harness's one place that reads the environment")]
fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
