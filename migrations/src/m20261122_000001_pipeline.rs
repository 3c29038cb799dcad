//! The pipeline's tables. Who writes which: `guide` of the house in ARCHITECTURE.md.
//!
//! Instants are microseconds since 1970 UTC (`…_us`), money is minor units (`…_minor`), truth is
//! 0 or 1, so that no database rounds or shifts anything.
use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for script in [TENANTS, DAILY_RECORDS, CREDITS, BILLING] {
            super::sql::run(manager, script).await?;
        }
        Ok(())
    }
}

/// Written by the ingress and the operator's commands.
const TENANTS: &str = "
CREATE TABLE domain (
    id {serial},
    name {name:253} NOT NULL UNIQUE,
    timezone {name:64} NOT NULL,
    currency {name:3} NOT NULL,
    ctime_us {int} NOT NULL
) {table};

INSERT INTO domain (name, timezone, currency, ctime_us) VALUES ('default', 'UTC', 'USD', 0);

CREATE TABLE administrator (
    id {serial},
    domain_id {int} NOT NULL,
    login {name:253} NOT NULL,
    password_hash {text} NOT NULL,
    ctime_us {int} NOT NULL,
    UNIQUE (domain_id, login)
) {table};

CREATE TABLE token (
    id {name:36} NOT NULL PRIMARY KEY,
    administrator_id {int} NOT NULL,
    key_hash {name:64} NOT NULL UNIQUE,
    device_info {text} NOT NULL,
    ip_address {name:45} NOT NULL,
    ctime_us {int} NOT NULL,
    expires_us {int} NOT NULL,
    revoked_us {int}
) {table};

CREATE TABLE programme (
    id {serial},
    domain_id {int} NOT NULL,
    name {text} NOT NULL,
    credit_minor {int} NOT NULL,
    target_minor {int} NOT NULL,
    reward_percent_e4 {int} NOT NULL,
    ctime_us {int} NOT NULL
) {table};
CREATE INDEX programme_of_domain ON programme (domain_id);

CREATE TABLE code (
    code {name:20} NOT NULL PRIMARY KEY,
    domain_id {int} NOT NULL,
    email {name:254} NOT NULL,
    email_key {name:254} NOT NULL,
    program_id {int},
    ctime_us {int} NOT NULL
) {table};
CREATE INDEX code_of_email ON code (domain_id, email_key);

CREATE TABLE email_indication (
    domain_id {int} NOT NULL,
    email_key {name:254} NOT NULL,
    email {name:254} NOT NULL,
    user_hash {name:253} NOT NULL,
    ctime_us {int} NOT NULL,
    PRIMARY KEY (domain_id, email_key)
) {table};
";

/// Written by the daily-records worker.
const DAILY_RECORDS: &str = "
CREATE TABLE click (
    id {serial},
    event_key {name:32} NOT NULL UNIQUE,
    domain_id {int} NOT NULL,
    code {name:20} NOT NULL,
    time_us {int} NOT NULL,
    bot {int} NOT NULL,
    ip {text},
    user_agent {text},
    referrer {text},
    user_hash {text},
    query_string {text},
    seen_us {int} NOT NULL
    {mysql , batch_id BIGINT NOT NULL}
) {table};

CREATE TABLE daily_signup (
    event_key {name:32} NOT NULL PRIMARY KEY,
    domain_id {int} NOT NULL,
    code {name:20},
    day {name:10} NOT NULL,
    time_us {int} NOT NULL,
    email {name:254},
    email_key {name:254},
    seen_us {int} NOT NULL
    {mysql , batch_id BIGINT NOT NULL}
) {table};
CREATE INDEX daily_signup_of_record ON daily_signup (domain_id, code, day);

CREATE TABLE daily_record (
    domain_id {int} NOT NULL,
    day {name:10} NOT NULL,
    code {name:20} NOT NULL,
    id {name:36} NOT NULL,
    clicks {int} NOT NULL,
    ctime_us {int} NOT NULL,
    mtime_us {int} NOT NULL,
    PRIMARY KEY (domain_id, day, code)
) {table};
CREATE INDEX daily_record_of_code ON daily_record (domain_id, code);

CREATE TABLE lone_try (
    worker {name:32} NOT NULL,
    event_key {name:32} NOT NULL,
    tries {int} NOT NULL,
    first_us {int} NOT NULL,
    PRIMARY KEY (worker, event_key)
) {table};
";

