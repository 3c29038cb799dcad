//! What `make fuzz` tries for minutes, tried for seconds: the properties in `fuzz/src/`, on the whole
//! corpus, and on what becomes of it when it is cut, joined and strewn with the dictionary's words.
//!
//! What is found goes into `fuzz/corpus/`, so that it is tried for ever.
#[path = "../fuzz/src/lib.rs"]
mod properties;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestError, TestRunner},
};

/// Inputs made up for each property.
const CASES: u32 = 4000;
/// Most changes made to one of the corpus.
const CHANGES_MAX: usize = 6;
/// Panics where something does not hold of an input.
type Property = fn(&[u8]);
/// Every one, by the name of its target.
const ALL: [(&str, Property); 5] = [
    ("envelope", properties::envelope),
    ("forms", properties::forms),
    ("hosts", properties::hosts),
    ("money", properties::money),
    ("retry_after", properties::retry_after),
];

#[test]
fn a_message_is_bad_by_name_or_events_that_read_back_the_same() {
    tried("envelope");
}

#[test]
fn a_form_and_json_say_the_same_and_what_is_refused_is_named() {
    tried("forms");
}

#[test]
fn nobody_but_the_operator_says_which_host_is_gone_to() {
    tried("hosts");
}

#[test]
fn a_number_is_what_was_written_or_is_refused() {
    tried("money");
}

#[test]
fn whatever_retry_after_says_attempts_keep_to_their_bounds() {
    tried("retry_after");
}

#[test]
fn every_target_is_tried_here_too() {
    let expected = ALL.map(|(name, _)| name.to_owned());
    for directory in ["fuzz_targets", "corpus", "dictionaries"] {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let found: Vec<String> = entries(&room().join(directory)).into_iter().map(stem).collect();
        assert_eq!(found, expected, "{directory}");
    }
    let manifest = fs::read_to_string(room().join("Cargo.toml")).unwrap();
    for name in expected {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}

fn tried(name: &str) {
    let (_, property) = ALL.into_iter().find(|it| it.0 == name).unwrap();
    let corpus: Vec<Vec<u8>> = entries(&room().join("corpus").join(name))
        .into_iter()
        .map(|path| {
            println!("{}", path.display());
            let input = fs::read(path).unwrap();
            property(&input);
            input
        })
        .collect();
    let words = words(name);
    let change = any_change(&words, corpus.clone());
    let input = (select(corpus), vec(change, 0..=CHANGES_MAX)).prop_map(|(input, changes)| {
        Input(changes.into_iter().fold(input, |input, change| change.made_to(input)))
    });
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let found = TestRunner::new(config).run(&input, |input| {
        property(&input.0);
        Ok(())
    });
    match found {
        Ok(()) => {}
        Err(TestError::Fail(why, input)) => panic!("{why}\nfor fuzz/corpus/{name}: {input:?}"),
        Err(error) => panic!("{error}"),
    }
}

/// Bytes as people can read them.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Something done to an input.
#[derive(Debug, Clone)]
enum Change {
    /// These bytes instead of what stands between two places.
    Put(Index, Index, Vec<u8>),
    /// The start of it, and the end of another.
    Join(Index, Index, Vec<u8>),
}

impl Change {
    fn made_to(self, mut input: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Put(from, to, bytes) => {
                let (from, to) = (from.index(input.len() + 1), to.index(input.len() + 1));
                input.splice(from.min(to)..from.max(to), bytes);
            }
            Self::Join(at, other_at, other) => {
                input.truncate(at.index(input.len() + 1));
                input.extend(&other[other_at.index(other.len() + 1)..]);
            }
        }
        input
    }
}

fn any_change(words: &[Vec<u8>], corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Change> {
    let bytes = || {
        prop_oneof![
            3 => select(words.to_vec()),
            1 => vec(any::<u8>(), 0..4),
            1 => "[ -~]{0,3}".prop_map(String::into_bytes),
            1 => "\\PC{0,2}".prop_map(String::into_bytes),
        ]
    };
    prop_oneof![
        3 => (any::<Index>(), bytes()).prop_map(|(at, bytes)| Change::Put(at, at, bytes)),
        2 => (any::<Index>(), any::<Index>(), bytes())
            .prop_map(|(from, to, bytes)| Change::Put(from, to, bytes)),
        1 => (any::<Index>(), any::<Index>(), select(corpus))
            .prop_map(|(at, other_at, other)| Change::Join(at, other_at, other)),
    ]
}

/// A dictionary of libFuzzer: a quoted word a line, in which `\\`, `\"` and `\xAB` are escapes.
fn words(name: &str) -> Vec<Vec<u8>> {
    let file = room().join("dictionaries").join(format!("{name}.dict"));
    let text = fs::read_to_string(file).unwrap();
    let word = |line: &str| {
        let quoted = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let mut rest = quoted.unwrap_or_else(|| panic!("{name}: {line}")).bytes();
        let mut word = Vec::new();
        while let Some(byte) = rest.next() {
            word.push(match byte {
                b'\\' => match rest.next().unwrap() {
                    b'x' => {
                        let digits = [rest.next().unwrap(), rest.next().unwrap()];
                        u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    plain => plain,
                },
                byte => byte,
            });
        }
        word
    };
    text.lines().map(word).collect()
}

fn room() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// What is in a directory, by name.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
