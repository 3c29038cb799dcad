//! `compose.yaml`, `deploy/kubernetes` and `deploy/systemd` fit the programs: every setting that they name exists,
//! ports and paths agree, nothing runs as root, and a stop is given its time.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use referral::broker::topology::topology;
use serde_json::Value;

use crate::harness::{Plan, documents, yaml};

const PROGRAMS: [&str; 5] = ["ingress", "daily-records", "credits", "billing", "mail"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The settings of a program as its `--help` lists them, files of secrets included.
async fn settings(program: &str) -> BTreeSet<String> {
    let mut help = Plan::new(program, std::env::temp_dir()).argument("--help").command();
    let output = help.output().await.unwrap();
    assert!(output.status.success(), "{program} --help");
    let mut names = BTreeSet::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let name = line.strip_prefix("  ").filter(|name| !name.starts_with(' '));
        names.extend(name.map(str::to_owned));
        let file = line.split_once("(or ").and_then(|(_, rest)| rest.split_once(','));
        names.extend(file.map(|(name, _)| name.to_owned()));
    }
    assert!(names.contains("OPS_ADDR") && names.contains("AMQP_URL_FILE"), "{program}: {names:?}");
    names
}

/// Fails where one of these is no setting of the program.
async fn known<'a>(place: &str, program: &str, names: impl IntoIterator<Item = &'a str>) {
    let settings = settings(program).await;
    for name in names {
        assert!(settings.contains(name), "{place}: {program} has no setting {name}");
    }
}

fn port(address: &Value) -> &str {
    address.as_str().unwrap().rsplit_once(':').unwrap().1
}

#[tokio::test]
async fn compose_fits_the_programs() {
    let compose = yaml(&text("compose.yaml"));
    let services = compose["services"].as_object().unwrap();
    let dockerfile = text("deploy/Dockerfile");
    assert!(dockerfile.contains("\nUSER referral\n"), "not root");
    let prometheus = yaml(&text("deploy/prometheus/prometheus.yml"));
    for program in PROGRAMS {
        let service = &services[program];
        let environment = service["environment"].as_object().unwrap();
        known("compose.yaml", program, environment.keys().map(String::as_str)).await;
        let command = service["command"].as_array().unwrap();
        let expected: &[&str] =
            if program == "ingress" { &["referral", "ingress"] } else { &[program] };
        assert_eq!(command, expected, "{program}");
        assert_eq!(service["read_only"], true, "{program}");
        assert_eq!(service["cap_drop"][0], "ALL", "{program}");
        assert_eq!(service["stop_grace_period"], "30s", "{program}: more than SHUTDOWN_GRACE");
        // The image's own health check, and Prometheus, ask where it listens.
        let ops = port(&environment["OPS_ADDR"]);
        assert!(dockerfile.contains(&format!("http://127.0.0.1:{ops}/ready")), "{program}");
        let jobs = prometheus["scrape_configs"].as_array().unwrap();
        let job = jobs.iter().find(|job| job["job_name"] == program).unwrap();
        assert_eq!(job["dns_sd_configs"][0]["port"].to_string(), ops, "{program}");
        assert_eq!(job["dns_sd_configs"][0]["names"][0], program);
    }
    for (name, service) in services {
        let of_image = PROGRAMS.contains(&name.as_str());
        assert!(
            of_image || service["healthcheck"]["test"].is_array(),
            "{name} has no health check"
        );
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let (from, _) = volume.as_str().unwrap().split_once(':').unwrap();
            let there = match from.strip_prefix("./") {
                Some(path) => root().join(path).exists(),
                None => compose["volumes"].as_object().unwrap().contains_key(from),
            };
            assert!(there, "{name}: no {from}");
        }
        let monitors = ["prometheus", "grafana"].contains(&name.as_str());
        assert_eq!(service["profiles"] == serde_json::json!(["monitoring"]), monitors, "{name}");
    }
}

