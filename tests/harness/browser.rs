//! A real browser: Chromium without a window, driven through `chromedriver` in the words of the
//! WebDriver protocol (W3C). Whoever holds a [`Browser`] holds the life of all its processes.
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{sys::signal::killpg, unistd::Pid};
use referral::store::{Row, Store, StoreSettings};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    environment,
    eventually::{PATIENCE, eventually},
    http,
};

/// The member under which WebDriver hands an element out.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Starts the driver and, when whoever started this is gone in whatever way, so that its end of the
/// pipe is closed, kills the driver and every browser it started: they are one process group.
const KEEPER: &str = r#""$0" --port=0 & exec >&-; read -r _; kill -KILL 0"#;
/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// A browser that says it is headless is a bot, whose clicks do not count.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
/// Reaches this machine only, and does nothing of its own accord.
const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    // It runs as root in the gate.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--lang=en-US",
    "--window-size=420,800",
];

/// See the module.
pub struct Browser {
    session: String,
    driver: Driver,
}

/// The driver's processes, and the directory that they write to.
struct Driver {
    keeper: Child,
    pipe: Option<ChildStdin>,
    url: String,
    directory: tempfile::TempDir,
}

impl Browser {
    /// Starts one, with or without JavaScript.
    pub async fn start(javascript: bool) -> Self {
        Self::start_where(javascript, "").await
    }

    /// The same where some host names are of this machine: `MAP NAME ADDRESS, `.
    pub async fn start_where(javascript: bool, names: &str) -> Self {
        let driver = Driver::start();
        let profile = format!("--user-data-dir={}", driver.profile().display());
        let resolver = format!("--host-resolver-rules={names}MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
        let own = [profile, resolver, format!("--user-agent={USER_AGENT}")];
        let arguments: Vec<&str> =
            ARGUMENTS.into_iter().chain(own.iter().map(String::as_str)).collect();
        let setting = if javascript { 1 } else { 2 };
        let chrome = json!({
            "args": arguments,
            "prefs": {"profile.managed_default_content_settings.javascript": setting},
        });
        let wish = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": chrome,
            "goog:loggingPrefs": {"performance": "ALL"},
        }}});
        let made = call(Method::POST, &format!("{}/session", driver.url), Some(wish)).await;
        let made = made.unwrap_or_else(|error| panic!("no browser: {error}"));
        let id = made["sessionId"].as_str().expect("a session");
        Self { session: format!("{}/session/{id}", driver.url), driver }
    }

    /// Opens a page, as if its address were typed in.
    pub async fn open(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    /// The address of the page that is shown.
    pub async fn url(&self) -> String {
        text(&self.get("url").await)
    }

    /// Types into what this CSS selector finds.
    pub async fn type_into(&self, selector: &str, keys: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/value"), json!({"text": keys})).await;
    }

    /// Empties a field.
    pub async fn empty(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/clear"), json!({})).await;
    }

    /// Clicks at what this CSS selector finds.
    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/click"), json!({})).await;
    }

    /// The text that is to be seen there.
    pub async fn text(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        text(&self.get(&format!("element/{element}/text")).await)
    }

    /// Waits until this is the text that is to be seen there: another page may be on its way.
    pub async fn shows(&self, selector: &str, expected: &str) {
        let wish = json!({"using": "css selector", "value": selector});
        eventually(&format!("{selector} is {expected:?}"), PATIENCE, async || {
            let found = format!("{}/element", self.session);
            let found = call(Method::POST, &found, Some(wish.clone())).await?;
            let shown = format!("{}/element/{}/text", self.session, text(&found[ELEMENT]));
            match call(Method::GET, &shown, None).await? {
                shown if shown == expected => Ok(()),
                shown => Err(shown.to_string()),
            }
        })
        .await;
    }

    /// What somebody who cannot see is told that it is called.
    pub async fn label(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        text(&self.get(&format!("element/{element}/computedlabel")).await)
    }

    /// A property of its style, as it came out.
    pub async fn style(&self, selector: &str, property: &str) -> String {
        let element = self.find(selector).await;
        text(&self.get(&format!("element/{element}/css/{property}")).await)
    }

    /// Whether the keyboard would go there.
    pub async fn has_focus(&self, selector: &str) -> bool {
        let element = self.find(selector).await;
        self.get("element/active").await[ELEMENT] == element.as_str()
    }

    /// Whether there is such an element now.
    pub async fn has(&self, selector: &str) -> bool {
        let wish = json!({"using": "css selector", "value": selector});
        self.post("elements", wish).await.as_array().is_some_and(|found| !found.is_empty())
    }

    /// The addresses of everything that was asked for since the last time, in order.
    pub async fn requests(&self) -> Vec<String> {
        let lines = self.post("se/log", json!({"type": "performance"})).await;
        let lines = lines.as_array().expect("a log").iter();
        lines
            .filter_map(|line| {
                let line: Value = serde_json::from_str(line["message"].as_str()?).ok()?;
                let message = &line["message"];
                let is_request = message["method"] == "Network.requestWillBeSent";
                is_request.then(|| text(&message["params"]["request"]["url"]))
            })
            .collect()
    }

    /// Goes back to the page before.
    pub async fn back(&self) {
        self.post("back", json!({})).await;
    }

    /// Closes it in good order.
    pub async fn close(self) {
        drop(self.quit().await);
    }

    /// The same, and gives what it has kept.
    pub async fn quit(self) -> Remains {
        call(Method::DELETE, &self.session, None).await.expect("closed");
        Remains { driver: self.driver }
    }

    /// The element once it is there: a page may still be on its way.
    async fn find(&self, selector: &str) -> String {
        let wish = json!({"using": "css selector", "value": selector});
        eventually(&format!("the page has {selector}"), PATIENCE, async || {
            let found =
                call(Method::POST, &format!("{}/element", self.session), Some(wish.clone()))
                    .await?;
            Ok(text(&found[ELEMENT]))
        })
        .await
    }

    async fn get(&self, path: &str) -> Value {
        let found = call(Method::GET, &format!("{}/{path}", self.session), None).await;
        found.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let done = call(Method::POST, &format!("{}/{path}", self.session), Some(body)).await;
        done.unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// What a browser leaves behind: the profile that it would begin with the next time.
pub struct Remains {
    driver: Driver,
}

impl Remains {
    /// Every visit of its history: the address, and whether it is ever shown or proposed.
    pub async fn visits(&self) -> Vec<(String, bool)> {
        // The end of a chain of redirects, which alone is a visit to whoever looks at the history.
        const VISITS: &str = "SELECT u.url AS url, u.hidden AS hidden, \
            v.transition & 536870912 AS is_last FROM visits v JOIN urls u ON u.id = v.url";
        let file = self.driver.profile().join("Default/History");
        let url = format!("sqlite://{}", file.display());
        let settings = StoreSettings { url, connections_max: 1, migrate: false };
        eventually("the history is written", PATIENCE, async || {
            let store = Store::connect(&settings).await.map_err(|error| error.to_string())?;
            let found = store.all(VISITS, None, Vec::new()).await;
            store.connection().clone().close().await.map_err(|error| error.to_string())?;
            let visit = |row: &Row| {
                let is_shown = !row.truth("hidden").unwrap() || row.truth("is_last").unwrap();
                (row.text("url").unwrap(), is_shown)
            };
            let visits: Vec<_> =
                found.map_err(|error| error.to_string())?.iter().map(visit).collect();
            if visits.is_empty() { Err("no visits".to_owned()) } else { Ok(visits) }
        })
        .await
    }

    /// The pages that it would open again, or go back to: everything it knows of each.
    pub fn pages(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.driver.profile().join("Default/Sessions"));
        let files = files.expect("its sessions").map(|file| file.expect("a file").path());
        files.flat_map(|file| pages(&std::fs::read(file).expect("a session"))).collect()
    }
}

