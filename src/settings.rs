//! Every setting of every program: its name, default and meaning in one table, and one struct per
//! concern that is made from it (contract 7).
//!
//! Settings come from the environment; a `.env` file gives what the environment does not. Secrets
//! may be given as `NAME_FILE`, a path. Only the mains read the environment: everything else
//! takes a struct. A bad setting is a [`SettingError`]: one line that names it.
use std::{collections::HashMap, fmt::Write as _, net::SocketAddr, time::Duration};

use crate::{broker::BrokerSettings, store::StoreSettings};

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
    secret("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f", "the broker; amqps:// too"),
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
        "info,sqlx=warn,sea_orm_migration=warn",
        "log filter, such as debug or referral=debug,info",
    ),
    setting("SHUTDOWN_GRACE", "25s", "how long SIGTERM waits for what is held"),
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
    setting("SWEEP_EVERY", "2s", "credits: how often what waits is looked at again; at most 5s"),
    setting("LISTEN_ADDR", "127.0.0.1:8080", "ingress: where it listens"),
    setting("PUBLIC_URL", "", "ingress: for links in answers; not set: http://LISTEN_ADDR"),
    setting(
        "REGISTER_URL",
        "",
        "ingress: where /register sends visitors; not set: the built-in page",
    ),
    setting(
        "REPLY_TIMEOUT",
        "2s",
        "ingress: how long register and invoice wait for the credits worker",
    ),
    setting("CLICK_CONFIRM", "100ms", "ingress: how long a click waits for the broker's confirm"),
    setting(
        "GROUP_LINGER_MS",
        "1",
        "ingress: how long a publish waits for company under load, in milliseconds",
    ),
    setting("GROUP_MAX", "256", "ingress: most events of one message, 1 to 1000"),
    setting("BODY_MAX", "65536", "ingress: largest request body, in bytes"),
    setting("CONNECTIONS_MAX", "4096", "ingress: most open HTTP connections"),
    setting(
        "TRUSTED_PROXIES",
        "",
        "ingress: addresses, comma-separated, whose X-Forwarded-For is believed",
    ),
    setting("RATE_LIMIT", "on", "ingress: off for tests behind a trusted network"),
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
];

/// A setting that cannot be used. One line, without the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    /// Which one.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

impl SettingError {
    fn new(name: &str, problem: impl Into<String>) -> Self {
        Self { name: name.to_owned(), problem: problem.into() }
    }
}

/// The settings as texts, before they are read.
#[derive(Clone, Default)]
pub struct Settings {
    given: HashMap<String, String>,
}

impl Settings {
    /// The process's environment over a `.env` file in the working directory.
    pub fn from_environment() -> Result<Self, SettingError> {
        let mut given = HashMap::new();
        match dotenvy::from_filename_iter(".env") {
            Ok(lines) => {
                for line in lines {
                    let (name, value) = line.map_err(|_| {
                        SettingError::new(".env", "has a line that is no NAME=value")
                    })?;
                    given.insert(name, value);
                }
            }
            Err(error) if error.not_found() => {}
            Err(error) => return Err(SettingError::new(".env", error.to_string())),
        }
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        given.extend(std::env::vars());
        Ok(Self { given })
    }