/// Written by the credits worker.
const CREDITS: &str = "
CREATE TABLE signup (
    event_key {name:32} NOT NULL PRIMARY KEY,
    source {text} NOT NULL,
    event_id {text} NOT NULL,
    domain_id {int} NOT NULL,
    user_hash {name:253} NOT NULL,
    time_us {int} NOT NULL,
    code {name:20},
    user_indicator {name:253},
    email {name:254},
    program_id {int},
    outcome {name:16},
    seen_us {int} NOT NULL
    {mysql , batch_id BIGINT NOT NULL}
) {table};
CREATE INDEX signup_of_user ON signup (domain_id, user_hash);

CREATE TABLE account (
    domain_id {int} NOT NULL,
    user_hash {name:253} NOT NULL,
    code {name:20} NOT NULL UNIQUE,
    email {name:254},
    email_key {name:254},
    claim_indicator {name:253},
    claim_code {name:20},
    claim_program_id {int},
    wait_hash {name:253},
    wait_code {name:20},
    referrer_hash {name:253},
    program_id {int},
    program_name {text},
    credit_minor {int},
    target_minor {int},
    reward_percent_e4 {int},
    currency {name:3},
    settled_us {int},
    acquired_us {int},
    source {text} NOT NULL,
    event_id {text} NOT NULL,
    traceparent {text},
    tracestate {text},
    ctime_us {int} NOT NULL,
    PRIMARY KEY (domain_id, user_hash)
) {table};
CREATE INDEX account_waiting_for_user ON account (domain_id, wait_hash);
CREATE INDEX account_waiting_for_code ON account (domain_id, wait_code);
CREATE INDEX account_of_referrer ON account (domain_id, referrer_hash);

CREATE TABLE account_email (
    domain_id {int} NOT NULL,
    email_key {name:254} NOT NULL,
    user_hash {name:253} NOT NULL,
    PRIMARY KEY (domain_id, email_key)
) {table};

CREATE TABLE payment (
    id {serial},
    event_key {name:32} NOT NULL UNIQUE,
    source {text} NOT NULL,
    event_id {text} NOT NULL,
    domain_id {int} NOT NULL,
    user_hash {name:253} NOT NULL,
    currency {name:3} NOT NULL,
    time_us {int} NOT NULL,
    amount_minor {int},
    total_minor {int},
    counted {int} NOT NULL,
    acquired_minor {int},
    reward_minor {int},
    exchange {text},
    seen_us {int} NOT NULL
    {mysql , batch_id BIGINT NOT NULL}
) {table};
CREATE INDEX payment_of_user ON payment (domain_id, user_hash);

CREATE TABLE payer (
    domain_id {int} NOT NULL,
    user_hash {name:253} NOT NULL,
    sum_minor {int} NOT NULL,
    max_minor {int} NOT NULL,
    PRIMARY KEY (domain_id, user_hash)
) {table};

CREATE TABLE entry (
    id {name:36} NOT NULL PRIMARY KEY,
    domain_id {int} NOT NULL,
    user_hash {name:253} NOT NULL,
    kind {name:16} NOT NULL,
    amount_minor {int} NOT NULL,
    currency {name:3} NOT NULL,
    program_id {int} NOT NULL,
    referred_user_hash {name:253} NOT NULL,
    signup_source {text} NOT NULL,
    signup_event_id {text} NOT NULL,
    payment_source {text},
    payment_event_id {text},
    time_us {int} NOT NULL,
    UNIQUE (domain_id, referred_user_hash, kind)
) {table};
CREATE INDEX entry_of_user ON entry (domain_id, user_hash);
";

/// Rows are made by the credits worker with the entry that they pay out, and moved by billing.
const BILLING: &str = "
CREATE TABLE delivery (
    id {name:36} NOT NULL PRIMARY KEY,
    entry_id {name:36} NOT NULL UNIQUE,
    domain_id {int} NOT NULL,
    user_hash {name:253} NOT NULL,
    kind {name:16} NOT NULL,
    amount_minor {int} NOT NULL,
    currency {name:3} NOT NULL,
    program_id {int} NOT NULL,
    program_name {text} NOT NULL,
    user_indicator_hash {name:253} NOT NULL,
    referred_user_hash {name:253} NOT NULL,
    traceparent {text},
    tracestate {text},
    created_us {int} NOT NULL,
    state {name:9} NOT NULL,
    attempts {int} NOT NULL,
    first_attempt_us {int},
    next_attempt_us {int} NOT NULL,
    lease {name:36},
    lease_until_us {int} NOT NULL,
    delivered_us {int}
) {table};
CREATE INDEX delivery_due ON delivery (state, next_attempt_us);
CREATE INDEX delivery_of_user ON delivery (domain_id, user_hash);

CREATE TABLE attempt (
    delivery_id {name:36} NOT NULL,
    number {int} NOT NULL,
    time_us {int} NOT NULL,
    duration_us {int} NOT NULL,
    status {int},
    error {text},
    answer {text},
    PRIMARY KEY (delivery_id, number)
) {table};
";
