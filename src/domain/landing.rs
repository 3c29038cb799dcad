//! Where a link with currencies leads: the template `LANDING_URL` (contract 4, "Link").
//!
//! The host comes from the template alone. What a visitor brings is 1 to 20 of `[0-9A-Za-z]` or is
//! left out, so there is nothing in it to encode, and nothing that could become a host, a second
//! path member such as `..`, or a header of its own.
use url::Url;

/// Longest value that is filled in, in characters.
pub const VALUE_MAX_CHARS: usize = 20;

/// What a visitor brings along.
#[derive(Debug, Clone, Copy, Default)]
pub struct Brought<'a> {
    /// The currency given, as the link had it.
    pub cur_from: &'a str,
    /// The currency got.
    pub cur_to: &'a str,
    /// The referral code.
    pub code: &'a str,
}

/// A template that cannot be used; reads on after the setting's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// A character that no address has as it is.
    #[error("has {0:?}, which has to be percent-encoded")]
    Character(char),
    /// A brace that opens or closes nothing, or another name.
    #[error("has {0:?}; only {{cur_from}}, {{cur_to}} and {{code}} are filled in")]
    Placeholder(String),
    /// Neither a URL nor a path.
    #[error("must be an http or https URL or a path that begins with one slash, not {0:?}")]
    Address(String),
    /// The visitor would choose the host.
    #[error("must name its host itself: nothing is filled in before the path")]
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    CurFrom,
    CurTo,
    Code,
}

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing(Vec<Piece>);

impl Landing {
    /// Checks a template: an absolute URL whose scheme and host are its own, or a path.
    pub fn parse(template: &str) -> Result<Self, BadTemplate> {
        let strange = |c: &char| !c.is_ascii_graphic() || "\"<>\\^`|".contains(*c);
        if let Some(character) = template.chars().find(strange) {
            return Err(BadTemplate::Character(character));
        }
        let landing = Self(pieces(template)?);
        if template.starts_with('/') && !template.starts_with("//") {
            return Ok(landing);
        }
        let bad = || BadTemplate::Address(template.to_owned());
        let (scheme, rest) = template.split_once("://").ok_or_else(bad)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if scheme.contains('{') || authority.contains('{') {
            return Err(BadTemplate::Host);
        }
        let example = Brought { cur_from: "A", cur_to: "B", code: "C" };
        let url = Url::parse(&landing.fill(&example)).map_err(|_| bad())?;
        // The very words: a parser finds another host in `http:other.example://h`.
        let is_web =
            url.scheme().eq_ignore_ascii_case(scheme) && ["http", "https"].contains(&url.scheme());
        // A user and password would go to every visitor.
        if !is_web || authority.is_empty() || authority.contains('@') {
            return Err(bad());
        }
        Ok(landing)
    }

    /// The address for this visitor; what is missing or no value is left empty.
    pub fn fill(&self, brought: &Brought<'_>) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            filled.push_str(match piece {
                Piece::Text(text) => text,
                Piece::CurFrom => value(brought.cur_from),
                Piece::CurTo => value(brought.cur_to),
                Piece::Code => value(brought.code),
            });
        }
        // `/{cur_from}/{code}` without the first would name a host.
        if filled.starts_with("//") { format!("/.{filled}") } else { filled }
    }
}

fn pieces(template: &str) -> Result<Vec<Piece>, BadTemplate> {
    let mut pieces = Vec::new();
    let mut rest = template;
    loop {
        let (text, word_on) = match rest.split_once('{') {
            Some((text, word_on)) => (text, Some(word_on)),
            None => (rest, None),
        };
        if text.contains('}') {
            return Err(BadTemplate::Placeholder("}".to_owned()));
        }
        pieces.push(Piece::Text(text.to_owned()));
        let Some(word_on) = word_on else { return Ok(pieces) };
        let word = word_on.split_once('}');
        let (word, after) = word.ok_or_else(|| BadTemplate::Placeholder("{".to_owned()))?;
        pieces.push(match word {
            "cur_from" => Piece::CurFrom,
            "cur_to" => Piece::CurTo,
            "code" => Piece::Code,
            other => return Err(BadTemplate::Placeholder(format!("{{{other}}}"))),
        });
        rest = after;
    }
}