/// The pages of a session's file: commands (length, kind, what it is about), of which the last of each
/// place in each tab counts.
fn pages(file: &[u8]) -> Vec<String> {
    const HEADER: usize = 8;
    // A page in a tab, of an open window and of a closed one.
    const KINDS: [u8; 2] = [6, 1];
    let mut last = BTreeMap::new();
    let mut rest = file.get(HEADER..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let Some((command, next)) = after.split_at_checked(u16::from_le_bytes(*length).into())
        else {
            break;
        };
        // After the kind and the length once more: tab and place, of 4 bytes each.
        if let Some(place) = command.get(5..13).filter(|_| KINDS.contains(&command[0])) {
            last.insert(place.to_vec(), String::from_utf8_lossy(command).into_owned());
        }
        rest = next;
    }
    last.into_values().collect()
}

impl Driver {
    fn profile(&self) -> PathBuf {
        self.directory.path().join("profile")
    }

    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let program = environment::chromedriver();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER]).arg(&program).process_group(0).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("HOME", directory.path()).env("TMPDIR", directory.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = command.spawn().expect("a shell");
        let pipe = keeper.stdin.take();
        let said = BufReader::new(keeper.stdout.take().expect("its output"));
        let mut driver = Self { keeper, pipe, url: String::new(), directory };
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let port: u16 = port.unwrap_or_else(|| panic!("{} did not start", program.display()));
        driver.url = format!("http://127.0.0.1:{port}");
        driver
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let group = Pid::from_raw(self.keeper.id() as i32);
        drop(self.keeper.wait());
        // The directory goes next, and nobody may be writing to it any more.
        let end = Instant::now() + GONE_WITHIN;
        while killpg(group, None).is_ok() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The `value` of the answer, or what went wrong.
async fn call(method: Method, url: &str, body: Option<Value>) -> Result<Value, String> {
    let request = http::client().request(method, url);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let is_done = answer.status().is_success();
    let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
    let value = answer["value"].take();
    if is_done { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| panic!("no text: {value}"), str::to_owned)
}
