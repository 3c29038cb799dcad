//! The walk: one referral from the link to the second credit, over HTTP as a stranger would.
//!
//! Every step waits for its condition, with a deadline, and says which one did not come about.
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{receiver::Receiver, show::Show};

/// How long a step may take.
const STEP_WAIT: Duration = Duration::from_secs(30);
/// Pause between looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What a partner sends.
const FORM: &str = "application/x-www-form-urlencoded";
/// A visitor's browser.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// What the walk is walked with.
pub(super) struct Walk<'a> {
    pub show: &'a mut Show,
    pub client: &'a Client,
    pub receiver: &'a Receiver,
    /// The ingress, without a slash at the end.
    pub base: &'a str,
    /// The token.
    pub key: &'a str,
    /// The referrer: registered by an event that is on its way.
    pub referrer: &'a str,
    /// The user who will be referred.
    pub friend: &'a str,
    /// A partner of the UMI dialect.
    pub partner: &'a Partner,
}

/// A partner who registers sites, and the first of them.
pub(super) struct Partner {
    pub login: String,
    pub code: String,
    pub site: String,
    /// The site's administrator.
    pub email: String,
    pub password: String,
}

impl Partner {
    /// A call with these further fields.
    pub(super) fn form(&self, fields: &str) -> String {
        let Self { login, code, site, .. } = self;
        format!("partner={login}&code={code}&host={site}&{fields}")
    }
}

/// An answer of the ingress.
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn value(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.text).with_context(|| format!("no JSON: {}", self.text))
    }
}

