//! Room to change a record in place.
//!
//! A busy day's records change with every batch. Where a page has room PostgreSQL writes the new row
//! beside the old one, with no entry in any index; in full pages it cannot.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::sql::run(manager, ROOM).await
    }
}

const ROOM: &str = "
{postgres ALTER TABLE daily_record SET (fillfactor = 50)};
{postgres ALTER TABLE payer SET (fillfactor = 50)};
";
