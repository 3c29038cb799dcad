//! The repository lints itself: the rules of the house that neither compiler nor clippy know.
use std::path::{Path, PathBuf};

/// Longest file, in lines.
const LINES_MAX: usize = 400;

/// Every `.rs` file of the house: its path from the root, and its text.
pub fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for room in ["src", "workers", "migrations", "tests", "bench", "fuzz"] {
        collect(root, &root.join(room), &mut found);
    }
    assert!(found.len() > 50, "only {} files: is this the root?", found.len());
    found
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<(String, String)>) {
    // A room that is not there yet has no files.
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.ends_with("target") {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The lines that are no comments, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Nowhere but in `rooms` does a line of code have one of these words.
fn only_in(words: &[&str], rooms: &[&str]) {
    let mut wrong = Vec::new();
    for (name, text) in files() {
        if rooms.iter().any(|room| name.starts_with(room)) {
            continue;
        }
        let with = code(&text).filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        wrong.extend(with.map(|(number, line)| format!("{name}:{number}: {}", line.trim())));
    }
    assert!(wrong.is_empty(), "{words:?} only in {rooms:?}:\n{}", wrong.join("\n"));
}

#[test]
fn lapin_is_known_to_the_broker_room_only() {
    // The bare limits are what lapin does with nothing around it.
    let rooms = ["src/broker/", "bench/src/limits/", "bench/src/ground.rs", "tests/tidy.rs"];
    only_in(&["lapin::", "use lapin"], &rooms);
}

#[test]
fn axum_is_known_to_the_ingress_only() {
    // The receivers that play the billing system are servers too, and so is hello-world.
    let rooms = [
        "src/ingress/",
        "src/commands/demo/",
        "bench/src/limits/hello.rs",
        "tests/harness/receiver.rs",
        "tests/tidy.rs",
    ];
    only_in(&["axum::", "use axum"], &rooms);
}

/// So that no route is missing in the OpenAPI document: they are made of documented handlers only. The
/// dashboard's pages are for people, and in no document.
#[test]
fn routes_are_made_of_documented_handlers_only() {
    let rooms = [
        "src/ingress/openapi.rs",
        "src/ingress/dashboard/mod.rs",
        "src/commands/demo/",
        "bench/src/limits/hello.rs",
        "tests/harness/receiver.rs",
        "tests/tidy.rs",
    ];
    only_in(&[".route(", "route_service(", ".nest(", "axum::routing"], &rooms);
    only_in(
        &["utoipa::", "utoipa_axum::", "utoipa_swagger_ui::"],
        &["src/ingress/", "tests/tidy.rs"],
    );
}

#[test]
fn reqwest_is_known_to_those_who_call_out_only() {
    let rooms = [
        "src/calls.rs",
        "src/webhook/send.rs",
        "src/traces/export.rs",
        "src/commands/",
        "workers/billing/tests/",
        "bench/src/limits/post.rs",
        "tests/",
    ];
    only_in(&["reqwest::", "use reqwest"], &rooms);
}

#[test]
fn opentelemetry_is_known_to_the_traces_only() {
    only_in(&["opentelemetry::", "opentelemetry_"], &["src/traces/", "tests/tidy.rs"]);
}

#[test]
fn lettre_is_known_to_mail_only() {
    only_in(&["lettre::", "use lettre"], &["workers/mail/", "tests/tidy.rs"]);
}

#[test]
fn the_unmaintained_backoff_is_known_to_the_schedule_only() {
    only_in(&["use backoff::", "ExponentialBackoff"], &["src/outbox/schedule.rs", "tests/tidy.rs"]);
}

#[test]
fn databases_differ_in_one_file_only() {
    // The migrations have a table of words of their own.
    let rooms = ["src/store/dialect.rs", "migrations/src/sql.rs", "tests/tidy.rs"];
    only_in(&["DatabaseBackend::", "Dialect::Postgres", "Dialect::Mysql"], &rooms);
    only_in(&["Dialect::Sqlite =>"], &rooms);
}

#[test]
fn sql_libraries_are_known_to_the_store_only() {
    let rooms = ["src/store/", "migrations/", "tests/"];
    only_in(&["sea_orm::", "sea_orm_migration::", "sqlx::"], &rooms);
}

#[test]
fn only_the_settings_and_the_harness_read_the_environment() {
    let rooms = [
        "src/settings.rs",
        "src/settings/",
        "workers/billing/tests/",
        "tests/harness/environment.rs",
        "tests/tidy.rs",
    ];
    only_in(&["env::var(", "env::vars(", "env::var_os("], &rooms);
}

/// `domain` ← `broker`, `store` ← the rest; `broker` and `store` do not know each other; the
/// ingress and the commands know neither workers nor each other.
#[test]
fn the_rooms_depend_in_one_direction() {
    let forbidden: [(&str, &[&str]); 7] = [
        (
            "src/domain/",
            &["broker", "store", "worker", "outbox", "ingress", "commands", "settings", "clock"],
        ),
        ("src/broker/", &["store", "worker", "outbox", "ingress", "commands", "settings"]),
        ("src/store/", &["broker", "worker", "outbox", "ingress", "commands", "settings"]),
        ("src/worker/", &["outbox", "ingress", "commands"]),
        ("src/outbox/", &["worker", "webhook", "ingress", "commands", "settings"]),
        ("src/webhook/", &["broker", "store", "worker", "outbox", "ingress", "commands", "clock"]),
        ("src/ingress/", &["worker", "outbox", "webhook", "commands"]),
    ];
    let files = files();
    let mut wrong = Vec::new();
    for (room, others) in forbidden {
        for (name, text) in files.iter().filter(|(name, _)| name.starts_with(room)) {
            for (number, line) in code(text) {
                if others.iter().any(|other| knows(line, other)) {
                    wrong.push(format!("{name}:{number}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of the house:\n{}", wrong.join("\n"));
}

/// Whether a line names a module of the crate `referral`, in a path or as a member of `crate::{…}`.
fn knows(line: &str, module: &str) -> bool {
    [format!("crate::{module}::"), format!("crate::{module};"), format!("crate::{module},")]
        .iter()
        .any(|path| line.contains(path))
        || line.trim_start().starts_with(&format!("{module}::"))
}

#[test]
fn domain_is_pure() {
    for (name, text) in files().iter().filter(|(name, _)| name.starts_with("src/domain/")) {
        for (number, line) in code(text) {
            for word in
                ["async ", ".await", "std::fs", "std::net", "SystemTime", "tokio", "tracing"]
            {
                assert!(!line.contains(word), "{name}:{number}: {word}: {}", line.trim());
            }
        }
    }
}

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<String> = files()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! ") || text.starts_with("//! stub"))
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "these do not open with //! : {silent:?}");
}

#[test]
fn no_file_is_two_jobs_long() {
    let long: Vec<String> = files()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "over {LINES_MAX} lines:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_skipped_or_left_for_later() {
    // Put together here so that this file does not find itself.
    let words = ["ignore", "ignore =", "should_panic"].map(|word| format!("#[{word}"));
    let later = ["todo!", "unimplemented!", "dbg!"].map(|word| format!("{word}("));
    let words: Vec<&str> = words.iter().chain(&later).map(String::as_str).collect();
    only_in(&words, &[]);
}

#[test]
fn every_script_says_what_it_owns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |directory: &str| std::fs::read_dir(root.join(directory)).unwrap();
    for entry in read("deploy/local").chain(read("deploy/rabbitmq")) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sh") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut head = text.lines().take_while(|line| line.starts_with('#'));
            let says = |line: &str| line.starts_with("# ") && !line.starts_with("# shellcheck");
            assert!(head.any(says), "{} does not open with what it is", path.display());
        }
    }
}

/// What a mutant takes out stands where it says, once, and the tests that it names are there.
#[test]
fn every_mutant_fits_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mutants = std::fs::read_dir(root.join("tests/mutants")).expect("a directory");
    let mutants: Vec<PathBuf> = mutants.map(|entry| entry.unwrap().path()).collect();
    assert!(mutants.len() >= 5, "{mutants:?}");
    for path in mutants {
        let patch = std::fs::read_to_string(&path).unwrap();
        let named = patch.lines().find_map(|line| line.strip_prefix("Caught by: "));
        assert!(named.is_some_and(|named| !named.trim().is_empty()), "{}", path.display());
        let mut hunks = 0;
        for of_file in patch.split("\n--- a/").skip(1) {
            let (name, hunks_text) = of_file.split_once('\n').expect("a name");
            let source = std::fs::read_to_string(root.join(name)).unwrap();
            for hunk in hunks_text.split("\n@@").skip(1) {
                // What follows the second `@@` is for people.
                let lines = hunk.lines().skip(1).filter(|line| !line.starts_with('+'));
                let old: String = lines.flat_map(|line| [&line[1..], "\n"]).collect();
                let found = source.matches(&old).count();
                assert_eq!(found, 1, "{}: in {name} stands {found} times:\n{old}", path.display());
                hunks += 1;
            }
        }
        assert!(hunks > 0, "{}", path.display());
    }
}
