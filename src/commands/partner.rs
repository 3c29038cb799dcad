//! `referral partner create|key`: logins of partners (contract 3), and keys of the partner API
//! (contract 4). A code and a key are printed this once; only their hashes are kept.
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;

use super::{Tools, admin::parse_login, publish::parse};
use crate::{
    credentials,
    domain::Email,
    store::{
        StoreError,
        partners::{self, NewPartner},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a partner and prints login and code, a tab between them, this once
    Create {
        /// The login, 1 to 253 characters; no two partners have the same, in whichever domain
        #[arg(value_parser = parse_login)]
        login: String,
        /// The domain
        #[arg(long)]
        domain: String,
        /// The partner is the user with this e-mail
        #[arg(long, value_parser = parse(Email::parse))]
        email: Email,
    },
    /// Makes a key of the partner API and prints it, this once; an earlier one stops working
    Key {
        /// The partner is the user with this e-mail, who may sign up later
        #[arg(long, value_parser = parse(Email::parse))]
        email: Email,
        /// The domain
        #[arg(long)]
        domain: String,
        /// Only take the key away that there is
        #[arg(long)]
        revoke: bool,
    },
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let (store, now) = (tools.store().await?, tools.clock.now());
    match args.action {
        Action::Create { login, domain, email } => {
            let domain_id = tools.domain(&store, &domain).await?.id;
            let code = credentials::new_key()?;
            let partner = NewPartner {
                domain_id,
                login: &login,
                email: &email,
                code_hash: &credentials::key_hash(&code),
                referral_code: &credentials::new_code()?,
                now,
            };
            match partners::create(&store, &partner).await {
                Ok(()) => println!("{login}\t{code}"),
                Err(StoreError::Taken(_)) => bail!("there is a partner {login:?} already"),
                Err(error) => return Err(error.into()),
            }
        }
        Action::Key { email, domain, revoke: true } => {
            let domain_id = tools.domain(&store, &domain).await?.id;
            if !partners::revoke_key(&store, domain_id, &email, now).await? {
                bail!("--email: {:?} has no key in the domain {domain:?}", email.spelling());
            }
        }
        Action::Key { email, domain, revoke: false } => {
            let domain_id = tools.domain(&store, &domain).await?.id;
            let key = credentials::new_key()?;
            let key_hash = credentials::key_hash(&key);
            partners::set_key(&store, domain_id, &email, &key_hash, now).await?;
            println!("{key}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