    /// These and no others: for tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let given = pairs.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Self { given }
    }

    /// The value given, else the default; `None` where neither is there. Empty counts as not set.
    pub fn text(&self, name: &str) -> Result<Option<String>, SettingError> {
        let Some(setting) = SETTINGS.iter().find(|s| s.name == name) else {
            return Err(SettingError::new(name, "is no setting"));
        };
        let given = self.given.get(name).filter(|value| !value.is_empty()).cloned();
        let given = match (given, setting.secret) {
            (None, true) => self.text_of_file(name)?,
            (given, _) => given,
        };
        let default = || Some(setting.default).filter(|d| !d.is_empty()).map(str::to_owned);
        Ok(given.or_else(default))
    }

    /// Whether the name has a value that is not its default's.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| !value.is_empty())
    }

    fn text_of_file(&self, name: &str) -> Result<Option<String>, SettingError> {
        let file_name = format!("{name}_FILE");
        let Some(path) = self.given.get(&file_name).filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingError::new(&file_name, format!("cannot be read: {error}")))?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    fn required(&self, name: &str) -> Result<String, SettingError> {
        self.text(name)?.ok_or_else(|| SettingError::new(name, "is required"))
    }

    fn int(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, SettingError> {
        let text = self.required(name)?;
        text.parse::<u64>().ok().filter(|n| range.contains(n)).ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            SettingError::new(
                name,
                format!("must be a whole number of {from} to {to}, not {text:?}"),
            )
        })
    }

    fn duration(&self, name: &str) -> Result<Duration, SettingError> {
        let text = self.required(name)?;
        parse_duration(&text).ok_or_else(|| {
            SettingError::new(
                name,
                format!("must be a number with a unit (ms, s, m, h, d), not {text:?}"),
            )
        })
    }

    fn switch(&self, name: &str) -> Result<bool, SettingError> {
        match self.required(name)?.as_str() {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(SettingError::new(name, format!("must be on or off, not {other:?}"))),
        }
    }

    fn address(&self, name: &str) -> Result<Option<SocketAddr>, SettingError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let bad = || SettingError::new(name, format!("must be ADDRESS:PORT, not {text:?}"));
        text.parse().map(Some).map_err(|_| bad())
    }

    fn http_url(&self, name: &str) -> Result<Option<String>, SettingError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match url::Url::parse(&text.replace("%s", "x")) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(text)),
            _ => {
                Err(SettingError::new(name, format!("must be an http or https URL, not {text:?}")))
            }
        }
    }

    /// The broker, for a program of this name.
    pub fn broker(&self, program: &str) -> Result<BrokerSettings, SettingError> {
        let url = self.required("AMQP_URL")?;
        if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
            return Err(SettingError::new("AMQP_URL", "must begin with amqp:// or amqps://"));
        }
        Ok(BrokerSettings {
            url,
            connection_name: program.to_owned(),
            publish_timeout: self.duration("PUBLISH_TIMEOUT")?,
            heartbeat: HEARTBEAT_SECONDS,
            max_message: self.int("MAX_MESSAGE", 1024..=128 << 20)? as usize,
        })
    }

    /// The database.
    pub fn store(&self) -> Result<StoreSettings, SettingError> {
        let url = self.required("DATABASE_URL")?;
        if crate::store::dialect::Dialect::of_url(&url).is_none() {
            let problem = "must begin with sqlite://, postgres:// or mysql://";
            return Err(SettingError::new("DATABASE_URL", problem));
        }
        Ok(StoreSettings {
            url,
            connections_max: self.int("DATABASE_CONNECTIONS", 2..=1000)? as u32,
            migrate: self.switch("AUTO_MIGRATE")?,
        })
    }

    /// What every program has: operations address and stopping.
    pub fn ops(&self) -> Result<OpsSettings, SettingError> {
        Ok(OpsSettings {
            address: self.address("OPS_ADDR")?,
            grace: self.duration("SHUTDOWN_GRACE")?,
        })
    }

    /// The log.
    pub fn log(&self) -> Result<LogSettings, SettingError> {
        let format = match self.required("LOG_FORMAT")?.as_str() {
            "auto" => LogFormat::Auto,
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => {
                let problem = format!("must be text, json or auto, not {other:?}");
                return Err(SettingError::new("LOG_FORMAT", problem));
            }
        };
        Ok(LogSettings { format, filter: self.required("LOG")? })
    }

    /// The loop of daily-records and credits.
    pub fn worker(&self) -> Result<WorkerSettings, SettingError> {
        let sweep_every = self.duration("SWEEP_EVERY")?;
        if sweep_every.is_zero() || sweep_every > Duration::from_secs(5) {
            return Err(SettingError::new("SWEEP_EVERY", "must be more than 0 and at most 5s"));
        }
        Ok(WorkerSettings {
            batch_events_max: self.int("BATCH_MAX", 1..=100_000)? as usize,
            batch_bytes_max: self.int("BATCH_MAX_BYTES", 1024..=1 << 30)? as usize,
            linger: Duration::from_millis(self.int("BATCH_LINGER_MS", 0..=1000)?),
            prefetch: self.int("PREFETCH", 1..=65535)? as u16,
            message_bytes_max: self.int("MAX_MESSAGE", 1024..=128 << 20)? as usize,
            sweep_every,
        })
    }

    /// The HTTP ingress.
    pub fn ingress(&self) -> Result<IngressSettings, SettingError> {
        let listen = self.address("LISTEN_ADDR")?;
        let listen = listen.ok_or_else(|| SettingError::new("LISTEN_ADDR", "is required"))?;
        let public_url = self.http_url("PUBLIC_URL")?.unwrap_or_else(|| format!("http://{listen}"));
        let proxies = self.text("TRUSTED_PROXIES")?.unwrap_or_default();
        let proxies = proxies.split(',').map(str::trim).filter(|p| !p.is_empty()).map(|proxy| {
            proxy.parse().map_err(|_| {
                SettingError::new("TRUSTED_PROXIES", format!("{proxy:?} is no address"))
            })
        });
        Ok(IngressSettings {
            listen,
            public_url: public_url.trim_end_matches('/').to_owned(),
            register_url: self.http_url("REGISTER_URL")?,
            reply_timeout: self.duration("REPLY_TIMEOUT")?,
            click_confirm: self.duration("CLICK_CONFIRM")?,
            group_linger: Duration::from_millis(self.int("GROUP_LINGER_MS", 0..=1000)?),
            group_events_max: self.int("GROUP_MAX", 1..=1000)? as usize,
            body_bytes_max: self.int("BODY_MAX", 1024..=64 << 20)? as usize,
            connections_max: self.int("CONNECTIONS_MAX", 1..=1_000_000)? as usize,
            trusted_proxies: proxies.collect::<Result<_, _>>()?,
            rate_limit: self.switch("RATE_LIMIT")?,
        })
    }

    /// The billing worker.
    pub fn billing(&self) -> Result<BillingSettings, SettingError> {
        let json = match self.required("BILLING_FORMAT")?.as_str() {
            "form" => false,
            "json" => true,
            other => {
                let problem = format!("must be form or json, not {other:?}");
                return Err(SettingError::new("BILLING_FORMAT", problem));
            }
        };
        let secrets = self.text("WEBHOOK_SECRETS")?.unwrap_or_default();
        let secrets = secrets.split(',').map(str::trim).filter(|s| !s.is_empty());
        Ok(BillingSettings {
            endpoint: self.http_url("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP")?,
            json,
            secrets: secrets.map(str::to_owned).collect(),
            timeout: self.duration("BILLING_TIMEOUT")?,
            concurrency_max: self.int("BILLING_CONCURRENCY", 1..=10_000)? as usize,
            retry_initial: self.duration("BILLING_RETRY_INITIAL")?,
            retry_pause_max: self.duration("BILLING_RETRY_MAX")?,
            retry_for: self.duration("BILLING_RETRY_FOR")?,
        })
    }
}

