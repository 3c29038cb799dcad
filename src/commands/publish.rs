//! `referral publish click|signup|payment …`: one event, checked, published, confirmed; and with
//! `--file` a whole file of them (see `publish_file`).
//!
//! Checks with the same rules as the workers, so that nothing is published only to be parked.
use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::{Value, json, value::RawValue};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Tools, publish_file, wrong_use};
use crate::{
    broker::{
        Broker, BrokerError, Outgoing, PublishError, Publisher,
        compose::{self, Draft},
        envelope::{self, Decoded, Incoming, SINGLE},
        topology,
    },
    domain::{
        Bad, Code, Email, Event, EventType, Micros, Money, Trace, UserHash, event::DEFAULT_DOMAIN,
        ids::Invalid,
    },
};

/// How long the broker may be away before the command gives up.
const BROKER_WAIT: Duration = Duration::from_secs(30);
/// Pause between tries of a publish that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// File with one CloudEvents JSON object a line; `-`: standard input
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Somebody followed a referral link
    Click(Click),
    /// Somebody registered
    Signup(Signup),
    /// Somebody paid
    Payment(Payment),
}

/// What every event has.
#[derive(Debug, clap::Args)]
struct Attributes {
    /// Event id; with the source it names the event for ever [default: a new UUID]
    #[arg(long)]
    id: Option<String>,
    /// Event source
    #[arg(long, default_value = "/referral/cli")]
    source: String,
    /// RFC 3339 time [default: now]
    #[arg(long, value_parser = parse(Micros::parse))]
    time: Option<Micros>,
    /// Domain
    #[arg(long, default_value = DEFAULT_DOMAIN)]
    domain: String,
    /// W3C trace context
    #[arg(long)]
    traceparent: Option<String>,
    /// W3C trace context
    #[arg(long)]
    tracestate: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Click {
    /// The code in the link, 20 characters
    #[arg(long, value_parser = parse(Code::parse))]
    code: Code,
    /// The visitor's address
    #[arg(long)]
    ip: Option<String>,
    /// The visitor's user agent
    #[arg(long)]
    user_agent: Option<String>,
    /// The page the link stood on
    #[arg(long)]
    referrer: Option<String>,
    /// The visitor, if known
    #[arg(long)]
    user_hash: Option<String>,
    /// The link's query string
    #[arg(long)]
    query_string: Option<String>,
    #[command(flatten)]
    attributes: Attributes,
}

#[derive(Debug, clap::Args)]
struct Signup {
    /// The new user
    #[arg(long, value_parser = parse(UserHash::parse))]
    user_hash: UserHash,
    /// The referral code they came with
    #[arg(long, value_parser = parse(Code::parse))]
    code: Option<Code>,
    /// The referrer's user hash; wins over the code
    #[arg(long, value_parser = parse(UserHash::parse))]
    user_indicator: Option<UserHash>,
    /// The new user's address
    #[arg(long, value_parser = parse(Email::parse))]
    email: Option<Email>,
    /// The programme
    #[arg(long)]
    program_id: Option<i64>,
    #[command(flatten)]
    attributes: Attributes,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("paid").required(true))]
struct Payment {
    /// The payer
    #[arg(long, value_parser = parse(UserHash::parse))]
    user_hash: UserHash,
    /// This payment alone; amounts add up
    #[arg(long, group = "paid", value_parser = parse(Money::parse))]
    amount: Option<Money>,
    /// The payer's cumulative total so far
    #[arg(long, group = "paid", value_parser = parse(Money::parse))]
    total_amount_paid: Option<Money>,
    /// ISO 4217 code [default: the domain's]
    #[arg(long)]
    currency: Option<String>,
    /// A currency exchange, as a JSON object
    #[arg(long, value_name = "JSON")]
    exchange: Option<String>,
    #[command(flatten)]
    attributes: Attributes,
}

/// One of the domain's parsers as clap's.
pub(super) fn parse<T>(
    parser: impl Fn(&str) -> Result<T, Invalid> + Clone,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| parser(text).map_err(|error| error.to_string())
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    match (args.what, args.file) {
        (Some(what), _) => one(what, tools).await,
        (None, Some(path)) => publish_file::run(&path, tools).await,
        (None, None) => Ok(wrong_use("give click, signup or payment, or --file")),
    }
}

async fn one(what: What, tools: &Tools) -> anyhow::Result<ExitCode> {
    let draft = match draft(what, tools.clock.now()) {
        Ok(draft) => draft,
        Err(problem) => return Ok(wrong_use(problem)),
    };
    let json = draft.to_json();
    if let Err(bad) = check(&json, tools.clock.now(), tools.settings.broker("")?.max_message) {
        return Ok(wrong_use(bad.detail));
    }
    let link = Link::open(tools).await?;
    link.publish(compose::message(draft.event_type, &draft.id, &[&json])).await?;
    link.close().await;
    println!("{}", draft.id);
    Ok(ExitCode::SUCCESS)
}

