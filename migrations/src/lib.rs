//! The tables, one migration per file. Written once in a small dialect of SQL (see [`sql`]) that
//! each database's own words are filled into.
//!
//! A migration that was released is never changed; a new one follows it. It adds, and takes nothing away
//! that the programs of the release before use: those go on beside it, and may also be started anew
//! ([`is_done`]). That several programs may start at once is `referral::store`'s business: it holds a lock
//! while these run.
use std::collections::HashSet;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, Statement},
};

mod m20261122_000001_pipeline;
mod m20261122_000002_one_time_codes;
mod m20261122_000003_remote_rcp;
mod m20261122_000004_rates;
mod m20261122_000005_partners;
mod m20261126_000006_sites;
mod m20261126_000007_letters;
mod m20261126_000008_circuits;
mod m20261126_000009_room;
mod m20261126_000010_clicks_of_code;
mod m20261126_000011_zones;
mod m20261126_000012_days;
mod sql;

/// All migrations, in order.
pub struct Migrator;

/// Whether the database has all of these migrations. It may have more: a newer program's, beside which this
/// one works as before; the [`Migrator`] itself would refuse them.
pub async fn is_done<C: ConnectionTrait>(connection: &C) -> bool {
    let text = "SELECT version FROM seaql_migrations".to_owned();
    let statement = Statement::from_string(connection.get_database_backend(), text);
    // Without that table there are none yet; what else may be wrong the migrations will say.
    let Ok(rows) = connection.query_all_raw(statement).await else { return false };
    let done: HashSet<String> =
        rows.iter().filter_map(|row| row.try_get("", "version").ok()).collect();
    Migrator::migrations().iter().all(|migration| done.contains(migration.name()))
}

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_pipeline::Migration),
            Box::new(m20261122_000002_one_time_codes::Migration),
            Box::new(m20261122_000003_remote_rcp::Migration),
            Box::new(m20261122_000004_rates::Migration),
            Box::new(m20261122_000005_partners::Migration),
            Box::new(m20261126_000006_sites::Migration),
            Box::new(m20261126_000007_letters::Migration),
            Box::new(m20261126_000008_circuits::Migration),
            Box::new(m20261126_000009_room::Migration),
            Box::new(m20261126_000010_clicks_of_code::Migration),
            Box::new(m20261126_000011_zones::Migration),
            Box::new(m20261126_000012_days::Migration),
        ]
    }
}
