//! A billing system of our own: answers as its script says and keeps a ledger of what it got.
use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{HeaderMap, Request, Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// Bytes of one frame of an answer that is streamed.
const FRAME_BYTES: usize = 1 << 20;

/// One POST that arrived whole.
#[derive(Clone, Debug)]
pub struct Post {
    pub id: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
    pub at: Instant,
    /// How many came before it over the same connection.
    pub kept: usize,
}

impl Post {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// What the sink does with a post.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    With(u16, &'static str, String),
    Body(u16, Bytes),
    /// So many bytes, as fast as they are taken.
    Stream(u16, u64),
    /// A byte every 50 ms, for ever.
    Drip(u16),
    /// Processed, then the connection is gone.
    Reset,
    /// After a while.
    Late(u16, Duration),
    /// After the gate is opened.
    Gated(u16),
}

type Script = dyn Fn(&Post, usize) -> Answer + Send + Sync;
type Answered = Result<Response<BoxBody<Bytes, Infallible>>, io::Error>;

/// All posts, in their order, and how many there were of each id.
#[derive(Default)]
struct Ledger {
    posts: Vec<Post>,
    times: HashMap<String, usize>,
}

#[derive(Clone)]
pub struct Sink {
    pub address: SocketAddr,
    ledger: Arc<Mutex<Ledger>>,
    gate: watch::Sender<bool>,
    up: watch::Sender<bool>,
    streamed: Arc<AtomicU64>,
    script: Arc<Script>,
    tls: Option<TlsAcceptor>,
}

impl Sink {
    /// Answers as `script` says of the post and how many of its id came before.
    pub fn start(script: impl Fn(&Post, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), None, script)
    }

    /// The same at this address, over TLS where it is given.
    pub fn start_at(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Post, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        // Keeps the port while the sink is down.
        let place = bound(address);
        let sink = Self {
            address: place.local_addr().expect("an address"),
            ledger: Arc::default(),
            gate: watch::Sender::new(false),
            up: watch::Sender::new(true),
            streamed: Arc::default(),
            script: Arc::new(script),
            tls,
        };
        let listener = bound(sink.address).listen(1024).expect("listens");
        let serving = sink.clone();
        tokio::spawn(async move {
            let _place = place;
            serving.serve(listener).await;
        });
        sink
    }

    pub fn url(&self) -> String {
        format!("http://{}/credit", self.address)
    }

    pub fn posts(&self) -> Vec<Post> {
        self.ledger.lock().expect("no panic").posts.clone()
    }

    pub fn posts_of(&self, id: &str) -> Vec<Post> {
        self.posts().into_iter().filter(|post| post.id == id).collect()
    }

    /// How many posts there were.
    pub fn count(&self) -> usize {
        self.ledger.lock().expect("no panic").posts.len()
    }

    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// Refuses connections, and cuts those that there are, until it is up again.
    pub fn be_up(&self, up: bool) {
        self.up.send_replace(up);
    }

    /// Bytes of streamed answers that were handed over.
    pub fn streamed(&self) -> u64 {
        self.streamed.load(Ordering::Relaxed)
    }

    async fn serve(self, mut listener: TcpListener) {
        let mut up = self.up.subscribe();
        loop {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (stream, _) = accepted.expect("a connection");
                        connections.spawn(self.clone().connection(stream));
                    }
                    _ = up.wait_for(|up| !up) => break,
                }
            }
            drop((listener, connections));
            let _ = up.wait_for(|up| *up).await;
            listener = bound(self.address).listen(1024).expect("listens");
        }
    }

    async fn connection(self, stream: tokio::net::TcpStream) {
        match self.tls.clone() {
            None => self.http(stream).await,
            Some(tls) => {
                // Whoever does not trust it hangs up.
                if let Ok(stream) = tls.accept(stream).await {
                    self.http(stream).await;
                }
            }
        }
    }

    async fn http(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let kept = AtomicUsize::new(0);
        let service =
            service_fn(|request| self.take(request, kept.fetch_add(1, Ordering::Relaxed)));
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        let _ = connection.await;
    }

    async fn take(&self, request: Request<Incoming>, kept: usize) -> Answered {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let text = |name| head.headers.get(name).map_or("", |id| id.to_str().unwrap()).to_owned();
        let post = Post {
            id: text("webhook-id"),
            path: head.uri.to_string(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).expect("UTF-8"),
            at: Instant::now(),
            kept,
        };
        let answer = {
            // One after the other, so that the script sees them in the ledger's order.
            let mut ledger = self.ledger.lock().expect("no panic");
            let before = *ledger.times.get(&post.id).unwrap_or(&0);
            let answer = (self.script)(&post, before);
            ledger.times.insert(post.id.clone(), before + 1);
            ledger.posts.push(post);
            answer
        };
        if let Answer::Late(_, after) = answer {
            tokio::time::sleep(after).await;
        }
        if matches!(answer, Answer::Gated(_)) {
            self.gate.subscribe().wait_for(|open| *open).await.map_err(io::Error::other)?;
        }
        self.respond(answer)
    }

    fn respond(&self, answer: Answer) -> Answered {
        let full = |bytes: Bytes| Full::new(bytes).boxed();
        let builder = Response::builder();
        let response = match answer {
            Answer::Status(status) | Answer::Late(status, _) | Answer::Gated(status) => {
                builder.status(status).body(full("answer".into()))
            }
            Answer::With(status, name, value) => {
                builder.status(status).header(name, value).body(full(Bytes::new()))
            }
            Answer::Body(status, bytes) => builder.status(status).body(full(bytes)),
            Answer::Stream(status, bytes) => {
                let frame = Bytes::from(vec![b'x'; FRAME_BYTES]);
                let frames = bytes.div_ceil(FRAME_BYTES as u64);
                let streamed = self.streamed.clone();
                let frames = stream::iter(0..frames).map(move |_| {
                    streamed.fetch_add(FRAME_BYTES as u64, Ordering::Relaxed);
                    Ok(Frame::data(frame.clone()))
                });
                builder.status(status).body(BoxBody::new(StreamBody::new(frames)))
            }
            Answer::Drip(status) => {
                let drops = stream::repeat(()).then(|()| async {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Ok(Frame::data(Bytes::from_static(b".")))
                });
                builder.status(status).body(BoxBody::new(StreamBody::new(drops)))
            }
            Answer::Reset => return Err(io::Error::other("reset")),
        };
        Ok(response.expect("a response"))
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).expect("a port");
    socket
}
