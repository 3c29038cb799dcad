//! What a letter looks like: headers, text and HTML (contract 3).
//!
//! Owns the words. Refuses to take what could be more than one header or address: it is given
//! [`Host`]s and [`Address`]es, which have no line ends, and HTML is escaped.
use std::time::{Duration, UNIX_EPOCH};

use askama::Template;
use chrono::DateTime;
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Body, Mailbox, MultiPart,
        header::{ContentTransferEncoding, HeaderName, HeaderValue},
    },
};
use referral::{
    domain::{Email, Host, Micros},
    settings::SettingError,
    store::letters::LetterKind,
};

/// The longest line that needs no encoding (RFC 5322).
const LINE_MAX_BYTES: usize = 998;

/// The setting that the sender comes from.
const FROM: &str = "MAIL_FROM";

/// What all letters share.
#[derive(Debug, Clone)]
pub struct Letterhead {
    from: Mailbox,
    domain: String,
    public_url: String,
}

/// What is particular to one.
#[derive(Debug, Clone)]
pub struct Content<'a> {
    /// The letter's id, the same at every attempt.
    pub id: &'a str,
    /// What it is about.
    pub kind: LetterKind,
    /// The site.
    pub host: &'a Host,
    /// Its administrator.
    pub to: &'a Address,
    /// The login, as the row has it.
    pub login: &'a str,
    /// The link's secret.
    pub token: &'a str,
    /// Until when the link is good.
    pub expires: Micros,
    /// When it is sent.
    pub now: Micros,
}

/// Why there is no letter.
#[derive(Debug, thiserror::Error)]
pub enum Uncomposable {
    /// A template failed.
    #[error("the letter cannot be written: {0}")]
    Template(#[from] askama::Error),
    /// The message cannot be put together.
    #[error("the letter cannot be put together: {0}")]
    Message(#[from] lettre::error::Error),
}

#[derive(Template)]
#[template(path = "access.txt")]
struct AccessText<'a>(&'a Shown<'a>);

#[derive(Template)]
#[template(path = "access.html")]
struct AccessHtml<'a>(&'a Shown<'a>);

#[derive(Template)]
#[template(path = "password.txt")]
struct PasswordText<'a>(&'a Shown<'a>);

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordHtml<'a>(&'a Shown<'a>);

/// What the templates show.
struct Shown<'a> {
    host: &'a str,
    login: &'a str,
    link: &'a str,
    page: &'a str,
    until: &'a str,
}

/// The address that SMTP can be given for an e-mail; its host in the ASCII form. None where no
/// server could be given it.
pub fn address(email: &Email) -> Option<Address> {
    let (local, host) = email.spelling().rsplit_once('@')?;
    let ascii = Host::parse(host).ok();
    Address::new(local, ascii.as_ref().map_or(host, Host::as_str)).ok()
}

/// The name as people write it, which may be another script.
fn readable(host: &Host) -> String {
    let (name, read) = idna::domain_to_unicode(host.as_str());
    if read.is_ok() { name } else { host.to_string() }
}

impl Letterhead {
    /// From `MAIL_FROM`, an address or `NAME <ADDRESS>`, and `PUBLIC_URL`.
    pub fn new(from: &str, public_url: &str) -> Result<Self, SettingError> {
        let bad = || SettingError {
            name: FROM.to_owned(),
            problem: "must be an e-mail address, alone or as NAME <ADDRESS>".to_owned(),
        };
        if from.chars().any(char::is_control) {
            return Err(bad());
        }
        let from = from.trim();
        let (name, email) = match from.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, email)) => (name.trim().trim_matches('"').trim(), email),
            None => ("", from),
        };
        let address = Email::parse(email).ok().as_ref().and_then(address).ok_or_else(bad)?;
        // A `Message-ID` is ASCII.
        if !address.domain().is_ascii() || name.contains(['<', '>']) {
            return Err(bad());
        }
        Ok(Self {
            domain: address.domain().to_owned(),
            from: Mailbox::new(Some(name.to_owned()).filter(|name| !name.is_empty()), address),
            public_url: public_url.to_owned(),
        })
    }

    /// Whom letters are from.
    pub fn sender(&self) -> &Address {
        &self.from.email
    }

    /// The whole message, as SMTP wants it.
    pub fn compose(&self, content: &Content<'_>) -> Result<Vec<u8>, Uncomposable> {
        let host = readable(content.host);
        let shown = Shown {
            host: &host,
            login: content.login,
            link: &format!("{}/adminzone/password?token={}", self.public_url, content.token),
            page: &format!("{}/adminzone/", self.public_url),
            until: &until(content.expires),
        };
        let (subject, text, html) = match content.kind {
            LetterKind::Access => (
                format!("Your site {host} is registered"),
                AccessText(&shown).render()?,
                AccessHtml(&shown).render()?,
            ),
            LetterKind::Password => (
                format!("A new password for {host}"),
                PasswordText(&shown).render()?,
                PasswordHtml(&shown).render()?,
            ),
        };
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let sent = UNIX_EPOCH + Duration::from_micros(content.now.0.unsigned_abs());
        // Given, or lettre would read it back from the headers, where it does not read every address.
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![content.to.clone()])?;
        let message = Message::builder()
            .envelope(envelope)
            .message_id(Some(format!("<{}@{}>", content.id, self.domain)))
            .date(sent)
            .from(self.from.clone())
            .to(Mailbox::new(None, content.to.clone()))
            .subject(subject)
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(body(&text), body(&html)))?;
        Ok(message.formatted())
    }
}

/// As it is where it can be, so that the link is whole in it; lettre would encode every line of more
/// than 76 characters.
fn body(text: &str) -> Body {
    let text = text.replace('\n', "\r\n");
    if text.is_ascii() && text.lines().all(|line| line.len() <= LINE_MAX_BYTES) {
        Body::dangerous_pre_encoded(text.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    }
}

fn until(at: Micros) -> String {
    let at = DateTime::from_timestamp_micros(at.0).unwrap_or_default();
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
