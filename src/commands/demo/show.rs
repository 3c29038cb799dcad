//! How the demonstration looks: numbered steps, requests and answers, colours on a terminal only.
use std::io::IsTerminal as _;

use serde_json::Value;

use super::receiver::Received;

/// Headers of a webhook that are worth a look.
const WEBHOOK_HEADERS: [&str; 6] = [
    "content-type",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "idempotency-key",
    "traceparent",
];

/// Prints to standard output.
pub(super) struct Show {
    colours: bool,
    steps: u32,
}

impl Show {
    pub(super) fn new() -> Self {
        Self { colours: std::io::stdout().is_terminal(), steps: 0 }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A heading.
    pub(super) fn heading(&self, text: &str) {
        println!("\n{}", self.paint("1", text));
    }

    /// The next step.
    pub(super) fn step(&mut self, text: &str) {
        self.steps += 1;
        let title = format!("{}. {text}", self.steps);
        println!("\n{}", self.paint("1;36", &title));
    }

    /// A request that was made, and its status.
    pub(super) fn request(&self, method: &str, url: &str, body: Option<&Value>, status: u16) {
        let body = body.map(|body| format!(" {body}")).unwrap_or_default();
        println!("   {} {url}{body}", self.paint("33", method));
        println!("   {}", self.paint("32", &format!("-> {status}")));
    }

    /// JSON, indented.
    pub(super) fn json(&self, text: &str) {
        let pretty = pretty(text).unwrap_or_else(|| text.to_owned());
        for line in pretty.lines() {
            println!("      {}", self.paint("2", line));
        }
    }

    /// What billing got.
    pub(super) fn webhook(&self, received: &Received) {
        let Received { method, path, body, .. } = received;
        println!("   {} {path}", self.paint("33", &format!("billing got {method}")));
        for name in WEBHOOK_HEADERS {
            if let Some(value) = received.header(name) {
                println!("      {}", self.paint("2", &format!("{name}: {value}")));
            }
        }
        println!("      {}", self.paint("1", body));
    }

    /// A line of a list: a short word and what it stands for.
    #[expect(clippy::unused_self, reason = "reads as the other lines do")]
    pub(super) fn line(&self, word: &str, text: &str) {
        println!("   {word:<16} {text}");
    }
}

/// Indented as `serde_json` does it, with every number and the members' order as they came.
fn pretty(text: &str) -> Option<String> {
    // Through a value the members would be sorted and 10.0 might change.
    serde_json::from_str::<&serde_json::value::RawValue>(text).ok()?;
    let (mut shown, mut depth, mut in_text, mut escaped) = (String::new(), 0_usize, false, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if in_text {
            shown.push(c);
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '{' | '[' if matches!(characters.peek(), Some('}' | ']')) => {
                shown.push(c);
                shown.extend(characters.next());
            }
            '{' | '[' => {
                depth += 1;
                shown.push(c);
                new_line(&mut shown, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut shown, depth);
                shown.push(c);
            }
            ',' => {
                shown.push(c);
                new_line(&mut shown, depth);
            }
            ':' => shown.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => {
                in_text = c == '"';
                shown.push(c);
            }
        }
    }
    Some(shown)
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_not_otherwise_changed() {
        let text = r#"{"b":10.0,"a":["x\",{","y"],"none":[],"o":{"k":null}}"#;
        let expected = "{\n  \"b\": 10.0,\n  \"a\": [\n    \"x\\\",{\",\n    \"y\"\n  ],\n  \
            \"none\": [],\n  \"o\": {\n    \"k\": null\n  }\n}";
        assert_eq!(pretty(text).as_deref(), Some(expected));
        assert_eq!(pretty("no json"), None);
    }
}