fn all_of(directory: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(directory)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let found: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    assert!(!found.is_empty(), "{directory}");
    found
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[tokio::test]
async fn kubernetes_fits_the_programs() {
    const BASE: &str = "deploy/kubernetes";
    let objects: Vec<Value> = all_of(BASE, "yaml")
        .iter()
        .flat_map(|path| documents(&std::fs::read_to_string(path).unwrap()))
        .collect();
    let kustomization = objects.iter().find(|o| o["kind"] == "Kustomization").unwrap();
    let resources: BTreeSet<_> =
        list(&kustomization["resources"]).map(|name| name.as_str().unwrap().to_owned()).collect();
    let files: BTreeSet<_> = all_of(BASE, "yaml")
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "kustomization.yaml")
        .collect();
    assert_eq!(resources, files);
    let secrets: BTreeMap<&str, &str> = list(&kustomization["secretGenerator"][0]["files"])
        .map(|file| file.as_str().unwrap().split_once('=').unwrap())
        .collect();
    for file in secrets.values() {
        let example = text(&format!("{BASE}/{file}.example"));
        assert!(!example.trim().is_empty(), "{file}");
    }

    let mut all = BTreeSet::new();
    for program in PROGRAMS {
        all.extend(settings(program).await);
        let of_program = |kind: &str| {
            let named = |o: &&Value| o["kind"] == kind && o["metadata"]["name"] == program;
            objects.iter().find(named)
        };
        let workload = of_program("Deployment").or(of_program("StatefulSet")).unwrap();
        let pod = &workload["spec"]["template"]["spec"];
        let [container] = &pod["containers"].as_array().unwrap()[..] else { panic!("{program}") };
        let env: BTreeMap<&str, &Value> = list(&container["env"])
            .map(|one| (one["name"].as_str().unwrap(), &one["value"]))
            .collect();
        known(BASE, program, env.keys().copied()).await;
        for (name, value) in env.iter().filter(|(name, _)| name.ends_with("_FILE")) {
            let key = value.as_str().unwrap().strip_prefix("/etc/referral/").unwrap();
            assert!(secrets.contains_key(key), "{program}: {name}: no {key} in the secret");
        }
        let words: Vec<&str> = list(&container["command"]).map(|w| w.as_str().unwrap()).collect();
        assert_eq!(words.join(" ").trim_start_matches("referral "), program);
        let ports: BTreeMap<&str, String> = list(&container["ports"])
            .map(|port| (port["name"].as_str().unwrap(), port["containerPort"].to_string()))
            .collect();
        assert_eq!(ports["ops"], port(env["OPS_ADDR"]), "{program}");
        if program == "ingress" {
            assert_eq!(ports["http"], port(env["LISTEN_ADDR"]));
        }
        let scraped = &workload["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(scraped["prometheus.io/port"], *ports["ops"], "{program}");
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            let asked = &container[probe]["httpGet"];
            assert_eq!(asked["port"], "ops", "{program} {probe}");
            // A broker that is away is no reason to kill anybody, nor to turn clicks away.
            let waits = probe == "readinessProbe" && program != "ingress";
            assert_eq!(asked["path"], if waits { "/ready" } else { "/live" }, "{program} {probe}");
        }
        assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(25), "{program}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{program}");
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{program}");
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/component"], program);
        let budget = of_program("PodDisruptionBudget").unwrap();
        let selector = &budget["spec"]["selector"]["matchLabels"];
        assert_eq!(selector["app.kubernetes.io/component"], program);
    }
    for line in text("deploy/kubernetes/settings.env").lines().filter(|l| !l.starts_with('#')) {
        let (name, _) = line.split_once('=').unwrap();
        assert!(all.contains(name), "settings.env: no program has {name}");
    }

    let scaled = documents(&text("deploy/kubernetes/keda/scaling.yaml"));
    let scaled: Vec<_> = scaled.iter().filter(|object| object["kind"] == "ScaledObject").collect();
    assert_eq!(scaled.len(), 4, "every worker");
    for object in scaled {
        let name = object["spec"]["scaleTargetRef"]["name"].as_str().unwrap();
        let is_worker = |o: &Value| o["kind"] == "Deployment" && o["metadata"]["name"] == name;
        let deployment = objects.iter().find(|o| is_worker(o)).unwrap();
        assert!(deployment["spec"]["replicas"].is_null(), "{name}: KEDA decides");
        let queue = &object["spec"]["triggers"][0]["metadata"]["queueName"];
        assert_eq!(queue, &format!("referral.{name}"));
        assert!(topology().queues.iter().any(|known| queue == known.name), "{queue}");
    }
}

#[tokio::test]
async fn systemd_fits_the_programs() {
    let directory = tempfile::tempdir().unwrap();
    let units = all_of("deploy/systemd", "service");
    assert_eq!(units.len(), PROGRAMS.len());
    std::fs::copy(
        root().join("deploy/systemd/referral.target"),
        directory.path().join("referral.target"),
    )
    .unwrap();
    for program in PROGRAMS {
        let name = format!("referral-{program}@.service");
        let unit = text(&format!("deploy/systemd/{name}"));
        let lines = |key: &str| -> Vec<String> {
            let values = unit.lines().filter_map(|line| line.strip_prefix(&format!("{key}=")));
            values.map(str::to_owned).collect()
        };
        let environment = lines("Environment");
        let pairs: Vec<(&str, &str)> = environment
            .iter()
            .flat_map(|line| line.split(' '))
            .map(|pair| pair.split_once('=').unwrap())
            .collect();
        known(&name, program, pairs.iter().map(|(name, _)| *name)).await;
        let credentials = lines("LoadCredential");
        for (name, file) in pairs.iter().filter(|(name, _)| name.ends_with("_FILE")) {
            let credential = format!("{}:", file.strip_prefix("%d/").unwrap());
            assert!(credentials.iter().any(|c| c.starts_with(&credential)), "{program}: {name}");
        }
        let command = if program == "ingress" { "referral ingress" } else { program };
        assert_eq!(lines("ExecStart"), [format!("/usr/local/bin/{command}")]);
        assert_eq!(lines("TimeoutStopSec"), ["30s"], "more than SHUTDOWN_GRACE");
        assert_eq!(lines("RestartPreventExitStatus"), ["2"]);
        assert_eq!(lines("DynamicUser"), ["yes"]);
        // Programs of this machine, so that what is judged is the unit.
        let runnable = unit.replace(&format!("/usr/local/bin/{command}"), "/bin/true");
        let file = directory.path().join(&name);
        std::fs::write(&file, runnable).unwrap();
        let mut verify = tokio::process::Command::new("systemd-analyze");
        let verified = verify.args(["verify", "--man=no"]).arg(&file).output().await;
        let verified = verified.unwrap_or_else(|error| panic!("systemd-analyze: {error}"));
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && said.is_empty(), "{name}: {said}");
    }
}
