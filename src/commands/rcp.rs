//! `referral rcp sync`: this system as the referral system of a remote RCP (contract 2, last
//! paragraph; seed `000`, processes 2 and 5).
//!
//! Owns the arguments, the credentials and the repetition. What is said to the remote is `client`'s,
//! what its answers mean `answer`'s, the run itself `sync`'s.
mod answer;
mod client;
mod sync;

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use chrono_tz::Tz;
use clap::Subcommand;
use tokio::time::{Instant, sleep};

use self::{
    client::{Credentials, Remote},
    sync::{Report, Sync},
};
use super::{Tools, domain::parse_zone, wrong_use};
use crate::{
    domain::event::DEFAULT_DOMAIN,
    settings::{self, RcpSettings},
    store::{Store, remote::Pair},
};

/// Longest address of a remote, in characters; with the domain it is a key in the database.
const URL_MAX_CHARS: usize = 300;
/// Longest name of a domain.
const DOMAIN_MAX_CHARS: usize = 253;
/// The most often that `--every` runs.
const EVERY_LEAST: Duration = Duration::from_secs(1);
/// After a failed run the next comes so soon, or after `--every` where that is shorter.
const FAILED_PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Registers our codes at a remote RCP and reads its records of yesterday and today
    ///
    /// Either --login with the setting RCP_PASSWORD, or the setting RCP_TOKEN. A one-time code (TOTP)
    /// is not supported here: for an administrator who has that switched on give a token. Safe to run
    /// again, also after a run that was cut off: it goes on where that was.
    #[command(after_help = settings::help(settings::RCP))]
    Sync(Wanted),
}

#[derive(Debug, clap::Args)]
struct Wanted {
    /// The RCP's address, such as `https://cp.example`
    #[arg(long, value_parser = parse_url)]
    url: String,
    /// The domain here
    #[arg(long, default_value = DEFAULT_DOMAIN)]
    domain: String,
    /// The domain there
    #[arg(long, default_value = DEFAULT_DOMAIN, value_parser = parse_domain)]
    remote_domain: String,
    /// An administrator of the domain there; the password is the setting RCP_PASSWORD
    #[arg(long)]
    login: Option<String>,
    /// IANA time zone of the domain there: its days, and its times that have no offset [default: the
    /// domain's here]
    #[arg(long, value_parser = parse_zone)]
    timezone: Option<Tz>,
    /// Runs again and again, so long from start to start, such as 24h, until it is stopped
    #[arg(long, value_parser = parse_every)]
    every: Option<Duration>,
}

/// An http or https address without a slash or `/v1` at its end.
fn parse_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must be without user and password: see --login".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end before any ? or #".to_owned());
    }
    let base = url.as_str().trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base).trim_end_matches('/');
    if base.chars().count() > URL_MAX_CHARS {
        return Err(format!("must be at most {URL_MAX_CHARS} characters"));
    }
    Ok(base.to_owned())
}

fn parse_domain(text: &str) -> Result<String, String> {
    let chars = 1..=DOMAIN_MAX_CHARS;
    if chars.contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!("must be 1 to {DOMAIN_MAX_CHARS} characters"))
}

fn parse_every(text: &str) -> Result<Duration, String> {
    settings::parse_duration(text)
        .filter(|every| *every >= EVERY_LEAST)
        .ok_or_else(|| "must be a number with a unit (s, m, h, d), at least 1s".to_owned())
}

/// Exactly one way in, or what is missing.
fn credentials(wanted: &Wanted, given: RcpSettings) -> Result<Credentials, &'static str> {
    let domain = wanted.remote_domain.clone();
    match (wanted.login.clone(), given.password, given.token) {
        (Some(login), Some(password), None) => Ok(Credentials::Login { domain, login, password }),
        (None, None, Some(token)) => {
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("RCP_TOKEN: must be visible ASCII characters");
            }
            Ok(Credentials::Token(token))
        }
        (Some(_), None, None) => Err("--login: RCP_PASSWORD (or RCP_PASSWORD_FILE) is missing"),
        (None, Some(_), None) => Err("RCP_PASSWORD: --login is missing"),
        (None, None, None) => Err("give --login and RCP_PASSWORD, or RCP_TOKEN"),
        (_, _, Some(_)) => Err("give --login and RCP_PASSWORD, or RCP_TOKEN, not both"),
    }
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let Action::Sync(wanted) = args.action;
    let credentials = match credentials(&wanted, tools.settings.rcp()?) {
        Ok(credentials) => credentials,
        Err(problem) => return Ok(wrong_use(problem)),
    };
    match wanted.every {
        None => {
            let store = tools.store().await?;
            let report = once(&wanted, credentials, &store, tools).await?;
            Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Some(every) => repeat(&wanted, &credentials, every, tools).await,
    }
}

