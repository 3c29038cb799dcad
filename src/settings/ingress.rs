//! Settings of the ingress.
use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use super::{SettingError, Settings};
use crate::domain::landing::Landing;

/// The shortest and the longest `ADMINZONE_SESSION` and `DASHBOARD_SESSION`.
const SESSION_MIN: Duration = Duration::from_secs(60);
const SESSION_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

impl Settings {
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
            adminzone_session: self.session("ADMINZONE_SESSION")?,
            dashboard: self.dashboard()?,
        })
    }

    fn session(&self, name: &str) -> Result<Duration, SettingError> {
        let session = self.duration(name)?;
        if (SESSION_MIN..=SESSION_MAX).contains(&session) {
            Ok(session)
        } else {
            Err(SettingError::new(name, "must be 1m to 90d"))
        }
    }

    fn dashboard(&self) -> Result<DashboardSettings, SettingError> {
        let operators = self.text("DASHBOARD_OPERATORS")?.unwrap_or_default();
        let operators = operators.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(DashboardSettings {
            session: self.session("DASHBOARD_SESSION")?,
            operators: operators.map(str::to_owned).collect(),
            live_every: self.some_time("DASHBOARD_LIVE_EVERY")?,
            streams_max: self.int("DASHBOARD_STREAMS_MAX", 0..=100_000)? as usize,
            dead_max: self.int("DASHBOARD_DEAD_MAX", 1..=10_000)? as u16,
            csv_rows_max: self.int("DASHBOARD_CSV_ROWS", 1..=10_000_000)? as i64,
        })
    }

    fn listen(&self) -> Result<SocketAddr, SettingError> {
        let listen = self.address("LISTEN_ADDR")?;
        listen.ok_or_else(|| SettingError::new("LISTEN_ADDR", "is required"))
    }

    /// Where people reach the ingress; without a slash at the end.
    pub(super) fn public_url(&self) -> Result<String, SettingError> {
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
    /// The administrators' pages.
    pub dashboard: DashboardSettings,
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

/// The administrators' pages of the ingress.
#[derive(Debug, Clone)]
pub struct DashboardSettings {
    /// How long an administrator stays signed in.
    pub session: Duration,
    /// The domains whose administrators see queues and parked messages, which are of all domains.
    pub operators: Vec<String>,
    /// How often an open page is told the figures as they stand.
    pub live_every: Duration,
    /// Open pages that are told at once.
    pub streams_max: usize,
    /// Most messages of a dead queue that are looked at for a page.
    pub dead_max: u16,
    /// Most rows of a table that is exported.
    pub csv_rows_max: i64,
}
