//! The mail worker (contract 3): every letter that the ingress left in the database leaves by SMTP,
//! is tried again on a durable schedule, and ends `delivered` or `dead`.
//!
//! The map, in the order in which a letter passes:
//!
//! | module | what it owns |
//! | --- | --- |
//! | [`referral::outbox`] | hints, claims, schedule, outcomes: what this worker shares with `billing` |
//! | [`letter`] | the letter as a row |
//! | [`links`] | the link in it, of which the database has the hash alone |
//! | [`compose`] | headers, text and HTML |
//! | [`send`] with [`server`] | one exchange by SMTP |
//! | [`outcome`] | what the replies mean (pure) |
//!
//! A repeated attempt has the same `Message-ID` and a link of its own: the secret of the one before
//! is kept nowhere. Both are good until one of them is used.
pub mod compose;
pub mod letter;
pub mod links;
pub mod outcome;
pub mod send;
pub mod server;

use std::{sync::Arc, time::Duration};

use referral::{
    broker::BrokerSettings,
    clock::Clock,
    credentials,
    domain::{Email, Host, Micros},
    failpoint,
    lifecycle::Context,
    outbox::{self, Attempt, Courier, Jitter, Plan, Policy},
    settings::{MailSettings, SettingError, Settings},
    store::{Store, StoreSettings, letters::LetterKind},
};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use compose::{Content, Letterhead};
use letter::Letter;
use outcome::{Exchange, impossible, judge};
use send::Sender;
use server::Server;

/// How long an exchange may still take once the program was told to stop: less than
/// `SHUTDOWN_GRACE`, so that its outcome is recorded.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// All that the program is told.
#[derive(Clone)]
pub struct Config {
    /// The broker.
    pub broker: BrokerSettings,
    /// The database.
    pub store: StoreSettings,
    /// Contract 3.
    pub mail: MailSettings,
    /// Made of `SMTP_URL` and `MAIL_FROM`; none: letters wait.
    pub post: Option<(Server, Letterhead)>,
    /// Tells the time.
    pub clock: Clock,
    /// Spreads retries.
    pub jitter: Jitter,
}

impl Config {
    /// From the settings, with the system's clock and randomness.
    pub fn read(settings: &Settings) -> Result<Self, SettingError> {
        let mail = settings.mail()?;
        let from = mail.from.as_deref().map(|from| Letterhead::new(from, &mail.public_url));
        let server = mail.smtp_url.as_deref().map(Server::parse).transpose()?;
        let from = from.transpose()?;
        if server.is_some() && from.is_none() {
            let problem = "is required where SMTP_URL is set".to_owned();
            return Err(SettingError { name: "MAIL_FROM".to_owned(), problem });
        }
        Ok(Self {
            broker: settings.broker("mail")?,
            store: settings.store()?,
            mail,
            post: server.zip(from),
            clock: Clock::system(),
            jitter: outbox::jitter,
        })
    }

    fn warn(&self) {
        if self.post.is_none() {
            tracing::warn!("SMTP_URL is not set: letters wait");
        } else if !self.mail.is_public_url_given {
            let url = &self.mail.public_url;
            tracing::warn!("PUBLIC_URL is not set: links in letters begin with {url}");
        }
    }

    fn mailer(&self, store: &Store, stop: &CancellationToken) -> Option<Arc<Mailer>> {
        let (server, letterhead) = self.post.clone()?;
        Some(Arc::new(Mailer {
            store: store.clone(),
            sender: Sender::new(server, letterhead.sender().clone()),
            letterhead,
            timeout: self.mail.timeout,
            link_ttl: self.mail.link_ttl,
            stop: stop.clone(),
        }))
    }

    fn plan(self) -> Plan {
        let MailSettings { timeout, concurrency_max, .. } = self.mail;
        Plan {
            broker: self.broker,
            policy: Policy {
                initial: self.mail.retry_initial,
                pause_max: self.mail.retry_pause_max,
                retry_for: self.mail.retry_for,
            },
            timeout,
            concurrency_max,
            clock: self.clock,
            jitter: self.jitter,
        }
    }
}

