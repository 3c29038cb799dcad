//! `referral demo`: what `make run` runs once a broker is there (contract 7).
//!
//! Starts the ingress and every worker as child processes, walks one referral through them with
//! a billing system of its own, prints what happened, and stays up until it is stopped. Broker and
//! database are the settings'; everything else goes to free ports and to `.run/demo`.
mod children;
pub mod receiver;
mod show;
mod walk;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use tokio::net::TcpListener;

use self::{
    children::{Children, Program},
    receiver::Receiver,
    show::Show,
    walk::{Partner, Walk},
};
use super::{Tools, publish::Link};
use crate::{
    broker::{
        compose::{self, Draft},
        topology::{EVENTS, KEY_CLICK},
    },
    credentials,
    domain::{Email, EventType, Trace, event::DEFAULT_DOMAIN},
    store::{
        Store, StoreError,
        access::{self, NewToken},
        partners::{self, NewPartner},
        tenants,
    },
};

/// The demonstration's administrator, in the domain `default`.
const LOGIN: &str = "demo";
/// What `make run` keeps of the broker that it started.
const BROKER_NOTE: &str = ".run/demo/env";
/// Bytes of randomness in a webhook secret.
const SECRET_BYTES: usize = 24;
/// How long the token is good: a month.
const TOKEN_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// For one request of the walk.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where logs go
    #[arg(long, default_value = ".run/demo/logs")]
    logs: PathBuf,
    /// Stop after the walk instead of staying up
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.logs).with_context(|| args.logs.display().to_string())?;
    make_database_directory(&tools.settings.store()?.url)?;
    let mut children = Children::default();
    let ended = tokio::select! {
        ended = demonstrate(&args, tools, &mut children) => ended,
        () = tools.shutdown.cancelled() => Ok(()),
    };
    let told = ended.as_ref().err().map(|error| format!("{error:#}"));
    if let Some(told) = &told {
        eprintln!("\nerror: {told}");
    }
    println!("\nstopping");
    let complaints = children.stop().await;
    for complaint in complaints.iter().filter(|complaint| Some(*complaint) != told.as_ref()) {
        eprintln!("error: {complaint}");
    }
    let is_fine = ended.is_ok() && complaints.is_empty();
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts everything, walks, and stays up; ends by itself only where something went wrong.
async fn demonstrate(args: &Args, tools: &Tools, children: &mut Children) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(REQUEST_TIMEOUT)
        .build()?;
    let store = tools.store().await?;
    let admin = make_admin(&store, tools).await?;
    let receiver = Receiver::start().await?;
    let mut show = Show::new();
    show.heading("Starting the ingress, daily-records, credits, billing and mail");
    let listen = listen_address(tools).await?;
    for program in programs(listen, &receiver, &spool_path(args, tools)?).await? {
        children.start(program, &args.logs)?;
    }
    children.ready(&client).await?;
    let run = uuid::Uuid::new_v4().simple().to_string();
    let run = run.get(..6).unwrap_or_default();
    let (referrer, friend) = (format!("alice-{run}"), format!("bob-{run}"));
    let base = format!("http://{}", reachable(listen));
    let partner = make_partner(&store, tools, run, &referrer).await?;
    let mut walk = Walk {
        show: &mut show,
        client: &client,
        receiver: &receiver,
        base: &base,
        key: &admin.key,
        referrer: &referrer,
        friend: &friend,
        partner: &partner,
    };
    let steps = async {
        // In this order: a referrer gets the terms that there are when they register.
        walk.programme().await.context("the programme")?;
        register_referrer(tools, &referrer).await?;
        walk.run().await
    };
    let code = tokio::select! {
        code = steps => code?,
        death = children.first_death() => anyhow::bail!(death),
    };
    addresses(&show, &base, &admin, &code, &partner, children);
    calls(tools, &show, &base, &admin, &referrer, &code, &partner);
    if args.once {
        return Ok(());
    }
    println!("\nEverything goes on running, and shows what billing gets; Ctrl-C stops it.");
    let mut seen = receiver.received().len();
    loop {
        tokio::select! {
            death = children.first_death() => return Err(anyhow::anyhow!(death)),
            got = receiver.after(seen) => {
                for one in &got {
                    show.webhook(one);
                }
                seen += got.len();
            }
        }
    }
}

