//! Settings as texts: where they come from, and how a text becomes a number, a duration, a switch.
use std::{collections::HashMap, net::SocketAddr, time::Duration};

use super::table::SETTINGS;

/// A setting that cannot be used. One line, without the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    /// Which one.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

impl SettingError {
    pub(crate) fn new(name: &str, problem: impl Into<String>) -> Self {
        Self { name: name.to_owned(), problem: problem.into() }
    }
}

/// The settings as texts, before they are read.
#[derive(Clone, Default)]
pub struct Settings {
    given: HashMap<String, String>,
}

impl Settings {
    /// The process's environment over a `.env` file in the working directory.
    pub fn from_environment() -> Result<Self, SettingError> {
        let mut given = HashMap::new();
        match dotenvy::from_filename_iter(".env") {
            Ok(lines) => {
                for line in lines {
                    let (name, value) = line.map_err(|_| {
                        SettingError::new(".env", "has a line that is no NAME=value")
                    })?;
                    given.insert(name, value);
                }
            }
            Err(error) if error.not_found() => {}
            Err(error) => return Err(SettingError::new(".env", error.to_string())),
        }
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        given.extend(std::env::vars());
        Ok(Self { given })
    }

    /// These and no others: for tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let given = pairs.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Self { given }
    }

    /// The value given, else the default; `None` where neither is there. Empty counts as not set.
    pub fn text(&self, name: &str) -> Result<Option<String>, SettingError> {
        let Some(setting) = SETTINGS.iter().find(|s| s.name == name) else {
            return Err(SettingError::new(name, "is no setting"));
        };
        let given = self.given.get(name).filter(|value| !value.is_empty()).cloned();
        let given = match (given, setting.secret) {
            (None, true) => self.text_of_file(name)?,
            (given, _) => given,
        };
        let default = || Some(setting.default).filter(|d| !d.is_empty()).map(str::to_owned);
        Ok(given.or_else(default))
    }

    /// Whether the name has a value that is not its default's.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| !value.is_empty())
    }

    fn text_of_file(&self, name: &str) -> Result<Option<String>, SettingError> {
        let file_name = format!("{name}_FILE");
        let Some(path) = self.given.get(&file_name).filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingError::new(&file_name, format!("cannot be read: {error}")))?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    pub(super) fn required(&self, name: &str) -> Result<String, SettingError> {
        self.text(name)?.ok_or_else(|| SettingError::new(name, "is required"))
    }

    pub(super) fn int(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, SettingError> {
        let text = self.required(name)?;
        text.parse::<u64>().ok().filter(|n| range.contains(n)).ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            SettingError::new(
                name,
                format!("must be a whole number of {from} to {to}, not {text:?}"),
            )
        })
    }

    pub(super) fn duration(&self, name: &str) -> Result<Duration, SettingError> {
        let text = self.required(name)?;
        parse_duration(&text).ok_or_else(|| {
            SettingError::new(
                name,
                format!("must be a number with a unit (ms, s, m, h, d), not {text:?}"),
            )
        })
    }

    /// A duration that is more than nothing.
    pub(super) fn some_time(&self, name: &str) -> Result<Duration, SettingError> {
        let duration = self.duration(name)?;
        if duration.is_zero() {
            return Err(SettingError::new(name, "must be more than nothing"));
        }
        Ok(duration)
    }

    pub(super) fn switch(&self, name: &str) -> Result<bool, SettingError> {
        match self.required(name)?.as_str() {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(SettingError::new(name, format!("must be on or off, not {other:?}"))),
        }
    }

    pub(super) fn address(&self, name: &str) -> Result<Option<SocketAddr>, SettingError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let bad = || SettingError::new(name, format!("must be ADDRESS:PORT, not {text:?}"));
        text.parse().map(Some).map_err(|_| bad())
    }

    pub(super) fn http_url(&self, name: &str) -> Result<Option<String>, SettingError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match url::Url::parse(&text.replace("%s", "x")) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(text)),
            _ => {
                Err(SettingError::new(name, format!("must be an http or https URL, not {text:?}")))
            }
        }
    }
}

/// Reads a number with a unit: `100ms`, `2s`, `5m`, `6h`, `3d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number = text[..digits].parse::<u64>().ok()?;
    let milliseconds: u64 = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}
