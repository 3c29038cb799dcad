//! What happened on a day, found by the day: for the dashboard's plots.
//!
//! Payments come nearly in the order of their times, so that in PostgreSQL an index of ranges, which costs
//! next to nothing to keep, finds a day of them.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::sql::run(manager, DAYS).await
    }
}

const DAYS: &str = "
CREATE INDEX daily_signup_of_day ON daily_signup (domain_id, day);
CREATE INDEX entry_of_time ON entry (domain_id, time_us);
{postgres CREATE INDEX payment_of_time ON payment USING brin (time_us) WITH (pages_per_range = 16, autosummarize = on)};
{mysql CREATE INDEX payment_of_time ON payment (domain_id, time_us)};
{sqlite CREATE INDEX payment_of_time ON payment (domain_id, time_us)};
CREATE INDEX payout_of_domain ON payout (domain_id, status, id);
";