/// One run, summed up on stderr, also where it failed.
async fn once(
    wanted: &Wanted,
    credentials: Credentials,
    store: &Store,
    tools: &Tools,
) -> anyhow::Result<Report> {
    let domain = tools.domain(store, &wanted.domain).await?;
    let remote = format!("{}#{}", wanted.url, wanted.remote_domain);
    let sync = Sync {
        store,
        clock: &tools.clock,
        remote: Remote::new(&wanted.url, credentials, tools.clock.clone(), tools.shutdown.clone())?,
        pair: Pair { domain_id: domain.id, remote },
        zone: wanted.timezone.unwrap_or(domain.zone),
    };
    let mut report = Report::default();
    let done = sync.run(&mut report).await;
    sync.remote.leave().await;
    eprintln!("{report}");
    match done {
        Ok(()) => Ok(report),
        Err(error) => bail!("{error:#}; safe to run again: it goes on where it was"),
    }
}

/// Runs until it is stopped; a failed run is told and tried again.
async fn repeat(
    wanted: &Wanted,
    credentials: &Credentials,
    every: Duration,
    tools: &Tools,
) -> anyhow::Result<ExitCode> {
    let Some(store) = Store::open(&tools.settings.store()?, &tools.shutdown).await? else {
        bail!("stopped before the database was there");
    };
    tools.domain(&store, &wanted.domain).await?;
    loop {
        let began = Instant::now();
        let pause = match once(wanted, credentials.clone(), &store, tools).await {
            Ok(_) => every.saturating_sub(began.elapsed()),
            Err(_) if tools.shutdown.is_cancelled() => return Ok(ExitCode::SUCCESS),
            Err(error) => {
                let pause = FAILED_PAUSE.min(every);
                tracing::error!("rcp sync failed, next try in {} s: {error:#}", pause.as_secs());
                pause
            }
        };
        tokio::select! {
            biased;
            () = tools.shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
            () = sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_it_may_be_written() {
        for (text, base) in [
            ("https://cp.example", "https://cp.example"),
            ("https://CP.example/", "https://cp.example"),
            ("https://cp.example/v1", "https://cp.example"),
            ("https://cp.example/v1/", "https://cp.example"),
            ("http://127.0.0.1:8080/rcp/", "http://127.0.0.1:8080/rcp"),
        ] {
            assert_eq!(parse_url(text).as_deref(), Ok(base), "{text}");
        }
        for bad in [
            "cp.example",
            "ftp://cp.example",
            "https://root:canary@cp.example",
            "https://cp.example/?a=1",
            "https://cp.example/#a",
            &format!("https://cp.example/{}", "x".repeat(300)),
        ] {
            let problem = parse_url(bad).unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
    }

    #[test]
    fn there_is_exactly_one_way_in() {
        for (login, password, token, missing) in [
            (true, true, false, None),
            (false, false, true, None),
            (true, false, false, Some("RCP_PASSWORD")),
            (false, true, false, Some("--login")),
            (false, false, false, Some("RCP_TOKEN")),
            (true, true, true, Some("not both")),
            (true, false, true, Some("not both")),
            (false, true, true, Some("not both")),
        ] {
            let text = |is_given: bool| is_given.then(|| "canary".to_owned());
            let wanted = Wanted {
                url: "https://cp.example".to_owned(),
                domain: "default".to_owned(),
                remote_domain: "default".to_owned(),
                login: text(login),
                timezone: None,
                every: None,
            };
            let given = RcpSettings { password: text(password), token: text(token) };
            let found = credentials(&wanted, given).err();
            let named = (found.is_some(), found.unwrap_or_default());
            assert_eq!(named.0, missing.is_some(), "{login} {password} {token}");
            assert!(named.1.contains(missing.unwrap_or_default()), "{}", named.1);
        }
        assert!(parse_every("24h").is_ok());
        for bad in ["24", "0s", "999ms", ""] {
            assert!(parse_every(bad).is_err(), "{bad}");
        }
    }
}
