//! Hello-world in axum.
use axum::{Router, routing::get};

/// Serves on a free port, which it prints, until it is killed.
pub async fn serve() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let hello = Router::new().route("/", get(async || "Hello, World!"));
    Ok(axum::serve(listener, hello).await?)
}
