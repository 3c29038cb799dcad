//! What `referral rcp sync` exchanges with a remote RCP (contract 2, last paragraph); that command
//! alone writes these tables.
//!
//! `remote` names the RCP and the domain there, `URL#DOMAIN`.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::sql::run(manager, REMOTE).await
    }
}

/// `state` is `done` or `refused`; `email` is the one that was sent. Of a record, `ctime_us` and
/// `mtime_us` are the remote's, `synced_us` is when what the row says was read.
const REMOTE: &str = "
CREATE TABLE remote_code (
    domain_id {int} NOT NULL,
    remote {name:555} NOT NULL,
    code {name:20} NOT NULL,
    email {name:254} NOT NULL,
    state {name:7} NOT NULL,
    status {int} NOT NULL,
    detail {text},
    put_us {int} NOT NULL,
    PRIMARY KEY (domain_id, remote, code)
) {table};

CREATE TABLE remote_record (
    domain_id {int} NOT NULL,
    remote {name:555} NOT NULL,
    day {name:10} NOT NULL,
    code {name:20} NOT NULL,
    record_id {name:36} NOT NULL,
    clicks {int} NOT NULL,
    emails {long} NOT NULL,
    ctime_us {int},
    mtime_us {int},
    synced_us {int} NOT NULL,
    PRIMARY KEY (domain_id, remote, day, code)
) {table};
CREATE INDEX remote_record_of_code ON remote_record (domain_id, code);
";
