//! Letters of the UMI dialect (contract 3), on their way to SMTP as deliveries are to billing, and
//! the links in them.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::sql::run(manager, LETTERS).await
    }
}

/// A `letter` row is made by the ingress with what the letter tells of, and moved by the mail
/// worker, which owns the rest. Of a link only its hash is kept; it is good while the site's
/// password is still the one of `password_version`, so that each is good once.
const LETTERS: &str = "
CREATE TABLE letter (
    id {name:36} NOT NULL PRIMARY KEY,
    host {name:253} NOT NULL,
    kind {name:16} NOT NULL,
    email {name:254} NOT NULL,
    created_us {int} NOT NULL,
    state {name:9} NOT NULL,
    attempts {int} NOT NULL,
    first_attempt_us {int},
    next_attempt_us {int} NOT NULL,
    lease {name:36},
    lease_until_us {int} NOT NULL,
    delivered_us {int}
) {table};
CREATE INDEX letter_due ON letter (state, next_attempt_us);
CREATE INDEX letter_of_site ON letter (host, created_us);

CREATE TABLE letter_attempt (
    letter_id {name:36} NOT NULL,
    number {int} NOT NULL,
    time_us {int} NOT NULL,
    duration_us {int} NOT NULL,
    status {int},
    error {text},
    answer {text},
    PRIMARY KEY (letter_id, number)
) {table};

CREATE TABLE password_link (
    token_hash {name:64} NOT NULL PRIMARY KEY,
    host {name:253} NOT NULL,
    password_version {int} NOT NULL,
    ctime_us {int} NOT NULL,
    expires_us {int} NOT NULL
) {table};
CREATE INDEX password_link_expired ON password_link (expires_us);
";
