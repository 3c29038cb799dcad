//! The circuits of billing (contract 6): destinations that fail, and the turn to probe each.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::sql::run(manager, CIRCUITS).await
    }
}

/// A row is an open circuit, and all that processes share of it: the token of the probe in flight,
/// until when it is believed to be, and from when there may be another. The index finds the oldest
/// delivery among very many that wait.
const CIRCUITS: &str = "
CREATE TABLE circuit (
    destination {name:300} NOT NULL PRIMARY KEY,
    opened_us {int} NOT NULL,
    probe_us {int} NOT NULL,
    probe {name:36},
    probe_until_us {int} NOT NULL
) {table};
CREATE INDEX delivery_oldest ON delivery (state, created_us, id);
";
