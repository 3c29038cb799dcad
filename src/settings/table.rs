//! The table of all settings: what `--help` shows, and where every default stands.
use std::fmt::Write as _;

/// One setting: what `--help` shows.
pub struct Setting {
    /// Name in the environment.
    pub name: &'static str,
    /// Used where it is not set; `""`: none.
    pub default: &'static str,
    /// Meaning, with unit and range.
    pub help: &'static str,
    /// May come from a file, and is never shown.
    pub secret: bool,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default, help, secret: false }
}

const fn secret(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default, help, secret: true }
}

/// All settings. A duration is a number with a unit: ms, s, m, h, d.
pub const SETTINGS: &[Setting] = &[
    secret(
        "AMQP_URL",
        "amqp://guest:guest@127.0.0.1:5672/%2f",
        "the broker; amqps:// too; of a cluster all nodes, with commas between them",
    ),
    secret(
        "DATABASE_URL",
        "sqlite://referral.db?mode=rwc",
        "sqlite://, postgres:// or mysql:// (MySQL, MariaDB)",
    ),
    setting("DATABASE_CONNECTIONS", "10", "most database connections of this program, 2 to 1000"),
    setting(
        "AUTO_MIGRATE",
        "on",
        "on: every program brings the tables up to date at start; off: only `referral migrate`",
    ),
    setting(
        "OPS_ADDR",
        "",
        "address of GET /live, /ready and /metrics, such as 127.0.0.1:9090; not set: off",
    ),
    setting("LOG_FORMAT", "auto", "text, json, or auto: text on a terminal, json otherwise"),
    setting(
        "LOG",
        "info,lapin=off,sqlx=warn,sea_orm_migration=warn",
        "log filter, such as debug or referral=debug,info",
    ),
    setting("SHUTDOWN_GRACE", "25s", "how long SIGTERM waits for what is held"),
    setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "where traces go by OTLP over HTTP, such as http://127.0.0.1:4318; not set: nowhere",
    ),
    setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "http/protobuf or http/json"),
    secret(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "",
        "sent with the traces, such as authorization=Bearer%20KEY; several with commas between them",
    ),
    setting(
        "OTEL_TRACES_SAMPLER_ARG",
        "1",
        "how many of the traces that begin here are exported, 0 to 1; else the caller decides",
    ),
    setting("OTEL_SERVICE_NAME", "", "whose traces they are; not set: the program's name"),
    setting("PUBLISH_TIMEOUT", "5s", "how long a publish waits for the broker's confirm"),
    setting(
        "MAX_MESSAGE",
        "4194304",
        "largest message that is read, in bytes; larger ones are parked",
    ),
    setting("BATCH_MAX", "5000", "workers: most events in one transaction, 1 to 100000"),
    setting("BATCH_MAX_BYTES", "8388608", "workers: most bytes of messages in one transaction"),
    setting(
        "BATCH_LINGER_MS",
        "1",
        "workers: how long a batch waits for company under load, in milliseconds",
    ),
    setting("PREFETCH", "10000", "workers: messages the broker hands over before acks, 1 to 65535"),
    setting(
        "PREFETCH_BYTES",
        "8388608",
        "workers: bytes of those messages, roughly: large ones are fetched in smaller numbers, 1 MiB to 1 GiB",
    ),
    setting("SWEEP_EVERY", "2s", "credits: how often what waits is looked at again; at most 5s"),
    setting("LISTEN_ADDR", "127.0.0.1:8080", "ingress: where it listens"),
    setting(
        "PUBLIC_URL",
        "",
        "ingress, mail: for links in answers and letters; not set: http://LISTEN_ADDR",
    ),
    setting(
        "REGISTER_URL",
        "",
        "ingress: where /register sends visitors; not set: the built-in page",
    ),
    setting(
        "LANDING_URL",
        "",
        "ingress: where /ref/CODE/ sends visitors, with {cur_from}, {cur_to} and {code} filled in; not set: /register",
    ),
    setting(
        "REPLY_TIMEOUT",
        "2s",
        "ingress: how long register and invoice wait for the credits worker",
    ),
    setting(
        "CLICK_CONFIRM",
        "100ms",
        "ingress: how long a click waits for the broker before it goes to the spool",
    ),
    setting(
        "SPOOL_PATH",
        "spool.db",
        "ingress: the file of clicks that wait for the broker, this process's alone",
    ),
    setting(
        "SPOOL_MAX_BYTES",
        "1073741824",
        "ingress: most bytes of clicks in the spool, 1 MiB to 1 TiB; an ordinary click takes about 600",
    ),
    setting(
        "GROUP_LINGER_MS",
        "1",
        "ingress: longest wait of a publish for company while others are in flight, in milliseconds",
    ),
    setting("GROUP_MAX", "256", "ingress: most events of one message, 1 to 1000"),
    setting("BODY_MAX", "65536", "ingress: largest request body, in bytes"),
    setting("RATES_BODY_MAX", "4194304", "ingress: largest body of PUT /v1/rates, in bytes"),
    setting("CONNECTIONS_MAX", "4096", "ingress: most open HTTP connections"),
    setting(
        "TRUSTED_PROXIES",
        "",
        "ingress: addresses, comma-separated, whose X-Forwarded-For is believed",
    ),
    setting("RATE_LIMIT", "on", "ingress: off for tests behind a trusted network"),
    setting(
        "REGISTER_PER_MINUTE",
        "30",
        "ingress: how often one address may send the registration form or ask for a new password; no effect where RATE_LIMIT is off",
    ),
    setting(
        "CLICK_IP",
        "truncated",
        "ingress: how much of visitors' addresses partners are shown: full, truncated or none",
    ),
    setting(
        "ADMINZONE_URL_LOGIN",
        "on",
        "ingress: whether /adminzone/?login=…&password=… signs in; off: only the form does",
    ),
    setting(
        "ADMINZONE_SESSION",
        "12h",
        "ingress: how long a client stays signed in at /adminzone/, 1m to 90d",
    ),
    setting(
        "DASHBOARD_SESSION",
        "12h",
        "ingress: how long an administrator stays signed in at /dashboard/, 1m to 90d",
    ),
    setting(
        "DASHBOARD_OPERATORS",
        "default",
        "ingress: domains whose administrators see queues and parked messages at /dashboard/, with commas between them",
    ),
    setting(
        "DASHBOARD_LIVE_EVERY",
        "2s",
        "ingress: how often an open page of the dashboard is told the figures of the moment",
    ),
    setting(
        "DASHBOARD_STREAMS_MAX",
        "100",
        "ingress: most open pages of the dashboard that are told them; others stay as they were loaded",
    ),
    setting(
        "DASHBOARD_DEAD_MAX",
        "200",
        "ingress: most parked messages of a worker that a page of the dashboard looks at",
    ),
    setting(
        "DASHBOARD_CSV_ROWS",
        "100000",
        "ingress: most rows of a table that the dashboard exports",
    ),
    setting(
        "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP",
        "",
        "billing: where credits are POSTed, %s is the user's hash; not set: deliveries wait",
    ),
    setting("BILLING_FORMAT", "form", "billing: form or json"),
    secret(
        "WEBHOOK_SECRETS",
        "",
        "billing: whsec_… secrets that sign, comma-separated; not set: unsigned",
    ),
    setting("BILLING_TIMEOUT", "15s", "billing: for one whole exchange"),
    setting("BILLING_CONCURRENCY", "64", "billing: requests in flight, 1 to 10000"),
    setting(
        "BILLING_RETRY_INITIAL",
        "5s",
        "billing: pause before the first retry; each next one is 4 times as long",
    ),
    setting("BILLING_RETRY_MAX", "6h", "billing: longest pause between retries"),
    setting("BILLING_RETRY_FOR", "3d", "billing: a delivery that fails for so long is dead"),
    setting(
        "BILLING_CIRCUIT_AFTER",
        "10",
        "billing: a destination that fails so often in a row gets one probe at a time until it answers, 1 to 1000000",
    ),
    setting("BILLING_PROBE", "1s", "billing: pause before each of these probes"),
    secret(
        "SMTP_URL",
        "",
        "mail: smtps://USER:PASSWORD@HOST:PORT (TLS), smtp://…?tls=required (STARTTLS) or smtp://…; not set: letters wait",
    ),
    setting(
        "MAIL_FROM",
        "",
        "mail: the sender, ADDRESS or NAME <ADDRESS>; required where SMTP_URL is set",
    ),
    setting("MAIL_TIMEOUT", "30s", "mail: for one whole exchange"),
    setting("MAIL_CONCURRENCY", "4", "mail: connections to the server at a time, 1 to 1000"),
    setting(
        "MAIL_RETRY_INITIAL",
        "5s",
        "mail: pause before the first retry; each next one is 4 times as long",
    ),
    setting("MAIL_RETRY_MAX", "6h", "mail: longest pause between retries"),
    setting("MAIL_RETRY_FOR", "3d", "mail: a letter that fails for so long is dead"),
    setting("MAIL_LINK_TTL", "7d", "mail: how long the link in a letter is good"),
    secret("RCP_PASSWORD", "", "rcp sync: the password of --login at the remote RCP"),
    secret(
        "RCP_TOKEN",
        "",
        "rcp sync: a token of the remote RCP, instead of --login and RCP_PASSWORD",
    ),
];

