//! The publisher's task: connects, takes up commands, hands out replies, and connects again.
//!
//! Refuses to decide what became of a message: that is `window`'s.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Consumer, Event,
    message::Delivery,
    options::{BasicConsumeOptions, ConfirmSelectOptions},
    types::FieldTable,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    Broker, PublishError,
    connection::{Failure, Link},
    pace::{BACKOFF_MOST, Streak},
    publisher::{Command, REPLY_TO, Shared},
    window::Window,
};

/// How long publishes wait for the first or a lost connection before they are refused at once: a short
/// interruption costs a delay, a long one no pile of waiting requests.
const GRACE: Duration = Duration::from_secs(1);

/// Runs until shut down, or until nobody can publish any more.
pub(super) async fn run(
    broker: Broker,
    mut commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) {
    let _ended = shared.ended.clone().drop_guard();
    let streak = broker.new_streak();
    let mut grace = Instant::now() + GRACE;
    loop {
        let opened = tokio::select! {
            biased;
            opened = open(&broker, &streak, &shutdown) => opened,
            () = refuse(&mut commands, grace) => None,
        };
        let Some((link, replies)) = opened else {
            break;
        };
        let born = Instant::now();
        shared.set_connected(true);
        let mut window = Window::new(link.channel.clone());
        let end = serve(
            &mut window,
            &link,
            replies,
            &mut commands,
            &shared,
            &shutdown,
            broker.settings().publish_timeout,
        )
        .await;
        shared.set_connected(false);
        window.abandon();
        shared.forget_replies();
        match end {
            End::Finished => {
                link.close().await;
                break;
            }
            End::Lost(reason) => {
                warn!(reason, "the publishing connection is gone; connecting again");
                streak.ended(true, born.elapsed());
                grace = Instant::now() + GRACE;
            }
        }
    }
    refuse_rest(&mut commands);
    info!("the publisher has ended");
}

/// Insists on a channel in confirm mode that also receives replies. `None` when shut down.
async fn open(
    broker: &Broker,
    streak: &Streak,
    shutdown: &CancellationToken,
) -> Option<(Link, Consumer)> {
    let attempt = || async {
        let link = broker.open("publish").await?;
        let channel = &link.channel;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let replies = channel
            .basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default())
            .await?;
        Ok::<_, Failure>((link, replies))
    };
    loop {
        match broker.insist("publish", streak, shutdown, attempt).await {
            Ok(opened) => return opened,
            Err(refusal) => error!(%refusal, "cannot publish until this is mended"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = sleep(BACKOFF_MOST) => {}
        }
    }
}

/// Answers what comes after `grace` that there is no connection. Returns when nobody is left to ask.
async fn refuse(commands: &mut mpsc::Receiver<Command>, grace: Instant) {
    sleep_until(grace).await;
    while let Some(command) = commands.recv().await {
        let _ = command.answer.send(Err(unavailable("not connected")));
    }
}

fn refuse_rest(commands: &mut mpsc::Receiver<Command>) {
    commands.close();
    while let Ok(command) = commands.try_recv() {
        let _ = command.answer.send(Err(unavailable("shutting down")));
    }
}

fn unavailable(reason: &str) -> PublishError {
    PublishError::Unavailable(reason.to_owned())
}

enum End {
    /// Nothing more to publish, or no more time to.
    Finished,
    /// The connection is gone, and why.
    Lost(String),
}

/// Publishes until the connection is lost or nothing is left. After shutdown what was taken up has
/// `farewell` to be confirmed.
async fn serve(
    window: &mut Window,
    link: &Link,
    mut replies: Consumer,
    commands: &mut mpsc::Receiver<Command>,
    shared: &Shared,
    shutdown: &CancellationToken,
    farewell: Duration,
) -> End {
    let mut last_moment = pin!(sleep(Duration::MAX));
    let mut events = Box::pin(link.events());
    let mut taken = Vec::new();
    let mut open = true;
    loop {
        if !open && window.is_empty() {
            return End::Finished;
        }
        let room = window.room();
        tokio::select! {
            () = shutdown.cancelled(), if !commands.is_closed() => {
                commands.close();
                last_moment.as_mut().reset(Instant::now() + farewell);
            }
            () = &mut last_moment, if commands.is_closed() => return End::Finished,
            Some(first) = window.next() => {
                if let Err(reason) = window.settle(first) {
                    return End::Lost(reason);
                }
            }
            n = commands.recv_many(&mut taken, room), if open && room > 0 => {
                open = n > 0;
                taken.drain(..).for_each(|command| window.start(command));
            }
            reply = replies.next() => match reply {
                Some(Ok(delivery)) => hand_over(delivery, shared),
                Some(Err(error)) => return End::Lost(error.to_string()),
                None => return End::Lost("the reply consumer was cancelled".to_owned()),
            },
            Some(event) = events.next() => note(&event),
        }
    }
}

fn hand_over(reply: Delivery, shared: &Shared) {
    let id = reply.properties.correlation_id().as_ref();
    let id = id.map_or("", |id| id.as_str()).to_owned();
    if !shared.deliver(&id, reply.data.into()) {
        debug!(correlation_id = id, "a reply came after its request was over");
    }
}

fn note(event: &Event) {
    match event {
        Event::ConnectionBlocked(reason) => {
            warn!(reason, "the broker takes no messages for now");
        }
        Event::ConnectionUnblocked => info!("the broker takes messages again"),
        _ => {}
    }
}
