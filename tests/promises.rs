//! Every sentence of the contract's pages on daily records (`rcp`, contract 2), on partners who register
//! sites (`umi`, contract 3), on exchange partners (`aura`, contract 4), on programmes and credits
//! (`getup`, contract 5), and on the billing webhook (contract 6) has a test that proves it.
//!
//! The tables quote the pages clause by clause and name the tests, `file::test`. Here it is checked
//! that each of those is there. Nothing is read but the sources of this repository.
mod aura;
mod billing;
mod getup;
mod rcp;
mod umi;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// A sentence or clause in the page's own words, and the tests that prove it.
type Promise = (&'static str, &'static [&'static str]);

fn promises() -> impl Iterator<Item = &'static Promise> {
    let pages = [rcp::PROMISES, umi::PROMISES, aura::PROMISES, getup::PROMISES, billing::PROMISES];
    pages.into_iter().flatten()
}

/// The names of all tests of the tree, as `file::test`; a `mod.rs` is called by its directory.
pub fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for room in ["tests", "src", "workers"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(room), &mut found);
    }
    found
}

fn collect(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let named = if path.ends_with("mod.rs") { directory } else { path.as_path() };
            let file = named.file_stem().unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(tests_of(&text).into_iter().map(|test| format!("{file}::{test}")));
        }
    }
}

/// The functions of a source that are run as tests: by an attribute, or on every database.
fn tests_of(text: &str) -> BTreeSet<&str> {
    let on_every_database = text.split("on_every_database!(").skip(1);
    let listed = on_every_database.filter_map(|rest| rest.split_once(')'));
    let listed: BTreeSet<&str> =
        listed.flat_map(|(names, _)| names.split(',').map(str::trim)).collect();
    let mut tests = BTreeSet::new();
    let mut has_attribute = false;
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            has_attribute = true;
        }
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some((name, _)) = function.and_then(|rest| rest.split_once('(')) {
            if has_attribute || listed.contains(name) {
                tests.insert(name);
            }
            has_attribute = false;
        }
    }
    tests
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let tests = tests();
    let mut wrong = Vec::new();
    for (says, proved_by) in promises() {
        if proved_by.is_empty() {
            wrong.push(format!("no test proves: {says}"));
        }
        let missing = proved_by.iter().filter(|name| !tests.contains(**name));
        wrong.extend(missing.map(|name| format!("there is no test {name} for: {says}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_promise_is_listed_twice() {
    let mut seen = BTreeMap::new();
    for (says, proved_by) in promises() {
        let before = seen.insert(*says, proved_by);
        assert!(before.is_none(), "twice: {says}");
        assert!(!says.trim().is_empty() && says.trim() == *says, "{says:?}");
    }
    assert!(seen.len() > 80, "only {} promises: is a page missing?", seen.len());
}

#[test]
fn a_test_is_what_is_run_as_one() {
    let source = "#[test]\nfn one() {}\nfn helper() {}\n    #[tokio::test]\n    async fn two() {}\n\
        on_every_database!(\n    three,\n);\nasync fn three(bed: Bed) {}\nasync fn four() {}";
    assert_eq!(tests_of(source), ["one", "three", "two"].into());
    let tests = tests();
    assert!(tests.contains("promises::a_test_is_what_is_run_as_one"));
    assert!(!tests.contains("promises::tests_of") && !tests.contains("promises::nothing_such"));
}