/// Seconds between AMQP heartbeats: a half-open connection is noticed within two.
const HEARTBEAT_SECONDS: u16 = 10;

/// See [`Settings::ops`].
#[derive(Debug, Clone)]
pub struct OpsSettings {
    /// Where `/live`, `/ready` and `/metrics` are; none: nowhere.
    pub address: Option<SocketAddr>,
    /// How long a stop may take.
    pub grace: Duration,
}

/// See [`Settings::log`].
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// Which lines there are.
    pub filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// See [`Settings::worker`].
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Most events in one transaction.
    pub batch_events_max: usize,
    /// Most message bytes in one transaction.
    pub batch_bytes_max: usize,
    /// How long a batch waits for company under load.
    pub linger: Duration,
    /// Messages in hand without an ack.
    pub prefetch: u16,
    /// Larger messages are parked.
    pub message_bytes_max: usize,
    /// How often what waits is looked at again.
    pub sweep_every: Duration,
}

/// See [`Settings::ingress`].
#[derive(Debug, Clone)]
pub struct IngressSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// For links in answers; without a slash at the end.
    pub public_url: String,
    /// Where `/register` sends visitors; none: the built-in page.
    pub register_url: Option<String>,
    /// How long register and invoice wait for the credits worker.
    pub reply_timeout: Duration,
    /// How long a click waits for the broker's confirm.
    pub click_confirm: Duration,
    /// How long a publish waits for company under load.
    pub group_linger: Duration,
    /// Most events of one message.
    pub group_events_max: usize,
    /// Largest request body.
    pub body_bytes_max: usize,
    /// Most open connections.
    pub connections_max: usize,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// Whether credentials may only be tried so often.
    pub rate_limit: bool,
}

