//! Partner accounts of the aura dialect (contract 4): partners, their keys, payouts; and how far a
//! domain's clicks were pruned (contract 7).
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for script in [PARTNERS, PAYOUTS, CLICKS] {
            super::sql::run(manager, script).await?;
        }
        Ok(())
    }
}

/// Written by the operator's commands. `partner` are the logins of the UMI dialect (contract 3). A
/// key is a person's, by e-mail: one at a time, so that another one replaces it.
const PARTNERS: &str = "
CREATE TABLE partner (
    id {serial},
    domain_id {int} NOT NULL,
    login {name:253} NOT NULL UNIQUE,
    email {name:254} NOT NULL,
    email_key {name:254} NOT NULL,
    code_hash {name:64},
    ctime_us {int} NOT NULL
) {table};
CREATE INDEX partner_of_email ON partner (domain_id, email_key);

CREATE TABLE partner_key (
    domain_id {int} NOT NULL,
    email_key {name:254} NOT NULL,
    key_hash {name:64} NOT NULL UNIQUE,
    ctime_us {int} NOT NULL,
    revoked_us {int},
    PRIMARY KEY (domain_id, email_key)
) {table};
";

/// Methods and what becomes of payouts are the commands', payouts the ingress's. `status` is 0
/// pending, 1 done, 2 cancelled. `payee` is what is locked while a user's balance is looked at.
const PAYOUTS: &str = "
CREATE TABLE payout_method (
    id {serial},
    domain_id {int} NOT NULL,
    title {text} NOT NULL,
    commission_e4 {int} NOT NULL,
    ctime_us {int} NOT NULL
) {table};
CREATE INDEX payout_method_of_domain ON payout_method (domain_id);

CREATE TABLE payee (
    domain_id {int} NOT NULL,
    user_hash {name:253} NOT NULL,
    PRIMARY KEY (domain_id, user_hash)
) {table};

CREATE TABLE payout (
    id {serial},
    domain_id {int} NOT NULL,
    user_hash {name:253} NOT NULL,
    method_id {int} NOT NULL,
    account {text} NOT NULL,
    amount_minor {int} NOT NULL,
    currency {name:3} NOT NULL,
    status {int} NOT NULL,
    ctime_us {int} NOT NULL,
    closed_us {int}
) {table};
CREATE INDEX payout_of_user ON payout (domain_id, user_hash);

ALTER TABLE domain ADD COLUMN min_payout_minor {int} NOT NULL DEFAULT 1;
";

/// Clicks are listed by code, in order of arrival. Clicks of a domain from before `pruned_us` have
/// lost what was raw of them, or are about to.
const CLICKS: &str = "
CREATE INDEX click_of_code ON click (code, id);
ALTER TABLE domain ADD COLUMN pruned_us {int};
";
