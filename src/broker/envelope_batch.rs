//! The array of a batch: where each event stands in it, and what it says.
use std::ops::Range;

use serde_json::{Deserializer, value::RawValue};

use super::{BATCH_EVENTS_MAX, Envelope, Item, Object, WholeEnvelope, json_error, parse};
use crate::domain::{Bad, Reason};

/// An event's place in the text, and its members or why they cannot be read.
type Element<'a> = (Range<usize>, Result<Envelope<'a>, Bad>);

/// JSON's white space.
const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// Goes through the text once, events and their data; `None` wherever anything is not as it should be.
pub(super) fn at_once<'a>(
    text: &'a str,
    mut read: impl FnMut(Range<usize>, WholeEnvelope<'a>) -> Item,
) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut rest = after('[', text)?;
    loop {
        let start = text.len() - rest.len();
        if items.len() == BATCH_EVENTS_MAX {
            return None;
        }
        let mut values = Deserializer::from_str(rest).into_iter();
        let Object(envelope) = values.next()?.ok()?;
        let end = start + values.byte_offset();
        items.push(read(start..end, envelope));
        let tail = text.get(end..)?;
        match after(',', tail) {
            Some(next) => rest = next,
            None => return after(']', tail)?.is_empty().then_some(items),
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
pub(super) fn one_by_one(text: &str) -> Result<Vec<Element<'_>>, Bad> {
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
    use super::*;

    #[test]
    fn good_events_are_read_at_once() {
        let read = |place, _| {
            let checked = Err(Bad::new(Reason::Schema, ""));
            Item { checked, raw: Some(place), named: None }
        };
        let text = r#" [ {"id":"1"} ,{"id":"ü","data":{"code":"c"}}] "#;
        let items = at_once(text, read).unwrap().into_iter();
        let places: Vec<_> = items.filter_map(|item| item.raw).collect();
        assert_eq!(places, [3..13, 15..46]);
        for other in [
            "[]",
            "[{}",
            "[{}]]",
            "[{},]",
            "[[]]",
            "{}",
            "[{}\u{a0}]",
            r#"[{"id":7}]"#,
            r#"[{"data":[]}]"#,
            r#"[{"data":{"code":7}}]"#,
        ] {
            assert!(at_once(other, read).is_none(), "{other}");
        }
    }
}