/// `sqlite://.run/demo/referral.db` needs its directory.
fn make_database_directory(url: &str) -> anyhow::Result<()> {
    let Some(path) = url.strip_prefix("sqlite://") else { return Ok(()) };
    let path = path.split('?').next().unwrap_or_default();
    match Path::new(path).parent() {
        Some(directory) if !directory.as_os_str().is_empty() => {
            std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())
        }
        _ => Ok(()),
    }
}

/// The administrator, as of this run.
struct Admin {
    password: String,
    /// Of a token.
    key: String,
}

/// An administrator with a new password, which is told this once, and a token.
async fn make_admin(store: &Store, tools: &Tools) -> anyhow::Result<Admin> {
    let domain = tools.domain(store, DEFAULT_DOMAIN).await?;
    let now = tools.clock.now();
    let password = credentials::new_key()?;
    let hash = {
        let password = password.clone();
        tokio::task::spawn_blocking(move || credentials::hash_password(&password)).await??
    };
    match tenants::create_administrator(store, domain.id, LOGIN, &hash, now).await {
        Ok(()) => {}
        // From an earlier run on the same database.
        Err(StoreError::Taken(_)) => {
            tenants::set_password(store, domain.id, LOGIN, &hash).await?;
        }
        Err(error) => return Err(error.into()),
    }
    let login = access::login(store, DEFAULT_DOMAIN, LOGIN).await?;
    let login = login.context("the administrator is gone")?;
    let key = credentials::new_key()?;
    let token = NewToken {
        id: &uuid::Uuid::new_v4().to_string(),
        administrator_id: login.administrator_id,
        key_hash: &credentials::key_hash(&key),
        device_info: "referral demo",
        ip_address: "",
        now,
        expires: now.plus_ms(TOKEN_MS),
    };
    access::create_token(store, &token).await?;
    Ok(Admin { password, key })
}

/// A partner of this run, who is the referrer; a partner's code is shown once, so each run has another.
async fn make_partner(
    store: &Store,
    tools: &Tools,
    run: &str,
    referrer: &str,
) -> anyhow::Result<Partner> {
    let domain = tools.domain(store, DEFAULT_DOMAIN).await?;
    let email = Email::parse(&format!("{referrer}@example.com"))?;
    let (login, code) = (format!("partner-{run}"), credentials::new_key()?);
    let partner = NewPartner {
        domain_id: domain.id,
        login: &login,
        email: &email,
        code_hash: &credentials::key_hash(&code),
        referral_code: &credentials::new_code()?,
        now: tools.clock.now(),
    };
    partners::create(store, &partner).await?;
    let site = format!("shop-{run}.example.com");
    let email = format!("client-{run}@example.com");
    Ok(Partner { login, code, site, email, password: format!("demo-{run}") })
}

/// `LISTEN_ADDR` if given; else port 8080 where it is free, or any other.
async fn listen_address(tools: &Tools) -> anyhow::Result<SocketAddr> {
    let wanted = tools.settings.ingress()?.listen;
    if tools.settings.is_given("LISTEN_ADDR") || TcpListener::bind(wanted).await.is_ok() {
        return Ok(wanted);
    }
    free_address().await
}

async fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

/// Where something that listens at `address` is reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::from(([127, 0, 0, 1], address.port()))
    } else {
        address
    }
}

/// `SPOOL_PATH` if given; else beside the logs.
fn spool_path(args: &Args, tools: &Tools) -> anyhow::Result<String> {
    let wanted = tools.settings.ingress()?.spool_path;
    if tools.settings.is_given("SPOOL_PATH") {
        return Ok(wanted);
    }
    Ok(args.logs.with_file_name(wanted).display().to_string())
}

