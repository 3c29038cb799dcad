//! A network between a program and a server that a test can break: replies withheld, a connection cut
//! after a request has arrived, silence. Looks for bytes, and knows nothing of what they mean.
use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use super::eventually::{PATIENCE, eventually};

/// What becomes of the connection whose request has the bytes that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Its replies wait until [`Proxy::heal`].
    Withhold,
    /// The request arrives, and the connection ends in place of the reply.
    Cut,
    /// The connection ends before the request arrives.
    Lose,
}

/// See the module. Everything ends with it.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    server: String,
    /// Whom the next strike hits.
    wanted: Mutex<Option<(Vec<u8>, Strike)>>,
    struck: Mutex<usize>,
    weather: watch::Sender<Weather>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Nothing passes, in neither direction.
    Silent,
    /// The proxy is gone: so are its connections.
    Over,
}

impl Proxy {
    /// In front of the server that a URL names.
    pub async fn before(url: &str) -> Self {
        let url = url::Url::parse(url).expect("a server's URL");
        let server = format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            server,
            wanted: Mutex::default(),
            struck: Mutex::default(),
            weather: watch::Sender::new(Weather::Fair),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, accepting }
    }

    /// The same URL by way of the proxy.
    pub fn url(&self, url: &str) -> String {
        assert!(url.contains(&self.shared.server), "another server's URL");
        url.replace(&self.shared.server, &self.address)
    }

    /// Strikes the next connection, once, whose request has these bytes.
    pub fn strike(&self, bytes: &[u8], strike: Strike) {
        *self.shared.wanted.lock().expect("wanted") = Some((bytes.to_vec(), strike));
    }

    /// How many strikes have hit.
    pub fn struck(&self) -> usize {
        *self.shared.struck.lock().expect("struck")
    }

    /// Waits until so many have hit.
    pub async fn has_struck(&self, times: usize) {
        eventually("the proxy strikes", PATIENCE, async || match self.struck() {
            n if n >= times => Ok(()),
            n => Err(format!("{n} of {times}")),
        })
        .await;
    }

    /// From now on nothing passes in either direction, and no connection ends.
    pub fn silence(&self) {
        self.shared.weather.send_replace(Weather::Silent);
    }

    /// Everything passes again, also what was withheld.
    pub fn heal(&self) {
        *self.shared.wanted.lock().expect("wanted") = None;
        self.shared.weather.send_replace(Weather::Fair);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.weather.send_replace(Weather::Over);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let mut weather = shared.weather.subscribe();
            tokio::select! {
                () = carry(client, &shared) => {}
                _ = weather.wait_for(|weather| *weather == Weather::Over) => {}
            }
        });
    }
}

/// Carries one connection to its end, in both directions.
async fn carry(client: TcpStream, shared: &Shared) {
    // Nobody there: the client is hung up on, as by the server's own system.
    let Ok(server) = TcpStream::connect(&shared.server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (hit, was_hit) = watch::channel(None);
    // An end of either direction ends the connection.
    tokio::select! {
        () = requests(from_client, to_server, shared, hit) => {}
        () = replies(from_server, to_client, shared, was_hit) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    hit: watch::Sender<Option<Strike>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut recent = Vec::new();
    loop {
        let Ok(n @ 1..) = from.read(&mut buffer).await else { return };
        fair(shared).await;
        recent.extend_from_slice(&buffer[..n]);
        if let Some(strike) = shared.aimed_at(&recent) {
            // Before the request is on its way, so that no reply is faster.
            hit.send_replace(Some(strike));
            if strike == Strike::Lose {
                return;
            }
        }
        recent.drain(..recent.len().saturating_sub(64));
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    mut hit: watch::Receiver<Option<Strike>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(n @ 1..) = from.read(&mut buffer).await else { return };
        fair(shared).await;
        let struck = *hit.borrow();
        match struck {
            Some(Strike::Cut | Strike::Lose) => return,
            Some(Strike::Withhold) => {
                shared.healed().await;
                // A withheld reply is passed on once, the rest as it comes.
                hit = watch::Sender::new(None).subscribe();
            }
            None => {}
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

/// Waits for better weather where nothing passes.
async fn fair(shared: &Shared) {
    let mut weather = shared.weather.subscribe();
    let _ = weather.wait_for(|weather| *weather != Weather::Silent).await;
}

impl Shared {
    fn aimed_at(&self, request: &[u8]) -> Option<Strike> {
        let mut wanted = self.wanted.lock().expect("wanted");
        let (bytes, _) = wanted.as_ref()?;
        if !request.windows(bytes.len()).any(|window| window == bytes) {
            return None;
        }
        *self.struck.lock().expect("struck") += 1;
        wanted.take().map(|(_, strike)| strike)
    }

    /// Waits for the next [`Proxy::heal`].
    async fn healed(&self) {
        let mut weather = self.weather.subscribe();
        let _ = weather.changed().await;
    }
}