/// See [`Settings::billing`].
#[derive(Clone)]
pub struct BillingSettings {
    /// `ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP`; none: deliveries wait.
    pub endpoint: Option<String>,
    /// The `json` body instead of the `form` one.
    pub json: bool,
    /// `whsec_…`, in order.
    pub secrets: Vec<String>,
    /// For one whole exchange.
    pub timeout: Duration,
    /// Requests in flight.
    pub concurrency_max: usize,
    /// Pause before the first retry.
    pub retry_initial: Duration,
    /// Longest pause.
    pub retry_pause_max: Duration,
    /// A delivery that fails for so long is dead.
    pub retry_for: Duration,
}

/// Reads a number with a unit: `100ms`, `2s`, `5m`, `6h`, `3d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number = text[..digits].parse::<u64>().ok()?;
    let milliseconds: u64 = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

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
    "PUBLISH_TIMEOUT",
    "MAX_MESSAGE",
];

/// Settings of the ingress.
pub const INGRESS: &[&str] = &[
    "LISTEN_ADDR",
    "PUBLIC_URL",
    "REGISTER_URL",
    "REPLY_TIMEOUT",
    "GROUP_LINGER_MS",
    "GROUP_MAX",
    "BODY_MAX",
    "CONNECTIONS_MAX",
    "TRUSTED_PROXIES",
    "RATE_LIMIT",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_valid() {
        let none = Settings::default();
        none.broker("test").unwrap();
        none.store().unwrap();
        none.ops().unwrap();
        none.log().unwrap();
        none.worker().unwrap();
        none.billing().unwrap();
        assert_eq!(none.ingress().unwrap().public_url, "http://127.0.0.1:8080");
    }

    #[test]
    fn a_bad_setting_is_one_line_that_names_it_and_keeps_secrets() {
        type Read = fn(&Settings) -> Option<SettingError>;
        let cases: [(&str, &str, Read); 6] = [
            ("BILLING_TIMEOUT", "15", |s| s.billing().err()),
            ("BATCH_MAX", "0", |s| s.worker().err()),
            ("RATE_LIMIT", "maybe", |s| s.ingress().err()),
            ("LISTEN_ADDR", "here", |s| s.ingress().err()),
            ("AMQP_URL", "http://user:hunter2@h", |s| s.broker("t").err()),
            ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", "ftp://x", |s| s.billing().err()),
        ];
        for (name, value, read) in cases {
            let error = read(&Settings::from_pairs([(name, value)])).map(|e| e.to_string());
            let line = error.unwrap_or_default();
            assert!(line.starts_with(name) && !line.contains('\n'), "{name}: {line:?}");
            assert!(!line.contains("hunter2"), "{line}");
        }
    }

    #[test]
    fn secrets_may_come_from_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "amqp://a:b@c/%2f\n").unwrap();
        let path = file.path().to_str().unwrap();
        let settings = Settings::from_pairs([("AMQP_URL_FILE", path)]);
        assert_eq!(settings.broker("t").unwrap().url, "amqp://a:b@c/%2f");
        let missing = Settings::from_pairs([("AMQP_URL_FILE", "/nowhere")]);
        assert!(missing.broker("t").unwrap_err().to_string().starts_with("AMQP_URL_FILE"));
    }

    #[test]
    fn durations_have_a_unit() {
        for (text, ms) in [
            ("100ms", Some(100)),
            ("2s", Some(2000)),
            ("5m", Some(300_000)),
            ("3d", Some(259_200_000)),
            ("5", None),
            ("", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
        ] {
            assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text}");
        }
    }
}
