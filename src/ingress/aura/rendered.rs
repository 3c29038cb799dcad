//! A domain's rates as the files that are exported (contract 4), rendered once per change.
//!
//! [`Exports`] keeps them by domain, and the version they were rendered from; whoever asks says which
//! version is in force, so that no old file is given, however many ingresses there are.
use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use quick_xml::escape::escape;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{
    credentials::hex,
    domain::{Decimal, Micros, Rate, Rates},
    store::{
        Store, StoreError,
        rates::{self, Standing},
    },
};

/// Most bytes of files that are kept; the domains that were asked for longest ago go first.
const BYTES_MAX: usize = 64 << 20;
/// Most domains whose files are kept.
const DOMAINS_MAX: usize = 1000;

/// A form of export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// BestChange's XML.
    Xml,
    /// JSON.
    Json,
    /// Lines with semicolons.
    Txt,
}

impl Format {
    /// By its name in the path.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "xml" => Some(Self::Xml),
            "json" => Some(Self::Json),
            "txt" => Some(Self::Txt),
            _ => None,
        }
    }

    /// Its `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Xml => "application/xml; charset=utf-8",
            Self::Json => "application/json",
            Self::Txt => "text/plain; charset=utf-8",
        }
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What is in it.
    pub bytes: Bytes,
    /// Its strong entity tag: a hash of its bytes.
    pub etag: String,
}

impl File {
    fn of(text: String) -> Self {
        let etag = format!("\"{}\"", hex(&Sha256::digest(text.as_bytes())[..16]));
        Self { bytes: Bytes::from(text), etag }
    }
}

/// A set's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The set's version.
    pub changed: Micros,
    xml: File,
    json: File,
    txt: File,
}

impl Rendered {
    fn of(kept: &rates::Kept) -> Self {
        let rates = &kept.rates;
        let [xml, json, txt] = [xml(rates), json(rates), txt(rates)].map(File::of);
        Self { changed: kept.changed, xml, json, txt }
    }

    /// The file of a form.
    pub const fn file(&self, format: Format) -> &File {
        match format {
            Format::Xml => &self.xml,
            Format::Json => &self.json,
            Format::Txt => &self.txt,
        }
    }

    fn len(&self) -> usize {
        self.xml.bytes.len() + self.json.bytes.len() + self.txt.bytes.len()
    }
}

/// BestChange's format: an item on a line of its own, its elements in this order.
fn xml(rates: &Rates) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rates>\n");
    for rate in rates {
        let Rate { from, to, give, get, .. } = rate;
        let _ = write!(text, "<item><from>{from}</from><to>{to}</to>");
        let _ = write!(text, "<in>{give}</in><out>{get}</out>");
        let amounts =
            [("amount", rate.amount), ("minamount", rate.minamount), ("maxamount", rate.maxamount)];
        for (name, amount) in amounts {
            if let Some(amount) = amount {
                let _ = write!(text, "<{name}>{amount}</{name}>");
            }
        }
        if let Some(param) = &rate.param {
            let _ = write!(text, "<param>{}</param>", escape(param.as_str()));
        }
        text.push_str("</item>\n");
    }
    text.push_str("</rates>\n");
    text
}

/// `FROM;TO;IN;OUT;AMOUNT;`, where there is no amount an empty field.
fn txt(rates: &Rates) -> String {
    let mut text = String::new();
    for Rate { from, to, give, get, amount, .. } in rates {
        let amount = amount.map(|amount| amount.to_string()).unwrap_or_default();
        let _ = writeln!(text, "{from};{to};{give};{get};{amount};");
    }
    text
}

/// All rates of the domain
#[derive(Serialize, ToSchema)]
#[schema(as = Rates, example = json!({"rates": [
    {"from": "PMUSD", "to": "BTC", "in": 65000.5, "out": 1, "amount": 3.25, "param": "manual"},
]}))]
pub struct Exported<'a> {
    /// In the order in which they were given
    rates: Vec<ExportedRate<'a>>,
}

/// One direction of exchange
#[derive(Serialize, ToSchema)]
#[schema(as = Rate)]
pub struct ExportedRate<'a> {
    /// The currency that is given
    from: &'a str,
    /// The currency that is got
    to: &'a str,
    /// For so much of `from` …
    #[schema(value_type = f64)]
    r#in: Box<RawValue>,
    /// … one gets so much of `to`
    #[schema(value_type = f64)]
    out: Box<RawValue>,
    /// The reserve of `to`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, nullable = false)]
    amount: Option<Box<RawValue>>,
    /// The least that is exchanged
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, nullable = false)]
    minamount: Option<Box<RawValue>>,
    /// The most that is exchanged
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, nullable = false)]
    maxamount: Option<Box<RawValue>>,
    /// BestChange's marks
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    param: Option<&'a str>,
}

impl<'a> From<&'a Rate> for ExportedRate<'a> {
    fn from(rate: &'a Rate) -> Self {
        let number = |decimal: Option<Decimal>| decimal.map(Decimal::json_number);
        Self {
            from: &rate.from,
            to: &rate.to,
            r#in: rate.give.json_number(),
            out: rate.get.json_number(),
            amount: number(rate.amount),
            minamount: number(rate.minamount),
            maxamount: number(rate.maxamount),
            param: rate.param.as_deref(),
        }
    }
}