async fn programs(
    listen: SocketAddr,
    receiver: &Receiver,
    spool_path: &str,
) -> anyhow::Result<[Program; 5]> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(credentials::CredentialError::Randomness)?;
    let secret = format!("whsec_{}", BASE64_STANDARD.encode(secret));
    let endpoint = format!("{}/credits/%s", receiver.url());
    let worker = |file: &'static str, ops: SocketAddr, environment| {
        let ops = ops.to_string();
        Program { name: file, file, arguments: &[], ops, environment }
    };
    Ok([
        Program {
            name: "ingress",
            file: "referral",
            arguments: &["ingress"],
            ops: free_address().await?.to_string(),
            environment: vec![
                ("LISTEN_ADDR", listen.to_string()),
                ("SPOOL_PATH", spool_path.to_owned()),
            ],
        },
        worker("daily-records", free_address().await?, Vec::new()),
        worker("credits", free_address().await?, Vec::new()),
        worker(
            "billing",
            free_address().await?,
            vec![("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", endpoint), ("WEBHOOK_SECRETS", secret)],
        ),
        worker("mail", free_address().await?, vec![("LISTEN_ADDR", listen.to_string())]),
    ])
}

/// The first user comes unreferred, through an event (contract 5).
async fn register_referrer(tools: &Tools, user_hash: &str) -> anyhow::Result<()> {
    let draft = Draft {
        id: uuid::Uuid::now_v7().to_string(),
        source: "/referral/demo".into(),
        event_type: EventType::Signup,
        time: tools.clock.now(),
        domain: DEFAULT_DOMAIN.into(),
        trace: Trace::default(),
        data: json!({"user_hash": user_hash, "email": format!("{user_hash}@example.com")}).into(),
    };
    let link = Link::open(tools).await?;
    link.publish(compose::message(draft.event_type, &draft.id, &[&draft.to_json()])).await?;
    link.close().await;
    Ok(())
}

/// What there is to look at.
fn addresses(
    show: &Show,
    base: &str,
    admin: &Admin,
    code: &str,
    partner: &Partner,
    children: &Children,
) {
    show.heading("Open");
    show.line(
        "dashboard",
        &format!("{base}/dashboard/  login {LOGIN}, password {}", admin.password),
    );
    show.line("link", &format!("{base}/register?ref_code={code}"));
    show.line("with currencies", &format!("{base}/ref/{code}/?cur_from=PMUSD&cur_to=BTC"));
    let Partner { email, password, .. } = partner;
    show.line("client's page", &format!("{base}/adminzone/?login={email}&password={password}"));
    show.line("interface", &format!("{base}/swagger/"));
    show.line("health", &format!("{base}/health"));
    for (name, ops, log) in children.list() {
        show.line(name, &format!("http://{ops}/ready  http://{ops}/metrics  {}", log.display()));
    }
}

/// What there is to do.
fn calls(
    tools: &Tools,
    show: &Show,
    base: &str,
    admin: &Admin,
    referrer: &str,
    code: &str,
    partner: &Partner,
) {
    show.heading("Try");
    let authorization = format!("-H 'Authorization: Bearer {}'", admin.key);
    // Where `make run` notes the private broker's address.
    if Path::new(BROKER_NOTE).exists() {
        let event = json!({
            "specversion": "1.0", "id": uuid::Uuid::new_v4(), "source": "/mine",
            "type": "referral.click.v1", "time": tools.clock.now().rfc3339(chrono_tz::UTC),
            "data": {"code": code},
        });
        println!(
            "   . {BROKER_NOTE}; amqp-publish --url \"$AMQP_URL\" -e {EVENTS} -r {KEY_CLICK} -p \\\n     \
             -C application/cloudevents+json -b '{event}'"
        );
    }
    for call in [
        format!("curl {authorization} '{base}/v1/referral'"),
        format!("curl {authorization} '{base}/v1/deliveries'"),
        format!("curl {authorization} {base}/statement/{referrer}/"),
        format!(
            "curl {authorization} -d 'user_indicator={referrer}&user_indicated=carol' \
             {base}/register/"
        ),
        format!("curl {authorization} -X PUT -d total_amount_paid=25 {base}/invoice/user/carol/"),
        format!("curl -d '{}' {base}/partnerapi.php", partner.form("action=upgrade_price")),
    ] {
        println!("   {call}");
    }
}
