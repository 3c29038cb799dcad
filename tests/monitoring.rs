//! `deploy/prometheus` and `deploy/grafana`: the rules are right by Prometheus' own tool, ask for what the
//! programs export, and docs/operations.md says of each alert what to do.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::{harness::yaml, metrics::documented};

const RULES: &str = "deploy/prometheus/alerts.yml";
const TESTS: &str = "deploy/prometheus/alerts.test.yml";
const DASHBOARD: &str = "deploy/grafana/dashboards/referral.json";

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn promtool(arguments: &[&str]) {
    let mut command = Command::new("promtool");
    let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.unwrap_or_else(|error| panic!("promtool (Debian: prometheus): {error}"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn the_rules_and_their_tests_are_right() {
    promtool(&["check", "config", "deploy/prometheus/prometheus.yml"]);
    promtool(&["check", "rules", RULES]);
    promtool(&["test", "rules", TESTS]);
}

/// Each alert with its query.
fn alerts() -> Vec<(String, String)> {
    let rules = &yaml(&text(RULES))["groups"][0]["rules"];
    let read = |rule: &Value| {
        let text = |name: &str| rule[name].as_str().unwrap().to_owned();
        (text("alert"), text("expr"))
    };
    rules.as_array().unwrap().iter().map(read).collect()
}

/// Each panel's queries, with times in the place of Grafana's variables.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&text(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let queries = panels.flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (title.to_owned(), target["expr"].as_str().unwrap().to_owned()))
    });
    let timed = |text: String| text.replace("$__rate_interval", "5m").replace("$__range", "3h");
    queries.map(|(title, query)| (title, timed(query))).collect()
}

/// The names of our own in a query.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("referral_"))
}

#[test]
fn every_query_asks_for_what_is_exported() {
    let programs = ["ingress", "daily-records", "credits", "billing", "mail"];
    let all: BTreeMap<_, _> = programs.into_iter().flat_map(documented).collect();
    let mut asked = BTreeSet::new();
    for (place, query) in alerts().into_iter().chain(panels()) {
        for name in names(&query) {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| {
                name.strip_suffix(part).filter(|family| {
                    all.get(*family).is_some_and(|family| family.kind == "histogram")
                })
            });
            let family = family.unwrap_or(name);
            let known = all.get(family).unwrap_or_else(|| panic!("{place}: no {name}"));
            assert!(known.kind != "histogram" || family != name, "{place}: {name} is a histogram");
            asked.insert(family.to_owned());
            // Labels that are asked for are there.
            let selected = query.split(name).skip(1).filter_map(|rest| rest.strip_prefix('{'));
            for labels in selected.map(|rest| rest.split('}').next().unwrap()) {
                for label in
                    labels.split("\",").map(|label| label.split(['=', '!']).next().unwrap())
                {
                    assert!(known.labels.contains(label.trim()), "{place}: {name} has no {label}");
                }
            }
        }
    }
    let unseen: Vec<_> = all.keys().filter(|name| !asked.contains(*name)).collect();
    assert!(unseen.is_empty(), "on no panel and in no alert: {unseen:?}");
}

#[test]
fn every_panel_can_be_asked() {
    let rules: Vec<Value> = panels()
        .into_iter()
        .enumerate()
        .map(|(n, (_, expr))| serde_json::json!({"record": format!("panel:{n}"), "expr": expr}))
        .collect();
    assert!(rules.len() > 30, "{}", rules.len());
    let file = tempfile::NamedTempFile::new().unwrap();
    // JSON is YAML.
    let rules = serde_json::json!({"groups": [{"name": "panels", "rules": rules}]}).to_string();
    std::fs::write(file.path(), rules).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()]);
}

#[test]
fn every_alert_is_explained_and_tested() {
    let alerts: BTreeSet<String> = alerts().into_iter().map(|(name, _)| name).collect();
    let page = text("docs/operations.md");
    let (_, page) = page.split_once("\n## Alerts\n").unwrap();
    let page = page.split("\n## ").next().unwrap();
    let sections = page.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap());
    let explained: BTreeSet<String> = sections
        .map(|(name, what_to_do)| {
            assert!(what_to_do.trim().len() > 60, "{name}: {what_to_do}");
            name.to_owned()
        })
        .collect();
    assert_eq!(alerts, explained);
    let tests = yaml(&text(TESTS));
    let cases = tests["tests"].as_array().unwrap().iter().flat_map(|test| {
        test["alert_rule_test"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|case| !case["exp_alerts"].is_null())
    });
    let tested: BTreeSet<String> =
        cases.map(|case| case["alertname"].as_str().unwrap().to_owned()).collect();
    assert_eq!(alerts, tested);
}
