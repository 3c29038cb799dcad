//! Every setting of every program: its name, default and meaning in one table, and one struct per
//! concern that is made from it (contract 7).
//!
//! Settings come from the environment; a `.env` file gives what the environment does not. Secrets
//! may be given as `NAME_FILE`, a path. Only the mains read the environment: everything else
//! takes a struct. A bad setting is a [`SettingError`]: one line that names it.
//!
//! [`table`]: names, defaults, meanings. [`Settings`]: the values given. Here: the structs.
mod given;
mod ingress;
pub mod table;
mod traces;

use std::{net::SocketAddr, time::Duration};

pub use given::{SettingError, Settings, parse_duration};
pub use ingress::{ClickIp, DashboardSettings, IngressSettings};
pub use table::{COMMON, INGRESS, RCP, help};
pub use traces::TraceSettings;

use crate::{
    broker::{BrokerSettings, addresses::Addresses},
    store::StoreSettings,
    webhook::Target,
};

impl Settings {
    /// The broker, for a program of this name.
    pub fn broker(&self, program: &str) -> Result<BrokerSettings, SettingError> {
        let url = self.required("AMQP_URL")?;
        if Addresses::parse(&url).is_none() {
            let problem = "must begin with amqp:// or amqps://, each of several between commas";
            return Err(SettingError::new("AMQP_URL", problem));
        }
        Ok(BrokerSettings {
            publish_timeout: self.duration("PUBLISH_TIMEOUT")?,
            max_message: self.int("MAX_MESSAGE", 1024..=128 << 20)? as usize,
            ..BrokerSettings::new(url, program)
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
            prefetch_bytes: self.int("PREFETCH_BYTES", 1 << 20..=1 << 30)? as usize,
            message_bytes_max: self.int("MAX_MESSAGE", 1024..=128 << 20)? as usize,
            sweep_every,
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
            endpoint: self.endpoint()?,
            json,
            secrets: secrets.map(str::to_owned).collect(),
            timeout: self.some_time("BILLING_TIMEOUT")?,
            concurrency_max: self.int("BILLING_CONCURRENCY", 1..=10_000)? as usize,
            retry_initial: self.some_time("BILLING_RETRY_INITIAL")?,
            retry_pause_max: self.some_time("BILLING_RETRY_MAX")?,
            retry_for: self.duration("BILLING_RETRY_FOR")?,
            circuit_after: self.int("BILLING_CIRCUIT_AFTER", 1..=1_000_000)? as u32,
            probe_pause: self.some_time("BILLING_PROBE")?,
        })
    }

    fn endpoint(&self) -> Result<Option<String>, SettingError> {
        const NAME: &str = "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP";
        let endpoint = self.http_url(NAME)?;
        if endpoint.as_ref().is_some_and(|endpoint| !Target::new(endpoint).says_user()) {
            let problem = "has %s where the address that is called does not say it";
            return Err(SettingError::new(NAME, problem));
        }
        Ok(endpoint)
    }

    /// The mail worker.
    pub fn mail(&self) -> Result<MailSettings, SettingError> {
        Ok(MailSettings {
            smtp_url: self.text("SMTP_URL")?,
            from: self.text("MAIL_FROM")?,
            public_url: self.public_url()?,
            is_public_url_given: self.is_given("PUBLIC_URL"),
            timeout: self.some_time("MAIL_TIMEOUT")?,
            concurrency_max: self.int("MAIL_CONCURRENCY", 1..=1000)? as usize,
            retry_initial: self.some_time("MAIL_RETRY_INITIAL")?,
            retry_pause_max: self.some_time("MAIL_RETRY_MAX")?,
            retry_for: self.duration("MAIL_RETRY_FOR")?,
            link_ttl: self.some_time("MAIL_LINK_TTL")?,
        })
    }

    /// How `referral rcp sync` is let in.
    pub fn rcp(&self) -> Result<RcpSettings, SettingError> {
        Ok(RcpSettings { password: self.text("RCP_PASSWORD")?, token: self.text("RCP_TOKEN")? })
    }
}

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
    /// And, roughly, their bytes.
    pub prefetch_bytes: usize,
    /// Larger messages are parked.
    pub message_bytes_max: usize,
    /// How often what waits is looked at again.
    pub sweep_every: Duration,
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
    /// A destination that fails so often in a row is only probed.
    pub circuit_after: u32,
    /// Pause before each probe.
    pub probe_pause: Duration,
}

/// See [`Settings::mail`].
#[derive(Clone)]
pub struct MailSettings {
    /// `SMTP_URL`, secret; none: letters wait.
    pub smtp_url: Option<String>,
    /// `MAIL_FROM`; required where there is a server.
    pub from: Option<String>,
    /// For links in letters; without a slash at the end.
    pub public_url: String,
    /// Whether it is more than a default.
    pub is_public_url_given: bool,
    /// For one whole exchange.
    pub timeout: Duration,
    /// Connections at a time.
    pub concurrency_max: usize,
    /// Pause before the first retry.
    pub retry_initial: Duration,
    /// Longest pause.
    pub retry_pause_max: Duration,
    /// A letter that fails for so long is dead.
    pub retry_for: Duration,
    /// How long a link is good.
    pub link_ttl: Duration,
}

/// See [`Settings::rcp`].
#[derive(Clone)]
pub struct RcpSettings {
    /// `RCP_PASSWORD`; secret.
    pub password: Option<String>,
    /// `RCP_TOKEN`; secret.
    pub token: Option<String>,
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