fn draft(what: What, now: Micros) -> Result<Draft, String> {
    let (event_type, attributes, data) = match what {
        What::Click(click) => {
            let data = json!({
                "code": click.code, "ip": click.ip, "user_agent": click.user_agent,
                "referrer": click.referrer, "user_hash": click.user_hash,
                "query_string": click.query_string,
            });
            (EventType::Click, click.attributes, data)
        }
        What::Signup(signup) => {
            let data = json!({
                "user_hash": signup.user_hash, "code": signup.code,
                "user_indicator": signup.user_indicator,
                "email": signup.email.as_ref().map(Email::spelling),
                "program_id": signup.program_id,
            });
            (EventType::Signup, signup.attributes, data)
        }
        What::Payment(payment) => {
            let exchange = payment.exchange.as_deref().map(serde_json::from_str::<Value>);
            let exchange = exchange.transpose().map_err(|e| format!("--exchange: {e}"))?;
            let data = json!({
                "user_hash": payment.user_hash,
                "amount": payment.amount.map(|amount| amount.to_string()),
                "total_amount_paid": payment.total_amount_paid.map(|total| total.to_string()),
                "currency": payment.currency, "exchange": exchange,
            });
            (EventType::Payment, payment.attributes, data)
        }
    };
    Ok(Draft {
        id: attributes.id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string()),
        source: attributes.source.into(),
        event_type,
        time: attributes.time.unwrap_or(now),
        domain: attributes.domain.into(),
        trace: Trace { parent: attributes.traceparent, state: attributes.tracestate },
        data: data.into(),
    })
}

/// Checks an event as the workers will.
pub(super) fn check(json: &str, now: Micros, message_bytes_max: usize) -> Result<Event, Bad> {
    let incoming = Incoming {
        content_type: Some(SINGLE),
        routing_key: topology::KEY_BATCH,
        body: json.as_bytes(),
        header: &|_| None,
    };
    match envelope::decode(&incoming, now, message_bytes_max) {
        Decoded::Whole(bad) => Err(bad),
        Decoded::Events(mut items) => match items.pop() {
            Some(item) => item.checked,
            None => unreachable!("a single event is one item"),
        },
    }
}

/// What `opening` gives once the broker is there, which is waited for a while.
pub(super) async fn opened<T>(
    opening: impl Future<Output = Result<Option<T>, BrokerError>>,
) -> anyhow::Result<T> {
    let opened = timeout(BROKER_WAIT, opening).await;
    match opened.with_context(|| format!("no broker within {} s", BROKER_WAIT.as_secs()))?? {
        Some(opened) => Ok(opened),
        None => bail!("stopped"),
    }
}

/// A connection to publish on.
pub(super) struct Link {
    publisher: Publisher,
    ending: CancellationToken,
    shutdown: CancellationToken,
}

impl Link {
    /// Connects, and waits a while for a broker that is not there.
    pub(super) async fn open(tools: &Tools) -> anyhow::Result<Self> {
        let broker = Broker::new(tools.settings.broker("referral publish")?);
        let declared = async { Ok(broker.declare(&tools.shutdown).await?.then_some(())) };
        opened(declared).await?;
        let ending = CancellationToken::new();
        let publisher = broker.publisher(ending.clone());
        Ok(Self { publisher, ending, shutdown: tools.shutdown.clone() })
    }

    /// Publishes one message; again, with the same ids, while the broker is away.
    pub(super) async fn publish(&self, message: Outgoing) -> anyhow::Result<()> {
        let until = Instant::now() + BROKER_WAIT;
        loop {
            let error = match self.publisher.publish(message.clone()).await {
                Ok(()) => return Ok(()),
                Err(PublishError::TooLarge) => bail!(PublishError::TooLarge),
                Err(error) => error,
            };
            if Instant::now() >= until || self.shutdown.is_cancelled() {
                bail!(error);
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Ends the connection in good order.
    pub(super) async fn close(self) {
        self.ending.cancel();
        self.publisher.ended().await;
    }
}

/// The event's text without the blanks around it.
pub(super) fn trimmed(line: &str) -> Option<&RawValue> {
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_the_command_line_pass_the_workers_check() {
        let now = Micros::parse("2026-01-01T00:00:00Z").unwrap();
        let attributes = || Attributes {
            id: None,
            source: "/t".to_owned(),
            time: None,
            domain: "default".to_owned(),
            traceparent: None,
            tracestate: None,
        };
        let user_hash = UserHash::parse("u").unwrap();
        let payment = |exchange: &str| {
            What::Payment(Payment {
                user_hash: user_hash.clone(),
                amount: Some(Money::from_minor(1999)),
                total_amount_paid: None,
                currency: None,
                exchange: Some(exchange.to_owned()),
                attributes: attributes(),
            })
        };
        let json = draft(payment(r#"{"success":false}"#), now).unwrap().to_json();
        assert!(json.contains(r#""amount":"19.99""#), "{json}");
        check(&json, now, 1 << 20).unwrap();
        assert!(draft(payment("{"), now).unwrap_err().starts_with("--exchange"));
        let future = json.replace("2026-", "2027-");
        assert_eq!(check(&future, now, 1 << 20).unwrap_err().reason.as_str(), "time_in_future");
    }
}
