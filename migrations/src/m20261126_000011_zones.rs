//! When a domain's time zone was last changed: days that were recorded before stay where they are, and
//! cannot be recomputed from the instants of their clicks.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::sql::run(manager, ZONES).await
    }
}

const ZONES: &str = "
ALTER TABLE domain ADD COLUMN zone_us {int};
";
