//! `referral rates load FILE` (contract 4): puts a file of rates into force, in place of the domain's.
//!
//! Owns reading the file, JSON or CSV; what a rate may be is [`Rates`]', as it is for `PUT /v1/rates`.
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Subcommand;

use super::{Tools, input};
use crate::{
    domain::{
        Rates,
        event::DEFAULT_DOMAIN,
        ids::Invalid,
        rate::{Given, MEMBERS, NoRates},
    },
    store::rates,
};

/// Largest file: far more than the most rates can take.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Columns that a CSV file has to have: the members that a rate has to have.
const REQUIRED: [&str; 4] = ["from", "to", "in", "out"];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Replaces the domain's rates by those of a file: all of them, or none where one is bad
    Load(Load),
}

#[derive(Debug, clap::Args)]
struct Load {
    /// A JSON array, or CSV with a header; members from, to, in, out, amount, minamount, maxamount, param; `-`: standard input
    file: PathBuf,
    /// Domain
    #[arg(long, default_value = DEFAULT_DOMAIN)]
    domain: String,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let What::Load(Load { file, domain }) = args.what;
    let named = || format!("rates load {}", file.display());
    let text = input::contents(&file, FILE_BYTES_MAX, tools).await.with_context(named)?;
    let read = if is_json(&file, &text) { of_json(&text) } else { of_csv(&text) };
    let rates = read.with_context(named)?;
    let store = tools.store().await?;
    let domain = tools.domain(&store, &domain).await?;
    let is_new = rates::replace(&store, domain.id, &rates, tools.clock.now()).await?;
    let same = if is_new { "" } else { ", the same as before" };
    println!("{} rates loaded{same}", rates.len());
    Ok(ExitCode::SUCCESS)
}

/// By the file's extension, else by its first character.
fn is_json(path: &Path, text: &[u8]) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("json") => true,
        Some("csv") => false,
        _ => matches!(text.iter().find(|b| !b.is_ascii_whitespace()), Some(b'[' | b'{')),
    }
}

fn of_json(text: &[u8]) -> anyhow::Result<Rates> {
    Rates::of_json(text).map_err(|no| match no {
        NoRates::Json(problem) => anyhow!("{problem}"),
        NoRates::Item(bad) => anyhow!("item {bad}"),
    })
}

/// Other columns than a rate's are ignored; an empty field is a missing member.
fn of_csv(text: &[u8]) -> anyhow::Result<Rates> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let columns = columns(reader.headers()?)?;
    let mut lines = Vec::new();
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record?;
        lines.push(record.position().map_or(0, |position| line(text, position)));
        records.push(record);
    }
    let members = records.iter().map(|record| {
        let columns = &columns;
        Ok::<_, Invalid>(move |member: &str| {
            let column = columns.get(member)?;
            record.get(*column).map(|text| Given::Text(text.to_owned()))
        })
    });
    Rates::read(members).map_err(|bad| {
        let line = |item: usize| format!("line {}", lines.get(item).copied().unwrap_or_default());
        let member = bad.member.map(|member| format!("{member}: ")).unwrap_or_default();
        anyhow!("{}: {member}{}", line(bad.item), bad.problem(line))
    })
}

/// The line that a record stands on: its position is that of the blank lines before it.
fn line(text: &[u8], position: &csv::Position) -> u64 {
    let from = text.get(position.byte() as usize..).unwrap_or_default();
    let blank = from.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

/// Where each member's column is.
fn columns(header: &csv::StringRecord) -> anyhow::Result<HashMap<&'static str, usize>> {
    let mut columns = HashMap::new();
    for (column, name) in header.iter().enumerate() {
        let Some(member) = MEMBERS.into_iter().find(|member| *member == name) else { continue };
        if columns.insert(member, column).is_some() {
            bail!("header: {member}: is there twice");
        }
    }
    // A file that is empty by accident must not clear the domain's rates.
    match REQUIRED.into_iter().find(|member| !columns.contains_key(member)) {
        Some(member) => bail!("header: {member}: is required"),
        None => Ok(columns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_csv_say_the_same() {
        let json = br#"[{"from":"A","to":"B","in":1.5,"out":"2","amount":1e-8,"param":"x,y"},{"from":"B","to":"A","in":1,"out":1}]"#;
        let csv = "\r\n to , from,in,out,city,amount,param\r\nB,A,1.50, 2,MSK,0.00000001,\"x,y\"\r\nA,B,1,1,,,\r\n";
        let json = of_json(json).unwrap();
        assert_eq!(json.len(), 2);
        assert_eq!(of_csv(csv.as_bytes()).unwrap(), json);
        assert!(of_csv(b"from,to,in,out\n").unwrap().is_empty(), "a header alone clears");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named_by_line_and_member() {
        const HEADER: &str = "from,to,in,out,amount\n";
        for (csv, told) in [
            ("", "header: from: is required"),
            ("A;B;1;1\n", "header: from: is required"),
            ("from,to,in\n", "header: out: is required"),
            ("from,to,in,out,in\n", "header: in: is there twice"),
            (&format!("{HEADER}A,B,1,1,\nB,A,0,1,\n"), "line 3: in: must be more than 0"),
            (&format!("{HEADER}\nA,B,1,1,\n\r\n\nB,A,,1,\n"), "line 6: in: is required"),
            (&format!("{HEADER}A,B,1,1,x\n"), "line 2: amount: must be a decimal number"),
            (
                &format!("{HEADER}A,B,1,1,\nB,A,1,1,\nA,B,2,2,\n"),
                "line 4: to: repeats the direction of line 2",
            ),
        ] {
            assert_eq!(of_csv(csv.as_bytes()).unwrap_err().to_string(), told, "{csv:?}");
        }
        let short = of_csv(format!("{HEADER}A,B,1,1\n").as_bytes()).unwrap_err().to_string();
        assert!(short.contains("line: 2"), "{short}");
        let item = of_json(br#"[{"from":"A","to":"B","in":1}]"#).unwrap_err().to_string();
        assert_eq!(item, "item [0].out: is required");
        let object = of_json(b"{}").unwrap_err().to_string();
        assert_eq!(object, "must be a JSON array");
    }

    #[test]
    fn a_file_is_json_by_its_name_or_else_by_its_beginning() {
        for (path, text, expected) in [
            ("r.json", "from,to", true),
            ("R.JSON", "from,to", true),
            ("r.csv", "[]", false),
            ("-", " \n[]", true),
            ("-", "{}", true),
            ("rates", "from,to", false),
            ("-", "", false),
        ] {
            assert_eq!(is_json(Path::new(path), text.as_bytes()), expected, "{path} {text}");
        }
    }
}
