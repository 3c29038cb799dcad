//! A domain's exchange rates (contract 4), written by the ingress and by `referral rates load`.
//!
//! Numbers are exact decimals as texts: no database rounds or pads them.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::sql::run(manager, RATES).await
    }
}

/// `rate_set` has a row once a domain ever had rates; `changed_us` is also the set's version: it only
/// grows, by a second at least. `place` is the order in which the rates came.
const RATES: &str = "
CREATE TABLE rate_set (
    domain_id {int} NOT NULL PRIMARY KEY,
    changed_us {int} NOT NULL
) {table};

CREATE TABLE rate (
    domain_id {int} NOT NULL,
    place {int} NOT NULL,
    currency_from {name:20} NOT NULL,
    currency_to {name:20} NOT NULL,
    rate_in {name:39} NOT NULL,
    rate_out {name:39} NOT NULL,
    amount {name:39},
    amount_min {name:39},
    amount_max {name:39},
    param {name:255},
    PRIMARY KEY (domain_id, place),
    UNIQUE (domain_id, currency_from, currency_to)
) {table};
";
