//! The tables, one migration per file. Written once in a small dialect of SQL (see [`sql`]) that
//! each database's own words are filled into.
//!
//! A migration that was released is never changed; a new one follows it. That several programs
//! may start at once is `referral::store`'s business: it holds a lock while these run.
pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

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
