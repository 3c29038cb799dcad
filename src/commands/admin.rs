//! `referral admin create|passwd|totp`: administrators, whose logins give tokens (contract 2).
use std::{
    io::{IsTerminal as _, Read as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::{Tools, wrong_use};
use crate::{
    credentials::{self, PASSWORD_MAX_BYTES},
    one_time,
    store::{StoreError, access, tenants},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes an administrator of a domain
    Create(Account),
    /// Sets an administrator's password; tokens that were given out stay good
    Passwd(Account),
    /// Switches one-time codes (TOTP) on, with a new secret, or off
    ///
    /// From then on a login needs the code that an authenticator app shows; tokens that were given
    /// out stay good. Prints two lines, this once: an otpauth:// URI, which such an app takes as it
    /// is or as a QR code, and the secret it holds, in base32, for typing in.
    Totp(OneTime),
}

#[derive(Debug, clap::Args)]
struct OneTime {
    /// The login
    login: String,
    /// The domain
    #[arg(long)]
    domain: String,
    /// Switch them off: no code is asked for any more
    #[arg(long)]
    off: bool,
}

#[derive(Debug, clap::Args)]
struct Account {
    /// The login, 1 to 253 characters
    #[arg(value_parser = parse_login)]
    login: String,
    /// The domain
    #[arg(long)]
    domain: String,
    /// Read the password from standard input (its first line)
    #[arg(long, required = true)]
    password_stdin: bool,
}

pub(super) fn parse_login(text: &str) -> Result<String, String> {
    if (1..=253).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 253 characters".to_owned())
    }
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let (account, is_new) = match args.action {
        Action::Create(account) => (account, true),
        Action::Passwd(account) => (account, false),
        Action::Totp(wanted) => return switch_totp(&wanted, tools).await,
    };
    let password = match read_password()? {
        Ok(password) => password,
        Err(problem) => return Ok(wrong_use(problem)),
    };
    let store = tools.store().await?;
    let domain = tools.domain(&store, &account.domain).await?;
    let hash = tokio::task::spawn_blocking(move || credentials::hash_password(&password)).await??;
    let login = &account.login;
    if is_new {
        let now = tools.clock.now();
        match tenants::create_administrator(&store, domain.id, login, &hash, now).await {
            Ok(()) => {}
            Err(StoreError::Taken(_)) => {
                bail!("the domain has an administrator {login:?} already")
            }
            Err(error) => return Err(error.into()),
        }
    } else if !tenants::set_password(&store, domain.id, login, &hash).await? {
        bail!("the domain has no administrator {login:?}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn switch_totp(wanted: &OneTime, tools: &Tools) -> anyhow::Result<ExitCode> {
    let OneTime { login, domain, off } = wanted;
    let store = tools.store().await?;
    tools.domain(&store, domain).await?;
    let Some(found) = access::login(&store, domain, login).await? else {
        bail!("the domain has no administrator {login:?}");
    };
    if *off {
        access::set_totp(&store, found.administrator_id, None).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let secret = one_time::new_secret()?;
    let uri = one_time::uri(&secret, login, domain)?;
    access::set_totp(&store, found.administrator_id, Some(&secret)).await?;
    println!("{uri}\n{secret}");
    Ok(ExitCode::SUCCESS)
}

/// The first line of standard input, or what is wrong with it.
fn read_password() -> anyhow::Result<Result<String, String>> {
    if std::io::stdin().is_terminal() {
        return Ok(Err("--password-stdin: pipe the password in".to_owned()));
    }
    let mut text = String::new();
    let most = PASSWORD_MAX_BYTES as u64 + 2;
    std::io::stdin().take(most).read_to_string(&mut text).context("standard input")?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() || password.len() > PASSWORD_MAX_BYTES {
        let problem = format!("--password-stdin: must be 1 to {PASSWORD_MAX_BYTES} bytes");
        return Ok(Err(problem));
    }
    Ok(Ok(password.to_owned()))
}
