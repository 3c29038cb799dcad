//! What the tests share.
pub mod sink;
pub mod tls;
pub mod world;

/// Makes a test of each function, on every database.
#[macro_export]
macro_rules! on_every_database {
    ($($test:ident),* $(,)?) => {$(
        mod $test {
            use $crate::support::world::{Database, World};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$test(World::new(Database::Sqlite).await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$test(World::new(Database::Postgres).await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                super::$test(World::new(Database::Mariadb).await).await;
            }
        }
    )*};
}
