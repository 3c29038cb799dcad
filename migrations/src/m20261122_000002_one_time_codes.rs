//! One-time codes of administrators (contract 2): the secret that they are made of, and the last
//! step of 30 seconds whose code was taken.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::sql::run(manager, ONE_TIME_CODES).await
    }
}

/// Written by the command `referral admin totp`; the step, by the ingress. No secret: no codes.
const ONE_TIME_CODES: &str = "
ALTER TABLE administrator ADD COLUMN totp_secret {name:32};
ALTER TABLE administrator ADD COLUMN totp_step {int} NOT NULL DEFAULT 0;
";