fn json(rates: &Rates) -> String {
    let all = Exported { rates: rates.iter().map(ExportedRate::from).collect() };
    serde_json::to_string(&all).unwrap_or_default()
}

/// A domain's place: whoever renders holds it, so that the others wait instead of rendering, too.
type Place = Arc<tokio::sync::Mutex<Option<Arc<Rendered>>>>;

#[derive(Default)]
struct Kept {
    place: Place,
    bytes: usize,
    asked: u64,
}

/// The files of the domains that were asked for last. Bounded in bytes and domains.
pub struct Exports {
    kept: Mutex<(u64, HashMap<i64, Kept>)>,
    rendered: Counter,
}

impl Exports {
    /// None yet; `rendered` counts what is rendered.
    pub fn new(rendered: Counter) -> Self {
        Self { kept: Mutex::default(), rendered }
    }

    /// The files of the set that is in force.
    pub async fn of(&self, store: &Store, standing: Standing) -> Result<Arc<Rendered>, StoreError> {
        let place = self.place(standing.domain_id);
        let mut held = place.lock().await;
        let at = |changed: Micros| move |found: &&Arc<Rendered>| found.changed == changed;
        if let Some(found) = held.as_ref().filter(at(standing.changed)) {
            return Ok(found.clone());
        }
        let kept = rates::kept(store, standing.domain_id).await?;
        // Somebody who saw the change sooner may have rendered it already.
        if let Some(found) = held.as_ref().filter(at(kept.changed)) {
            return Ok(found.clone());
        }
        let new = Arc::new(Rendered::of(&kept));
        self.rendered.inc();
        *held = Some(new.clone());
        self.note(standing.domain_id, &place, new.len());
        Ok(new)
    }

    fn place(&self, domain_id: i64) -> Place {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, places) = &mut *kept;
        *asked += 1;
        let found = places.entry(domain_id).or_default();
        found.asked = *asked;
        found.place.clone()
    }

    /// Notes a domain's size, and lets go of others while there is too much.
    fn note(&self, domain_id: i64, place: &Place, bytes: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, places) = &mut *kept;
        // It may have had to go meanwhile.
        if let Some(own) = places.get_mut(&domain_id).filter(|own| Arc::ptr_eq(&own.place, place)) {
            own.bytes = bytes;
        }
        loop {
            let bytes: usize = places.values().map(|kept| kept.bytes).sum();
            if bytes <= BYTES_MAX && places.len() <= DOMAINS_MAX {
                return;
            }
            let others = places.iter().filter(|(id, _)| **id != domain_id);
            let oldest = others.min_by_key(|(_, kept)| kept.asked).map(|(id, _)| *id);
            let Some(oldest) = oldest else { return };
            places.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        Rates::of_json(
            r#"[{"from":"PMUSD","to":"BTC","in":12345678901.50,"out":1e-8,"amount":"3.0","minamount":0,"maxamount":1e3,"param":"a<b>&\"c'"},
            {"to":"PMUSD","from":"BTC","in":1,"out":"2.50"}]"#
                .as_bytes(),
        )
        .unwrap()
    }

    #[test]
    fn each_form_is_as_the_contract_says() {
        let rates = rates();
        assert_eq!(
            xml(&rates),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rates>\n\
             <item><from>PMUSD</from><to>BTC</to><in>12345678901.5</in><out>0.00000001</out>\
             <amount>3</amount><minamount>0</minamount><maxamount>1000</maxamount>\
             <param>a&lt;b&gt;&amp;&quot;c&apos;</param></item>\n\
             <item><from>BTC</from><to>PMUSD</to><in>1</in><out>2.5</out></item>\n</rates>\n"
        );
        assert_eq!(
            json(&rates),
            r#"{"rates":[{"from":"PMUSD","to":"BTC","in":12345678901.5,"out":0.00000001,"amount":3,"minamount":0,"maxamount":1000,"param":"a<b>&\"c'"},{"from":"BTC","to":"PMUSD","in":1,"out":2.5}]}"#
        );
        assert_eq!(txt(&rates), "PMUSD;BTC;12345678901.5;0.00000001;3;\nBTC;PMUSD;1;2.5;;\n");
        let none = Rates::default();
        assert_eq!(json(&none), r#"{"rates":[]}"#);
        assert!(xml(&none).ends_with("<rates>\n</rates>\n") && txt(&none).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let exports = Exports::new(Counter::default());
        let kept = || exports.kept.lock().unwrap().1.keys().copied().collect::<Vec<_>>();
        for (domain_id, bytes) in [(1, BYTES_MAX / 2), (2, BYTES_MAX / 2)] {
            exports.note(domain_id, &exports.place(domain_id), bytes);
        }
        assert_eq!(kept().len(), 2);
        exports.place(1);
        exports.note(3, &exports.place(3), 1);
        let mut left = kept();
        left.sort_unstable();
        assert_eq!(left, [1, 3], "the one that was asked for longest ago goes");
        exports.note(4, &exports.place(4), BYTES_MAX + 1);
        assert_eq!(kept(), [4], "what is in use stays, however large it is");
        for domain_id in 5..=5 + DOMAINS_MAX as i64 {
            exports.note(domain_id, &exports.place(domain_id), 1);
        }
        assert_eq!(kept().len(), DOMAINS_MAX);
    }
}
