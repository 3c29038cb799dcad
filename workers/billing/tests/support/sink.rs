//! A billing system of our own: answers as its script says and keeps a ledger of what it got.
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{HeaderMap, Request, Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch};

/// One POST that arrived whole.
#[derive(Clone, Debug)]
pub struct Post {
    pub id: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
    pub at: Instant,
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
    /// A byte every 50 ms, for ever.
    Drip(u16),
    /// Processed, then the connection is gone.
    Reset,
    /// After the gate is opened.
    Gated(u16),
}

type Script = dyn Fn(&Post, usize) -> Answer + Send + Sync;

#[derive(Clone)]
pub struct Sink {
    pub address: SocketAddr,
    ledger: Arc<Mutex<Vec<Post>>>,
    gate: watch::Sender<bool>,
}

impl Sink {
    /// Answers as `script` says of the post and how many of its id came before.
    pub async fn start(script: impl Fn(&Post, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let sink = Self {
            address: listener.local_addr().expect("an address"),
            ledger: Arc::default(),
            gate: watch::Sender::new(false),
        };
        let script: Arc<Script> = Arc::new(script);
        let serving = sink.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (sink, script) = (serving.clone(), script.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let (sink, script) = (sink.clone(), script.clone());
                        async move { sink.take(request, &*script).await }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    let _ = connection.await;
                });
            }
        });
        sink
    }

    pub fn url(&self) -> String {
        format!("http://{}/credit", self.address)
    }

    pub fn posts(&self) -> Vec<Post> {
        self.ledger.lock().expect("no panic").clone()
    }

    pub fn posts_of(&self, id: &str) -> Vec<Post> {
        self.posts().into_iter().filter(|post| post.id == id).collect()
    }

    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    async fn take(
        &self,
        request: Request<Incoming>,
        script: &Script,
    ) -> Result<Response<BoxBody<Bytes, Infallible>>, io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let post = Post {
            id: head.headers.get("webhook-id").map_or("", |id| id.to_str().unwrap()).to_owned(),
            path: head.uri.to_string(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).expect("UTF-8"),
            at: Instant::now(),
        };
        let before = self.posts_of(&post.id).len();
        let answer = script(&post, before);
        self.ledger.lock().expect("no panic").push(post);
        if matches!(answer, Answer::Gated(_)) {
            self.gate.subscribe().wait_for(|open| *open).await.map_err(io::Error::other)?;
        }
        respond(answer)
    }
}

fn respond(answer: Answer) -> Result<Response<BoxBody<Bytes, Infallible>>, io::Error> {
    let full = |bytes: Bytes| Full::new(bytes).boxed();
    let builder = Response::builder();
    let response = match answer {
        Answer::Status(status) | Answer::Gated(status) => {
            builder.status(status).body(full("answer".into()))
        }
        Answer::With(status, name, value) => {
            builder.status(status).header(name, value).body(full(Bytes::new()))
        }
        Answer::Body(status, bytes) => builder.status(status).body(full(bytes)),
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
