//! Contract 4: rates by `PUT /v1/rates` and `referral rates load FILE`, exported by several ingresses,
//! on every database.
use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::harness::{Bed, Ingress, PATIENCE, Program, Told, http, on_every_database};

on_every_database!(
    rates_of_json_and_csv_files_replace_the_set_and_every_ingress_shows_them_at_once,
    a_file_with_a_bad_item_is_refused_by_line_or_item_and_member,
    of_sets_put_at_once_every_export_is_wholly_one,
);

const CODE: &str = "b4b9e071006f409d8e6d";
const WRITERS: usize = 3;
const READERS: usize = 3;
/// Each writer puts so often at least, and until each set was seen so often.
const PUTS_EACH: usize = 10;
const SIGHTS: usize = 5;

/// Two ingresses on one database, and a code of the domain `default`.
async fn ingresses(bed: &Bed) -> (Ingress, Program) {
    let first = Ingress::of(bed, bed.start("ingress").await).await;
    let path = format!("/v1/referral/{CODE}");
    assert_eq!(first.put(&path, json!({"email": "a@example.com"})).await.0, 201);
    (first, bed.start("ingress").await)
}

async fn export(program: &Program, format: &str) -> String {
    let url = program.url(&format!("/service/export/{format}/{CODE}"));
    let answer = http::client().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

async fn load(bed: &Bed, file: &str, input: &str) -> Told {
    bed.operate(&["rates", "load", file], &[], input).await
}

async fn rates_of_json_and_csv_files_replace_the_set_and_every_ingress_shows_them_at_once(
    bed: Arc<Bed>,
) {
    let (ingress, other) = ingresses(&bed).await;
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let json = write(
        "rates.json",
        r#"[{"from":"PMUSD","to":"BTC","in":12345678901.5,"out":1e-8,"amount":3,"param":"ü<&"}]"#,
    );
    let csv = write(
        "rates.csv",
        "\u{feff}from,to,in,out,amount,param\nBTC,PMUSD,1,64000.50,,\"manual,verifying\"\nbtc,PMUSD,1,1,0,\n",
    );
    let one = "PMUSD;BTC;12345678901.5;0.00000001;3;\n";
    let two = "BTC;PMUSD;1;64000.5;;\nbtc;PMUSD;1;1;0;\n";
    for (file, told, lines) in [
        (&json, "1 rates loaded", one),
        (&csv, "2 rates loaded", two),
        (&json, "1 rates loaded", one),
    ] {
        assert_eq!(bed.referral(&["rates", "load", file], "").await, told);
        for program in [&ingress.program, &other] {
            assert_eq!(export(program, "txt").await, lines);
        }
    }
    let again = bed.referral(&["rates", "load", &json, "--domain", "default"], "").await;
    assert_eq!(again, "1 rates loaded, the same as before");
    assert!(export(&other, "xml").await.contains("<param>ü&lt;&amp;</param>"));
    let stdin = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(bed.referral(&["rates", "load", "-"], &stdin).await, "2 rates loaded");
    assert_eq!(export(&other, "txt").await, two);

    // What one ingress takes, the other shows with its next answer; as many as there may be.
    let (most, lines) = many("M", 10_000);
    assert_eq!(ingress.put("/v1/rates", most).await.0, 204);
    assert_eq!(export(&other, "txt").await, lines);
    assert_eq!(ingress.put("/v1/rates", json!([])).await.0, 204);
    assert_eq!(export(&other, "txt").await, "");
}

async fn a_file_with_a_bad_item_is_refused_by_line_or_item_and_member(bed: Arc<Bed>) {
    let (_, program) = ingresses(&bed).await;
    let good = r#"[{"from":"A","to":"B","in":1,"out":1}]"#;
    assert_eq!(bed.referral(&["rates", "load", "-"], good).await, "1 rates loaded");
    let csv = "from,to,in,out\nX,Y,1,1\n";
    for (input, told) in [
        (
            r#"[{"from":"X","to":"Y","in":1,"out":1},{"from":"X","to":"Z","in":0}]"#,
            "item [1].in: must be more than 0",
        ),
        ("[1", "is not JSON"),
        ("{}", "must be a JSON array"),
        (&format!("{csv}X,Z,1,-1\n"), "line 3: out: must not be negative"),
        (&format!("{csv}X,Y,2,2\n"), "line 3: to: repeats the direction of line 2"),
        ("", "header: from: is required"),
    ] {
        let found = load(&bed, "-", input).await;
        assert_eq!((found.code, found.output.as_str()), (Some(1), ""), "{input}");
        assert!(found.errors.contains(told), "{input}: {}", found.errors);
        assert!(found.errors.contains("rates load -"), "{input}: {}", found.errors);
        assert_eq!(export(&program, "txt").await, "A;B;1;1;;\n", "{input}");
    }
    let missing = load(&bed, "/no/such/file", "").await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.errors.contains("/no/such/file"), "{}", missing.errors);
    let nowhere = bed.operate(&["rates", "load", "-", "--domain", "nowhere"], &[], good).await;
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.errors.contains("--domain: there is no domain"), "{}", nowhere.errors);
}

/// So many directions of a kind, and the lines that they are exported as.
fn many(name: &str, count: usize) -> (Value, String) {
    let mut lines = String::new();
    let item = |number: usize| {
        let _ = writeln!(lines, "{name}{number};BTC;{number}.25;1;;");
        json!({"from": format!("{name}{number}"), "to": "BTC", "in": format!("{number}.25"), "out": 1})
    };
    let items = (0..count).map(item).collect();
    (Value::Array(items), lines)
}

/// What the readers see is checked while the writers write; each has to have seen both sets.
async fn of_sets_put_at_once_every_export_is_wholly_one(bed: Arc<Bed>) {
    let (ingress, other) = ingresses(&bed).await;
    let sets = [many("A", 150), many("B", 250)];
    assert_eq!(ingress.put("/v1/rates", sets[0].0.clone()).await.0, 204);
    let programs = [&ingress.program, &other];
    let seen: [AtomicUsize; 2] = Default::default();
    let enough = || seen.iter().all(|times| times.load(Relaxed) >= SIGHTS);
    let writing = AtomicUsize::new(WRITERS);
    let writers = join_all((0..WRITERS).map(async |writer| {
        let url = programs[writer % 2].url("/v1/rates");
        let mut turn = 0;
        while turn < PUTS_EACH || !enough() {
            let put = http::client().put(&url).bearer_auth(ingress.key());
            let answer = put.json(&sets[(writer + turn) % 2].0).send().await.unwrap();
            assert_eq!(answer.status(), 204);
            turn += 1;
        }
        writing.fetch_sub(1, Relaxed);
    }));
    let readers = join_all((0..READERS).map(async |reader| {
        while writing.load(Relaxed) > 0 {
            let text = export(programs[reader % 2], "txt").await;
            let set = sets.iter().position(|(_, lines)| *lines == text);
            let set = set.unwrap_or_else(|| panic!("neither of the two sets: {text}"));
            seen[set].fetch_add(1, Relaxed);
        }
    }));
    let both = join(writers, readers);
    assert!(tokio::time::timeout(PATIENCE, both).await.is_ok(), "sets seen: {seen:?}");
    let last = export(&other, "txt").await;
    assert_eq!(export(&ingress.program, "txt").await, last);
    let rows = bed.store.all("SELECT place FROM rate", None, Vec::new()).await.unwrap();
    assert_eq!(rows.len(), last.lines().count(), "the rows are those of one set");
}
