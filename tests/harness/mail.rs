//! A mail server that nobody here wrote, Python's aiosmtpd, and what arrived there.
use std::{path::Path, process::Stdio};

use serde::Deserialize;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use super::{PATIENCE, environment, eventually, program::free_address};

/// A message as the server was given it, and as Python reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct Received {
    /// Who sent it, by the envelope.
    pub from: String,
    /// Whom to.
    pub to: Vec<String>,
    /// Its headers, decoded.
    pub headers: Vec<(String, String)>,
    /// Its type.
    pub r#type: String,
    /// Its text.
    pub text: String,
    /// Its HTML.
    pub html: String,
    /// Whether it came through TLS.
    pub tls: bool,
    /// As whom it was sent.
    pub login: Option<String>,
}

impl Received {
    /// A header's text; there is one such header.
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(found, _)| found == name);
        let (_, value) = found.next().unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        assert!(found.next().is_none(), "{name} twice: {:?}", self.headers);
        value
    }

    /// The secret of the link in its text.
    pub fn token(&self) -> &str {
        let (_, rest) = self.text.split_once("/adminzone/password?token=").expect("a link");
        rest.split_whitespace().next().expect("a token")
    }
}

/// The server, which answers as `tests/clients/smtp.py` says. Dropped, it is killed.
pub struct MailServer {
    address: String,
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl MailServer {
    /// One that is not started yet, with these arguments on top.
    pub fn plan(arguments: &[&str]) -> Self {
        Self {
            address: free_address(),
            directory: tempfile::tempdir().expect("a directory"),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            child: None,
        }
    }

    /// One that takes mail.
    pub async fn start() -> Self {
        let mut server = Self::plan(&[]);
        server.run().await;
        server
    }

    /// Starts it, at the same address every time, and waits until it listens.
    pub async fn run(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/smtp.py");
        let (_, port) = self.address.rsplit_once(':').expect("a port");
        let mut command = Command::new(environment::python());
        command.arg(script).arg(port).arg(self.directory.path()).args(&self.arguments);
        command.kill_on_drop(true).stdin(Stdio::null());
        self.child = Some(command.spawn().expect("python"));
        eventually("the mail server listens", PATIENCE, async || {
            TcpStream::connect(&self.address).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Kills it; what it received stays.
    pub async fn kill(&mut self) {
        self.child.take().expect("it runs").kill().await.expect("killed");
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `SMTP_URL`, without TLS and login.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What arrived, in order.
    pub fn received(&self) -> Vec<Received> {
        let files = std::fs::read_dir(self.directory.path()).expect("a directory");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let read = |file: &Path| std::fs::read(file).expect("a file");
        let received = files.iter().map(|file| serde_json::from_slice(&read(file)).expect("JSON"));
        received.collect()
    }

    /// What arrived for this address.
    pub fn received_by(&self, address: &str) -> Vec<Received> {
        self.received().into_iter().filter(|message| message.to == [address]).collect()
    }
}

/// A certificate of 127.0.0.1 that is its own authority, and its key, as files in this directory.
pub async fn certificate(directory: &Path) -> [String; 2] {
    let [certificate, key] =
        ["smtp.crt", "smtp.key"].map(|name| directory.join(name).display().to_string());
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
    command.args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    command.args(["-out", &certificate, "-keyout", &key]);
    let told = super::Told::of(command, "").await;
    assert_eq!(told.code, Some(0), "openssl: {}", told.errors);
    [certificate, key]
}
