//! A billing system that takes everything, as fast as it can or after a pause.
use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;

/// See the module.
#[derive(Args)]
pub struct Sink {
    /// How long each answer takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pause_ms: u64,
}

impl Sink {
    /// Serves on a free port, which it prints, until it is killed.
    pub async fn serve(self) -> anyhow::Result<()> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let pause = Duration::from_millis(self.pause_ms);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answer = service_fn(move |request: Request<Incoming>| async move {
                let _ = request.into_body().collect().await;
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            });
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), answer));
        }
    }
}