impl Walk<'_> {
    /// Walks on from the programme and a referrer on the way; gives the referrer's code.
    pub(super) async fn run(&mut self) -> anyhow::Result<String> {
        let code = self.code().await.context("the referrer")?;
        self.click(&code).await.context("the click")?;
        self.signup().await.context("the signup")?;
        self.payment().await.context("the payment")?;
        self.statement().await.context("the statement")?;
        self.site().await.context("the site")?;
        Ok(code)
    }

    /// Makes sure that there is a programme.
    pub(super) async fn programme(&mut self) -> anyhow::Result<()> {
        let all = self.call(Method::GET, "/program/", None).await?.value()?;
        let wanted = |one: &Value| {
            one["credit_value"].as_f64() == Some(10.0) && one["target_value"].as_f64() == Some(25.0)
        };
        if all.as_array().is_some_and(|all| all.iter().any(wanted)) {
            return Ok(());
        }
        self.show.step("A programme: 10.00 at signup, 25.00 for the referrer once 25.00 are paid");
        let body = json!({"name": "Default", "credit_value": 10, "target_value": 25});
        self.shown(Method::POST, "/program/", Some(body), &[201]).await
    }

    /// Waits until the referrer has an account; its own code.
    async fn code(&mut self) -> anyhow::Result<String> {
        let path = format!("/statement/{}/", self.referrer);
        let found = self.until(&path, |answer| answer["code"].is_string()).await?;
        let code = found.value()?["code"].as_str().unwrap_or_default().to_owned();
        self.show.step("A referrer registered, and has a code");
        self.show.line("user", self.referrer);
        self.show.line("code", &code);
        Ok(code)
    }

    async fn click(&mut self, code: &str) -> anyhow::Result<()> {
        self.show.step("Somebody follows the referral link");
        let url = format!("{}/register?ref_code={code}", self.base);
        let visit = self.client.get(&url).header(reqwest::header::USER_AGENT, BROWSER);
        let status = visit.send().await?.status().as_u16();
        self.show.request("GET", &url, None, status);
        if !matches!(status, 200 | 303) {
            bail!("answered {status}");
        }
        self.show.step("The record of today has the click");
        let path = format!("/v1/referral?code={code}");
        let clicked = |answer: &Value| answer["items"][0]["clicks"].as_i64().is_some_and(|n| n > 0);
        let found = self.until(&path, clicked).await?;
        self.show.request("GET", &format!("{}{path}", self.base), None, found.status);
        self.show.json(&found.text);
        Ok(())
    }

    async fn signup(&mut self) -> anyhow::Result<()> {
        self.show.step("They register, referred: the signup credit is granted");
        let email = format!("{}@example.com", self.friend);
        let body = json!({
            "user_indicator": self.referrer, "user_indicated": self.friend, "email": email,
        });
        self.shown(Method::POST, "/register/", Some(body), &[201, 202]).await?;
        self.webhook(self.friend).await
    }

    async fn payment(&mut self) -> anyhow::Result<()> {
        self.show.step("They pay, and reach the target: the referrer's credit is granted");
        let path = format!("/invoice/user/{}/", self.friend);
        let body = json!({"total_amount_paid": "25.00"});
        self.shown(Method::PUT, &path, Some(body), &[200, 202]).await?;
        self.webhook(self.referrer).await
    }

    async fn statement(&mut self) -> anyhow::Result<()> {
        self.show.step("The referrer's statement");
        let path = format!("/statement/{}/", self.referrer);
        let paid = |answer: &Value| answer["acquired_credit"].as_f64() == Some(25.0);
        let found = self.until(&path, paid).await?;
        self.show.request("GET", &format!("{}{path}", self.base), None, found.status);
        self.show.json(&found.text);
        Ok(())
    }

    async fn site(&mut self) -> anyhow::Result<()> {
        self.show.step("A partner registers a client's site and pays for it: both, or neither");
        let goods = self.call(Method::GET, "/goods.php", None).await?.value()?;
        let tariffs = goods.as_object().into_iter().flat_map(|tariffs| tariffs.values());
        let goods = tariffs.flat_map(|tariff| tariff["goods"].as_object().into_iter().flatten());
        let products = goods.filter_map(|(id, _)| id.parse::<i64>().ok());
        let product = products.min().context("the catalogue has no goods")?;
        let Partner { site, email, password, .. } = self.partner;
        let fields = format!("email={email}&password={password}&product={product}");
        let url = format!("{}/partnerapi.php", self.base);
        let request = self.client.post(&url).body(self.partner.form(&fields));
        let request = request.header(reqwest::header::CONTENT_TYPE, FORM);
        let answer = request.send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        let shown = format!("{url} partner=…&code=…&host={site}&{fields}");
        self.show.request("POST", &shown, None, status);
        self.show.json(&text);
        let answer = Answer { status, text }.value()?;
        if answer["result"].is_object() { Ok(()) } else { bail!("answered {answer}") }
    }

    /// Shows the POST that billing got for this user.
    async fn webhook(&self, user: &str) -> anyhow::Result<()> {
        let got = self.receiver.wait_for(|one| one.path.ends_with(user), STEP_WAIT).await;
        let seconds = STEP_WAIT.as_secs();
        let got = got.with_context(|| format!("billing got nothing within {seconds} s"))?;
        self.show.webhook(&got);
        Ok(())
    }

    /// Makes a request and shows it with its answer, which has to be one of these.
    async fn shown(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
        expected: &[u16],
    ) -> anyhow::Result<()> {
        let url = format!("{}{path}", self.base);
        let answer = self.call(method.clone(), path, body.as_ref()).await?;
        self.show.request(method.as_str(), &url, body.as_ref(), answer.status);
        self.show.json(&answer.text);
        if expected.contains(&answer.status) { Ok(()) } else { bail!("answered {}", answer.status) }
    }

    /// Asks until the answer is as wanted.
    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Answer> {
        let deadline = Instant::now() + STEP_WAIT;
        loop {
            let answer = self.call(Method::GET, path, None).await?;
            if answer.status == 200 && wanted(&answer.value()?) {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                let seconds = STEP_WAIT.as_secs();
                bail!(
                    "GET {path} is not there after {seconds} s; the last answer: {}",
                    answer.text
                );
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method, &url).bearer_auth(self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| url.clone())?;
        Ok(Answer { status: answer.status().as_u16(), text: answer.text().await? })
    }
}
