//! Every setting of every program: its name, default and meaning in one table, and one struct per
//! concern that is made from it (contract 7).
//!
//! Settings come from the environment; a `.env` file gives what the environment does not. Secrets
//! may be given as `NAME_FILE`, a path. Only the mains read the environment: everything else
//! takes a struct. A bad setting is a [`SettingError`]: one line that names it.
//!
//! [`table`]: names, defaults, meanings. [`Settings`]: the values given. Here: the structs.
mod given;
pub mod table;

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

pub use given::{SettingError, Settings, parse_duration};
pub use table::{COMMON, INGRESS, RCP, help};

use crate::{
    broker::{BrokerSettings, addresses::Addresses},
    domain::landing::Landing,
    store::StoreSettings,
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

    /// The HTTP ingress.
    pub fn ingress(&self) -> Result<IngressSettings, SettingError> {
        let proxies = self.text("TRUSTED_PROXIES")?.unwrap_or_default();
        let proxies = proxies.split(',').map(str::trim).filter(|p| !p.is_empty()).map(|proxy| {
            proxy.parse().map_err(|_| {
                SettingError::new("TRUSTED_PROXIES", format!("{proxy:?} is no address"))
            })
        });
        let landing = self.text("LANDING_URL")?.map(|template| {
            Landing::parse(&template)
                .map_err(|error| SettingError::new("LANDING_URL", error.to_string()))
        });
        let per_minute = self.int("REGISTER_PER_MINUTE", 1..=1_000_000)? as u32;
        Ok(IngressSettings {
            listen: self.listen()?,
            public_url: self.public_url()?,
            register_url: self.http_url("REGISTER_URL")?,
            reply_timeout: self.duration("REPLY_TIMEOUT")?,
            landing: landing.transpose()?,
            spool_path: self.required("SPOOL_PATH")?,
            spool_bytes_max: self.int("SPOOL_MAX_BYTES", 1 << 20..=1 << 40)?,
            click_confirm: self.duration("CLICK_CONFIRM")?,
            group_linger: Duration::from_millis(self.int("GROUP_LINGER_MS", 0..=1000)?),
            group_events_max: self.int("GROUP_MAX", 1..=1000)? as usize,
            body_bytes_max: self.int("BODY_MAX", 1024..=64 << 20)? as usize,
            rates_body_bytes_max: self.int("RATES_BODY_MAX", 1024..=64 << 20)? as usize,
            connections_max: self.int("CONNECTIONS_MAX", 1..=1_000_000)? as usize,
            trusted_proxies: proxies.collect::<Result<_, _>>()?,
            rate_limit: self.switch("RATE_LIMIT")?,
            register_per_minute: NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN),
            click_ip: self.click_ip()?,
            adminzone_url_login: self.switch("ADMINZONE_URL_LOGIN")?,
            adminzone_session: self.adminzone_session()?,
        })
    }

    fn adminzone_session(&self) -> Result<Duration, SettingError> {
        const NAME: &str = "ADMINZONE_SESSION";
        let session = self.duration(NAME)?;
        if (SESSION_MIN..=SESSION_MAX).contains(&session) {
            Ok(session)
        } else {
            Err(SettingError::new(NAME, "must be 1m to 90d"))
        }
    }

    fn listen(&self) -> Result<SocketAddr, SettingError> {
        let listen = self.address("LISTEN_ADDR")?;
        listen.ok_or_else(|| SettingError::new("LISTEN_ADDR", "is required"))
    }

    /// Where people reach the ingress; without a slash at the end.
    fn public_url(&self) -> Result<String, SettingError> {
        let url = match self.http_url("PUBLIC_URL")? {
            Some(url) => url,
            None => format!("http://{}", self.listen()?),
        };
        Ok(url.trim_end_matches('/').to_owned())
    }

    fn click_ip(&self) -> Result<ClickIp, SettingError> {
        match self.required("CLICK_IP")?.as_str() {
            "full" => Ok(ClickIp::Full),
            "truncated" => Ok(ClickIp::Truncated),
            "none" => Ok(ClickIp::None),
            other => {
                let problem = format!("must be full, truncated or none, not {other:?}");
                Err(SettingError::new("CLICK_IP", problem))
            }
        }
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
            timeout: self.some_time("BILLING_TIMEOUT")?,
            concurrency_max: self.int("BILLING_CONCURRENCY", 1..=10_000)? as usize,
            retry_initial: self.some_time("BILLING_RETRY_INITIAL")?,
            retry_pause_max: self.some_time("BILLING_RETRY_MAX")?,
            retry_for: self.duration("BILLING_RETRY_FOR")?,
            circuit_after: self.int("BILLING_CIRCUIT_AFTER", 1..=1_000_000)? as u32,
            probe_pause: self.some_time("BILLING_PROBE")?,
        })
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

/// The shortest and the longest `ADMINZONE_SESSION`.
const SESSION_MIN: Duration = Duration::from_secs(60);
const SESSION_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

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

/// See [`Settings::ingress`].
#[derive(Debug, Clone)]
pub struct IngressSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// For links in answers; without a slash at the end.
    pub public_url: String,
    /// Where `/register` sends visitors; none: the built-in page.
    pub register_url: Option<String>,
    /// Where `/ref/CODE/` sends visitors; none: to `/register`.
    pub landing: Option<Landing>,
    /// The file of clicks that wait for the broker.
    pub spool_path: String,
    /// Most bytes of events in it.
    pub spool_bytes_max: u64,
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
    /// Largest body of `PUT /v1/rates`.
    pub rates_body_bytes_max: usize,
    /// Most open connections.
    pub connections_max: usize,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// Whether credentials may only be tried, and forms only be sent, so often.
    pub rate_limit: bool,
    /// How often one address may send forms that anybody may send.
    pub register_per_minute: NonZeroU32,
    /// How much of a visitor's address partners are shown.
    pub click_ip: ClickIp,
    /// Whether `/adminzone/?login=…&password=…` signs in.
    pub adminzone_url_login: bool,
    /// How long a client stays signed in.
    pub adminzone_session: Duration,
}

/// How much of an address is shown (contract 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClickIp {
    /// All of it.
    Full,
    /// The network: the last octet, or the last 80 bits, are zero.
    Truncated,
    /// Nothing.
    None,
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
