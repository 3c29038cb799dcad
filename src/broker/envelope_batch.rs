//! The array of a batch: where each event stands in it, and what it says.
use std::ops::Range;

use serde_json::{Deserializer, value::RawValue};

use super::{BATCH_EVENTS_MAX, Envelope, json_error, parse};
use crate::domain::{Bad, Reason};

/// An event's place in the text, and its members or why they cannot be read.
type Element<'a> = (Range<usize>, Result<Envelope<'a>, Bad>);

/// JSON's white space.
const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// The events of an array; an error says why it is no batch.
pub(super) fn elements(text: &str) -> Result<Vec<Element<'_>>, Bad> {
    match at_once(text) {
        Some(elements) => Ok(elements),
        None => one_by_one(text),
    }
}

/// Goes through the text once; `None` wherever anything is not as it should be.
fn at_once(text: &str) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    let mut rest = after('[', text)?;
    loop {
        let start = text.len() - rest.len();
        if !rest.starts_with('{') || elements.len() == BATCH_EVENTS_MAX {
            return None;
        }
        let mut values = Deserializer::from_str(rest).into_iter();
        let envelope = values.next()?.ok()?;
        let end = start + values.byte_offset();
        elements.push((start..end, Ok(envelope)));
        let tail = text.get(end..)?;
        match after(',', tail) {
            Some(next) => rest = next,
            None => return after(']', tail)?.is_empty().then_some(elements),
        }
    }
}

/// What follows this character, where it is the next one.
fn after(expected: char, text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(BLANK).strip_prefix(expected)?;
    Some(rest.trim_start_matches(BLANK))
}

/// Goes through the text to find the events, and through each event to read it: what is wrong with one
/// is known of that one.
fn one_by_one(text: &str) -> Result<Vec<Element<'_>>, Bad> {
    let events: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| json_error("the batch", &error))?;
    if events.is_empty() {
        return Err(Bad::new(Reason::Schema, "the batch is empty"));
    }
    if events.len() > BATCH_EVENTS_MAX {
        let detail =
            format!("the batch has {} events, the limit is {BATCH_EVENTS_MAX}", events.len());
        return Err(Bad::new(Reason::TooLarge, detail));
    }
    let elements = events.into_iter().map(|raw| {
        let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        (start..start + raw.get().len(), parse(raw.get(), ""))
    });
    Ok(elements.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Parts that texts are made of: events, what is nearly one, and what stands between them.
    const PARTS: &[&str] = &[
        "[",
        "]",
        ",",
        " \n",
        "{}",
        "[]",
        "7",
        "null",
        "\u{a0}",
        r#"{"id":"1","data":{"code":[1,{"a":"]"}]},"later":[{}]}"#,
        r#"{"id":"a\"ü\u00e4","data":null}"#,
        r#"{"id":7}"#,
        r#"{"id":"1","id":"2"}"#,
        r#"{"id":"1""#,
        r#"{"data":{"a":}}"#,
    ];

    fn told(elements: Result<Vec<Element<'_>>, Bad>) -> String {
        let elements = elements.map(|elements| {
            let each = elements.into_iter().map(|(place, envelope)| {
                let said = envelope.map(|e| {
                    let data = e.data.map(|data| data.get().to_owned());
                    (e.id.map(|id| id.to_string()), data)
                });
                (place, said)
            });
            each.collect::<Vec<_>>()
        });
        format!("{elements:?}")
    }

    #[test]
    fn good_events_are_read_at_once() {
        let text = r#" [ {"id":"1"} ,{"id":"ü"}] "#;
        let places: Vec<_> = at_once(text).unwrap().into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, [3..13, 15..26]);
        for other in ["[]", "[{}", "[{}]]", "[{},]", "[[]]", "{}", "[{}\u{a0}]", r#"[{"id":7}]"#] {
            assert!(at_once(other).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn at_once_or_one_by_one_the_events_are_the_same(
            parts in prop::collection::vec(prop::sample::select(PARTS), 0..8),
            in_array in any::<bool>(),
        ) {
            let text = if in_array { format!("[{}]", parts.join(",")) } else { parts.concat() };
            prop_assert_eq!(told(elements(&text)), told(one_by_one(&text)));
        }
    }
}
