//! Sites of the UMI dialect (contract 3): the catalogue, the registry of sites, what was paid for
//! them, the events that are still to be published, and who is signed in.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for script in [CATALOGUE, SITES, EVENTS, SESSIONS] {
            super::sql::run(manager, script).await?;
        }
        Ok(())
    }
}

/// Written by `referral goods load`: the TOML as it came. A domain without a row has the shipped one.
const CATALOGUE: &str = "
CREATE TABLE catalogue (
    domain_id {int} NOT NULL PRIMARY KEY,
    content {long} NOT NULL,
    loaded_us {int} NOT NULL
) {table};
";

/// Written by the ingress. A site is a partner's; `host` is also the user hash of its events. A site
/// is paid while `paid_forever` is 1 or `paid_until_us` lies ahead. Who sets a password raises
/// `password_version`, which ends all sessions and links of the one before.
///
/// `partner.referral_code` is what the partner's registrations come with: a code of its e-mail.
/// `purchase.id` is the payment event's id. `registered_host` is the host where the purchase came
/// with the registration, which there is one of at most.
const SITES: &str = "
CREATE TABLE site (
    host {name:253} NOT NULL PRIMARY KEY,
    domain_id {int} NOT NULL,
    partner_id {int} NOT NULL,
    email {name:254} NOT NULL,
    email_key {name:254} NOT NULL,
    password_hash {text} NOT NULL,
    password_version {int} NOT NULL,
    tariff_id {int} NOT NULL,
    paid_until_us {int},
    paid_forever {int} NOT NULL,
    blocked_us {int},
    ctime_us {int} NOT NULL
) {table};
CREATE INDEX site_of_email ON site (email_key);
CREATE INDEX site_of_tariff ON site (domain_id, tariff_id);

CREATE TABLE purchase (
    id {name:36} NOT NULL PRIMARY KEY,
    partner_id {int} NOT NULL,
    host {name:253} NOT NULL,
    registered_host {name:253} UNIQUE,
    request_id {name:253},
    product_id {int} NOT NULL,
    tariff_id {int} NOT NULL,
    price_minor {int} NOT NULL,
    currency {name:3} NOT NULL,
    ctime_us {int} NOT NULL,
    UNIQUE (partner_id, request_id)
) {table};
CREATE INDEX purchase_of_site ON purchase (host, ctime_us);

ALTER TABLE partner ADD COLUMN referral_code {name:20};
";

/// An event is put here in the transaction of the site's row that it tells of, and removed once the
/// broker has confirmed it.
const EVENTS: &str = "
CREATE TABLE site_event (
    id {name:36} NOT NULL PRIMARY KEY,
    event_type {name:32} NOT NULL,
    event {text} NOT NULL,
    ctime_us {int} NOT NULL
) {table};
CREATE INDEX site_event_by_age ON site_event (ctime_us);
";

/// A session is of the password that it began with.
const SESSIONS: &str = "
CREATE TABLE site_session (
    key_hash {name:64} NOT NULL PRIMARY KEY,
    host {name:253} NOT NULL,
    password_version {int} NOT NULL,
    ctime_us {int} NOT NULL,
    expires_us {int} NOT NULL
) {table};
CREATE INDEX site_session_expired ON site_session (expires_us);
";
