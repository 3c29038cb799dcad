//! The team's list of faults, each made to happen.
//!
//! `faults.tsv` has a line for each of its rows: number, fault, what must happen, and the tests that prove it,
//! by the names that libtest prints. A name may be the module of one test on every database. Here it is
//! checked that they are there; `deploy/local/faults.sh` makes the table of docs/reliability.md of it.
mod alarms;
mod broker;
mod commit;
mod inert;
pub mod locks;
mod room;
mod scarce;
mod secrets;
mod versions;

use std::{collections::BTreeSet, process::Command};

const ROWS: &str = include_str!("faults.tsv");

/// The tests of this program, by their whole names.
fn own() -> BTreeSet<String> {
    let program = std::env::current_exe().unwrap();
    let listed = Command::new(program).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// A test of this program by its whole name, or one of another by its file and name: nobody here can ask
/// those programs.
fn is_there(name: &str, own: &BTreeSet<String>, sources: &BTreeSet<String>) -> bool {
    let on_databases = format!("{name}::");
    if own.iter().any(|test| test == name || test.starts_with(&on_databases)) {
        return true;
    }
    // Modules within a file.
    let is_file = |part: &&str| !["tests", "failpoints"].contains(part);
    let parts: Vec<&str> = name.split("::").filter(is_file).collect();
    match parts[..] {
        // At the root of a program: only the cluster's are.
        [test] => sources.contains(&format!("cluster::{test}")),
        [.., file, test] => {
            let is_here = own.iter().any(|own| own.starts_with(&format!("{}::", parts[0])));
            let of_file = [format!("{file}::{test}"), format!("{file}_tests::{test}")];
            // What begins like this program's own would have been among them.
            (!is_here || parts[0] == "broker") && of_file.iter().any(|name| sources.contains(name))
        }
        [] => false,
    }
}

#[test]
fn every_row_of_the_list_names_tests_that_are_there() {
    let (own, sources) = (own(), crate::promises::tests());
    let mut wrong = Vec::new();
    for (place, line) in ROWS.lines().enumerate() {
        let [number, fault, must, tests] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}");
        };
        assert_eq!(number, (place + 1).to_string(), "each row of the list, in its order");
        assert!(!fault.is_empty() && !must.is_empty() && !tests.is_empty(), "{line}");
        let missing = tests.split(' ').filter(|name| !is_there(name, &own, &sources));
        wrong.extend(missing.map(|name| format!("{number}: there is no test {name}")));
    }
    assert_eq!(ROWS.lines().count(), 30, "rows of the list");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    let (own, sources) = (own(), crate::promises::tests());
    for (name, there) in [
        ("faults::a_test_that_is_not_there_is_noticed", true),
        ("kill::crashes_between_commit_and_ack_count_once", true),
        ("kill::crashes_between_commit_and_ack_count_once::sqlite", true),
        ("answers::gone_is_dead_at_once", true),
        ("domain::money::tests::amounts_are_exact_or_refused", true),
        ("kill::nonsense::sqlite", false),
        ("answers::nonsense", false),
        ("money::tests::nonsense", false),
        ("nonsense", false),
        ("", false),
    ] {
        assert_eq!(is_there(name, &own, &sources), there, "{name}");
    }
}