/// Makes the attempts: a link, a letter with it, an exchange.
struct Mailer {
    store: Store,
    sender: Sender,
    letterhead: Letterhead,
    timeout: Duration,
    link_ttl: Duration,
    stop: CancellationToken,
}

impl Courier for Mailer {
    type Item = Letter;

    async fn attempt(&self, letter: &Letter, began: Micros) -> Attempt {
        let Some(kind) = LetterKind::parse(&letter.kind) else {
            return impossible("no such kind of letter");
        };
        let Ok(host) = Host::parse(&letter.host) else { return impossible("no such host") };
        let email = Email::parse(&letter.email).ok();
        let Some(to) = email.as_ref().and_then(compose::address) else {
            return impossible("no mail can be addressed so");
        };
        let token = match credentials::new_key() {
            Ok(token) => token,
            Err(error) => return failed(error.to_string()),
        };
        let ttl_us = i64::try_from(self.link_ttl.as_micros()).unwrap_or(i64::MAX);
        let content = Content {
            id: &letter.id,
            kind,
            host: &host,
            to: &to,
            login: &letter.email,
            token: &token,
            expires: Micros(began.0.saturating_add(ttl_us)),
            now: began,
        };
        self.send(&content).await
    }
}

impl Mailer {
    async fn send(&self, content: &Content<'_>) -> Attempt {
        let deadline = Instant::now() + self.timeout;
        let message = match self.letterhead.compose(content) {
            Ok(message) => message,
            Err(error) => return failed(error.to_string()),
        };
        let hash = credentials::key_hash(content.token);
        let Content { host, now, expires, .. } = *content;
        let made = links::make(&self.store, &hash, host, now, expires);
        match timeout_at(deadline, made).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return impossible("there is no such site"),
            Ok(Err(error)) => return failed(error.to_string()),
            Err(_) => return failed("the database did not answer in time".to_owned()),
        }
        failpoint::pass("mail::before-send");
        let exchange = tokio::select! {
            exchange = self.sender.send(content.to, &message, deadline) => exchange,
            () = self.stopped() => {
                let error = Some("stopped before the server's reply".to_owned());
                Exchange { error, ..Exchange::default() }
            }
        };
        failpoint::pass("mail::after-send");
        let secrets: Vec<&str> = self.sender.secrets().chain([content.token]).collect();
        judge(exchange, &secrets)
    }

    async fn stopped(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(STOP_WITHIN).await;
    }
}

/// What time may mend, on this side of the server.
fn failed(error: String) -> Attempt {
    judge(Exchange { error: Some(error), ..Exchange::default() }, &[])
}

/// Sends letters until it is told to stop, then finishes the exchanges in flight and records them.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    config.warn();
    let Some(store) = outbox::open(&config.store, &context).await? else { return Ok(()) };
    let stop = context.shutdown.clone();
    let mailer = config.mailer(&store, &stop);
    let pruning = tokio::spawn(links::prune(store.clone(), config.clock.clone(), stop));
    let done = outbox::run(mailer, store, config.plan(), context).await;
    pruning.abort();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_wants_a_sender() {
        let server = ("SMTP_URL", "smtp://u:canary@h");
        let from = ("MAIL_FROM", "a@b.example");
        let cases: [(&[_], Result<bool, &str>); 5] = [
            (&[], Ok(false)),
            (&[from], Ok(false)),
            (&[server, from], Ok(true)),
            (&[server], Err("MAIL_FROM: is required where SMTP_URL is set")),
            (&[("SMTP_URL", "canary")], Err("SMTP_URL: is no URL")),
        ];
        for (pairs, expected) in cases {
            let read = Config::read(&Settings::from_pairs(pairs.iter().copied()));
            let read = read.map(|config| config.post.is_some()).map_err(|e| e.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{pairs:?}");
        }
    }
}
