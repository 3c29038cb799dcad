//! The one harness: beds, programs, the broker from outside, the receiver that plays billing, a
//! browser, and the state as the database has it. Knows nothing of the rules; those are `model`'s.
pub mod bed;
mod browser;
pub mod clients;
mod collector;
mod database;
pub mod environment;
pub mod eventually;
pub mod http;
pub mod ingress;
pub mod mail;
pub mod management;
pub mod messages;
pub mod metrics;
pub mod program;
pub mod proxy;
pub mod receiver;
pub mod remote;
pub mod services;
#[path = "../../workers/billing/tests/support/sink.rs"]
#[expect(dead_code, reason = "billing's own tests use the rest of it")]
pub mod sink;
pub mod state;
pub mod tenant;
mod told;
mod yaml;

pub use bed::{Bed, Servers};
pub use browser::Browser;
pub use collector::{Collector, Exported};
pub use database::Database;
pub use eventually::{PATIENCE, eventually};
pub use ingress::{Ingress, PASSWORD};
pub use mail::MailServer;
pub use program::{Plan, Program};
pub use receiver::Receiver;
pub use remote::Remote;
pub use tenant::Tenant;
pub use told::Told;
pub use yaml::{documents, yaml};

/// Makes a module of the test's name, with the test once for each database.
macro_rules! on_every_database {
    ($($test:ident),* $(,)?) => {$(
        mod $test {
            use crate::harness::{Database, bed::run};

            #[test]
            fn sqlite() {
                run(Database::Sqlite, super::$test);
            }

            #[test]
            fn postgres() {
                run(Database::Postgres, super::$test);
            }

            #[test]
            fn mariadb() {
                run(Database::Mariadb, super::$test);
            }
        }
    )*};
}
pub(crate) use on_every_database;
