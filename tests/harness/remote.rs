//! A remote RCP's front door: passes requests on to a real one behind it, or answers as the script
//! says, late or never. Keeps everything that came.
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use super::http;

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, …
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// The header `authorization`.
    pub authorization: String,
    /// The bytes.
    pub body: String,
}

/// What becomes of a request.
pub enum Reply {
    /// The real one answers.
    Pass,
    /// This.
    Json(u16, Value),
    /// This status with this header and no body.
    Header(u16, &'static str, String),
    /// 200 with an empty object, after so long.
    Late(Duration),
    /// Nothing, for ever.
    Never,
}

type Script = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

/// See the module. Stops when dropped.
pub struct Remote {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Remote {
    /// Listens. `behind` is the real one's address, `""` where there is none; the script is told
    /// the request, and how many of its method came before.
    pub async fn start(
        behind: &str,
        script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (door, behind, script) = (asked.clone(), behind.to_owned(), Arc::new(script));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (door, behind, script) = (door.clone(), behind.clone(), script.clone());
                let service = service_fn(move |request| {
                    answer(request, door.clone(), behind.clone(), script.clone())
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { address, asked, task }
    }

    /// For `--url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that came, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// How many of this method came.
    pub fn count(&self, method: &str) -> usize {
        self.asked().iter().filter(|asked| asked.method == method).count()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    door: Arc<Mutex<Vec<Asked>>>,
    behind: String,
    script: Arc<Script>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let header = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        authorization: header("authorization").to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let before = {
        let mut door = door.lock().expect("no panic");
        let before = door.iter().filter(|earlier| earlier.method == asked.method).count();
        door.push(asked.clone());
        before
    };
    let response = Response::builder();
    let response = match script(&asked, before) {
        Reply::Pass => {
            let request = http::client().request(head.method.clone(), behind + &asked.path);
            let request = request.header("authorization", header("authorization"));
            let request = request.header("content-type", header("content-type"));
            let answer = request.body(body).send().await.expect("the real one answers");
            let response = response.status(answer.status());
            response.body(answer.bytes().await.expect("a body").into())
        }
        Reply::Json(status, body) => response.status(status).body(body.to_string().into()),
        Reply::Header(status, name, value) => {
            response.status(status).header(name, value).body(Bytes::new().into())
        }
        Reply::Late(pause) => {
            tokio::time::sleep(pause).await;
            response.body("{}".into())
        }
        Reply::Never => std::future::pending().await,
    };
    Ok(response.expect("a response"))
}