/// The text if it is one of `[0-9A-Za-z]{1,20}`, else nothing.
pub fn value(text: &str) -> &str {
    let is_value =
        text.len() <= VALUE_MAX_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_value { text } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "b4b9e071006f409d8e6d";

    #[test]
    fn templates_are_filled_in_and_what_is_missing_is_left_empty() {
        let all = Brought { cur_from: "PMUSD", cur_to: "BTC", code: CODE };
        let none = Brought::default();
        for (template, brought, expected) in [
            (
                "https://h/{cur_from}-{cur_to}?r={code}",
                all,
                format!("https://h/PMUSD-BTC?r={CODE}"),
            ),
            ("https://h/{cur_from}-{cur_to}?r={code}", none, "https://h/-?r=".to_owned()),
            (
                "https://h:8443/x?a=%7B&b=1#{code}",
                all,
                format!("https://h:8443/x?a=%7B&b=1#{CODE}"),
            ),
            ("http://h", all, "http://h".to_owned()),
            ("https://h?f={cur_from}&f={cur_from}", all, "https://h?f=PMUSD&f=PMUSD".to_owned()),
            ("/exchange/{cur_from}/{cur_to}", all, "/exchange/PMUSD/BTC".to_owned()),
            ("/{code}", all, format!("/{CODE}")),
            ("/{code}", none, "/".to_owned()),
            ("/", all, "/".to_owned()),
        ] {
            assert_eq!(Landing::parse(template).unwrap().fill(&brought), expected, "{template}");
        }
    }

    #[test]
    fn whatever_the_visitor_brings_the_host_stays_the_templates() {
        let own = Url::parse("https://own.example/ref/x/").unwrap();
        let evil = [
            "",
            "evil",
            "evil.com",
            "//evil.com",
            "/evil.com",
            "\\evil.com",
            "@evil.com",
            "..",
            ".",
            ":80",
            "%2f",
            "a\r\nx: y",
            "a b",
            "a&b",
            "#",
            "?",
            "\u{1F4A9}",
            "é",
            "\t",
            "aaaaaaaaaaaaaaaaaaaaa",
            CODE,
        ];
        for (template, host, prefix) in [
            ("https://h.example/{cur_from}/{cur_to}/{code}", "h.example", "/"),
            ("https://h.example{code}/", "", ""),
            ("https://h.example/a/{cur_from}/../{code}", "h.example", "/"),
            ("https://h.example?x={cur_from}{cur_to}{code}", "h.example", "/"),
            ("/{cur_from}/{cur_to}/{code}", "own.example", "/"),
            ("/{cur_from}{cur_to}/{code}", "own.example", "/"),
            ("/go/{cur_from}/{code}", "own.example", "/go/"),
        ] {
            let Ok(landing) = Landing::parse(template) else {
                assert_eq!(host, "", "{template} is one");
                continue;
            };
            for from in evil {
                for code in evil {
                    let filled = landing.fill(&Brought { cur_from: from, cur_to: "", code });
                    let url = own.join(&filled).unwrap();
                    assert_eq!(
                        url.host_str(),
                        Some(host),
                        "{template} {from:?} {code:?}: {filled}"
                    );
                    assert!(url.path().starts_with(prefix), "{template}: {filled}");
                    assert!(filled.bytes().all(|b| b.is_ascii_graphic()), "{filled:?}");
                }
            }
        }
    }

    #[test]
    fn a_template_that_is_none_is_refused() {
        for (template, told) in [
            ("h.example", "must be an http"),
            ("ftp://h/{code}", "must be an http"),
            ("javascript:alert(1)", "must be an http"),
            ("//h/{code}", "must be an http"),
            ("https://", "must be an http"),
            ("https:///x", "must be an http"),
            ("https:h", "must be an http"),
            ("https:x://h/", "must be an http"),
            ("http:user:pw@x://h/", "must be an http"),
            ("https://user:pw@h/", "must be an http"),
            ("https://h:port/", "must be an http"),
            ("{cur_from}://h/", "must name its host"),
            ("https://{cur_from}/", "must name its host"),
            ("https://h{code}", "must name its host"),
            ("https://h:{code}/", "must name its host"),
            ("https://h/{currency}", "{currency}"),
            ("https://h/{}", "{}"),
            ("https://h/{code", "\"{\""),
            ("https://h/code}", "\"}\""),
            ("https://h/{{code}}", "{{code}"),
            ("https://h/a b", "' '"),
            ("https://h/\r\nx:y", "'\\r'"),
            ("/\\evil.com", "'\\\\'"),
            ("https://h/é", "'é'"),
        ] {
            let error = Landing::parse(template).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains('\n'), "{template:?}: {error}");
        }
    }
}