/// The settings of these names as `--help` shows them.
pub fn help(names: &[&str]) -> String {
    let mut text = String::from("Settings, from the environment or a .env file:\n");
    for setting in SETTINGS.iter().filter(|s| names.contains(&s.name)) {
        let default = if setting.default.is_empty() { "not set" } else { setting.default };
        let file = if setting.secret {
            format!(" (or {}_FILE, a path)", setting.name)
        } else {
            String::new()
        };
        let _ = writeln!(text, "  {}\n      {}{file} [{default}]", setting.name, setting.help);
    }
    text
}

/// Settings that every program has.
pub const COMMON: &[&str] = &[
    "AMQP_URL",
    "DATABASE_URL",
    "DATABASE_CONNECTIONS",
    "AUTO_MIGRATE",
    "OPS_ADDR",
    "LOG_FORMAT",
    "LOG",
    "SHUTDOWN_GRACE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_SERVICE_NAME",
    "PUBLISH_TIMEOUT",
    "MAX_MESSAGE",
];

/// Settings of the ingress.
pub const INGRESS: &[&str] = &[
    "LISTEN_ADDR",
    "PUBLIC_URL",
    "REGISTER_URL",
    "LANDING_URL",
    "REPLY_TIMEOUT",
    "CLICK_CONFIRM",
    "SPOOL_PATH",
    "SPOOL_MAX_BYTES",
    "GROUP_LINGER_MS",
    "GROUP_MAX",
    "BODY_MAX",
    "RATES_BODY_MAX",
    "CONNECTIONS_MAX",
    "TRUSTED_PROXIES",
    "RATE_LIMIT",
    "REGISTER_PER_MINUTE",
    "CLICK_IP",
    "ADMINZONE_URL_LOGIN",
    "ADMINZONE_SESSION",
    "DASHBOARD_SESSION",
    "DASHBOARD_OPERATORS",
    "DASHBOARD_LIVE_EVERY",
    "DASHBOARD_STREAMS_MAX",
    "DASHBOARD_DEAD_MAX",
    "DASHBOARD_CSV_ROWS",
];

/// Settings of `referral rcp sync`.
pub const RCP: &[&str] = &["RCP_PASSWORD", "RCP_TOKEN"];
