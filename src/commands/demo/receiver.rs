//! A billing system of our own: takes every request, remembers it, answers as it is told.
//!
//! The demonstration shows what billing would get; the tests let it fail. It speaks plain HTTP/1
//! on a listener of the caller's and ends when it is dropped.
use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response, StatusCode, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

/// Largest body that is read.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a client may take for its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `POST`, most likely.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// In the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Received {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// How long it takes.
    pub after: Duration,
}

impl Answer {
    /// This status, at once.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), after: Duration::ZERO }
    }
}

/// What the next requests are answered with.
struct Answers {
    once: VecDeque<Answer>,
    otherwise: Answer,
}

struct Shared {
    received: watch::Sender<Vec<Received>>,
    answers: Mutex<Answers>,
}

/// See the module.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Listens at a free port of 127.0.0.1.
    pub async fn start() -> std::io::Result<Self> {
        Self::on(TcpListener::bind("127.0.0.1:0").await?)
    }

    /// Takes what comes to this listener; answers 200 until told otherwise.
    pub fn on(listener: TcpListener) -> std::io::Result<Self> {
        let answers = Answers { once: VecDeque::new(), otherwise: Answer::status(200) };
        let received = watch::Sender::new(Vec::new());
        let shared = Arc::new(Shared { received, answers: Mutex::new(answers) });
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, task })
    }

    /// `http://` and where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that has come, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// Answers every request so from now on.
    pub fn answer_with(&self, answer: Answer) {
        self.shared.answers().otherwise = answer;
    }

    /// Answers one of the next requests so, in the order of these calls.
    pub fn answer_once(&self, answer: Answer) {
        self.shared.answers().once.push_back(answer);
    }

    /// Waits until more than so many have come; those beyond.
    pub async fn after(&self, seen: usize) -> Vec<Received> {
        let mut received = self.shared.received.subscribe();
        match received.wait_for(|all| all.len() > seen).await {
            Ok(all) => all[seen..].to_vec(),
            // Nobody will come any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for a request that is like this, one that has come already included.
    pub async fn wait_for(
        &self,
        is_it: impl Fn(&Received) -> bool,
        wait: Duration,
    ) -> Option<Received> {
        let mut received = self.shared.received.subscribe();
        let found = received.wait_for(|all| all.iter().any(&is_it));
        let all = timeout(wait, found).await.ok()?.ok()?;
        all.iter().find(|one| is_it(one)).cloned()
    }
}

impl Shared {
    fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_answer(&self) -> Answer {
        let mut answers = self.answers();
        answers.once.pop_front().unwrap_or_else(|| answers.otherwise.clone())
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = shared.clone();
        let service = service_fn(move |request| receive(request, shared.clone()));
        tokio::spawn(async move {
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%error, "a connection to the receiver ended");
            }
        });
    }
}

async fn receive(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        // Not whole, so it did not come.
        return Ok(response(&Answer::status(400)));
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = parts.headers.iter().map(|(n, v)| (n.as_str().to_owned(), text(v.as_bytes())));
    let one = Received {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: headers.collect(),
        body: text(&body.to_bytes()),
    };
    let answer = shared.next_answer();
    shared.received.send_modify(|all| all.push(one));
    tokio::time::sleep(answer.after).await;
    Ok(response(&answer))
}

fn response(answer: &Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_remembers_what_came_and_answers_as_told() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let receiver = Receiver::start().await.unwrap();
        receiver.answer_once(Answer::status(503));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut statuses = Vec::new();
        for body in ["a=1", "a=2"] {
            let post = client.post(format!("{}/credit/u", receiver.url())).body(body);
            statuses.push(post.header("webhook-id", body).send().await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, [503, 200]);
        let second = receiver.wait_for(|r| r.body == "a=2", Duration::from_secs(5)).await.unwrap();
        assert_eq!((second.method.as_str(), second.path.as_str()), ("POST", "/credit/u"));
        assert_eq!(second.header("webhook-id"), Some("a=2"));
        assert_eq!(receiver.received().len(), 2);
        assert!(receiver.wait_for(|_| false, Duration::from_millis(10)).await.is_none());
    }
}
