//! One letter's way to the server (RFC 5321): the only module that speaks SMTP.
//!
//! Owns the conversation and its deadline. A connection carries one letter: one that was cut off
//! can so never answer for another. Refuses to repeat anything by itself, and to decide what a
//! reply means.
use std::{error::Error as _, time::Duration};

use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::DEFAULT_MECHANISMS,
        client::{AsyncSmtpConnection, Tls, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{Extension, MailBodyParameter, MailParameter},
        response::{Response, Severity},
    },
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{outcome::Exchange, server::Server};

/// The most that connecting to one address of the server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may take to say goodbye.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends to one server.
pub struct Sender {
    server: Server,
    from: Address,
}

/// Makes of an error the exchange that it ended, at this step.
fn at(step: &'static str) -> impl FnOnce(Error) -> Exchange {
    move |error| {
        let status: Option<u16> = error.status().map(Into::into);
        Exchange {
            status,
            // Of a refusal the source is the reply's text.
            reply: status.and_then(|_| error.source()).map(ToString::to_string),
            error: Some(format!("{step}: {error}")),
        }
    }
}

fn failed(error: &str) -> Exchange {
    Exchange { error: Some(error.to_owned()), ..Exchange::default() }
}

impl Sender {
    /// Connects nowhere yet.
    pub fn new(server: Server, from: Address) -> Self {
        Self { server, from }
    }

    /// What must not be kept of what the server says.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.server.secrets.iter().map(String::as_str)
    }

    /// Makes one attempt; ends at the deadline.
    pub async fn send(&self, to: &Address, message: &[u8], deadline: Instant) -> Exchange {
        let exchange = timeout_at(deadline, async {
            let mut connection = self.connect().await?;
            let said = self.converse(&mut connection, to, message).await;
            // What follows is politeness: the reply counts from here.
            tokio::spawn(async move { timeout(QUIT_TIMEOUT, connection.quit()).await });
            said
        });
        match exchange.await {
            Ok(Ok(exchange) | Err(exchange)) => exchange,
            Err(_) => failed("no reply in time"),
        }
    }

    async fn converse(
        &self,
        connection: &mut AsyncSmtpConnection,
        to: &Address,
        message: &[u8],
    ) -> Result<Exchange, Exchange> {
        let can = |extension| connection.server_info().supports_feature(extension);
        let mut parameters = Vec::new();
        // Only an address can be other than ASCII: all else is encoded.
        if !to.to_string().is_ascii() || !self.from.to_string().is_ascii() {
            if !can(Extension::SmtpUtfEight) {
                return Err(failed("the server takes ASCII addresses only"));
            }
            parameters.push(MailParameter::SmtpUtfEight);
            if can(Extension::EightBitMime) {
                parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
            }
        }
        let (from, to) = (Some(self.from.clone()), to.clone());
        connection.command(Mail::new(from, parameters)).await.map_err(at("MAIL FROM"))?;
        connection.command(Rcpt::new(to, Vec::new())).await.map_err(at("RCPT TO"))?;
        connection.command(Data).await.map_err(at("DATA"))?;
        let response = connection.message(message).await.map_err(at("the message"))?;
        Ok(taken(&response))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Exchange> {
        let Server { host, port, tls, hello, credentials, .. } = &self.server;
        let wrapped: Option<TlsParameters> =
            if let Tls::Wrapper(parameters) = tls { Some(parameters.clone()) } else { None };
        let address = (host.as_str(), *port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(CONNECT_TIMEOUT),
            hello,
            wrapped,
            None,
        )
        .await
        .map_err(at("connecting"))?;
        let upgrade = match tls {
            Tls::Required(parameters) => Some(parameters),
            Tls::Opportunistic(parameters) if connection.can_starttls() => Some(parameters),
            _ => None,
        };
        if let Some(parameters) = upgrade {
            connection.starttls(parameters.clone(), hello).await.map_err(at("STARTTLS"))?;
        }
        if let Some(credentials) = credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(at("AUTH"))?;
        }
        Ok(connection)
    }
}

/// The reply to the whole message: lettre lets 3xx pass.
fn taken(response: &Response) -> Exchange {
    let done = response.code().severity == Severity::PositiveCompletion;
    Exchange {
        status: Some(response.code().into()),
        reply: Some(response.message().collect::<Vec<_>>().join("\n")),
        error: (!done).then(|| "the reply to the message says neither yes nor no".to_owned()),
    }
}
