//! A disk without room (fault 19): what the database could not keep is not acknowledged, and all of it
//! counts once there is room again.
use std::process::Stdio;

use tokio::process::Command;

use crate::{
    harness::{Bed, Database, PATIENCE, Program, bed::run, eventually, messages::single},
    model::fact::click,
};

const CODE: &str = "b4b9e071006f409d8e6d";
/// As large as the worker's files may become: room for its log, not for what SQLite writes ahead.
const ROOM: &str = "524288";
/// Says in the log of each try to commit, and does no harm.
const TRIES: &str = "daily-records::before-commit=return(stall 1)";
const CLICKS: usize = 4_000;

/// How large the program's files may become from now on.
async fn limit_files(program: &Program, bytes: &str) {
    let mut command = Command::new("prlimit");
    command.arg("--pid").arg(program.process().to_string()).arg(format!("--fsize={bytes}:"));
    let done = command.stdin(Stdio::null()).status().await;
    assert!(done.expect("prlimit of util-linux").success());
}

async fn counted(bed: &Bed) -> i64 {
    let counted = bed.store.one("SELECT COUNT(*) AS n FROM click", Vec::new()).await;
    counted.expect("read").expect("a row").int("n").expect("a number")
}

async fn publish(bed: &Bed, clicks: usize) {
    bed.publish((0..clicks).map(|_| single(&click(CODE), "default")).collect()).await;
}

#[test]
fn sqlite_without_room_loses_nothing_that_was_acknowledged() {
    run(Database::Sqlite, async |bed| {
        let plan = bed
            .plan("daily-records")
            .set("DATABASE_CONNECTIONS", "2")
            .set("FAILPOINTS", TRIES)
            .after("trap '' XFSZ");
        let worker = bed.start_planned(plan).await;
        limit_files(&worker, ROOM).await;
        publish(&bed, CLICKS).await;
        // Some were counted while there was room. The others are held, and tried again and again: a
        // connection whose commit failed once is used for the next tries, too.
        eventually("several tries have failed", PATIENCE, async || {
            let log = std::fs::read_to_string(worker.log()).map_err(|error| error.to_string())?;
            match log.lines().skip_while(|line| !no_room(line)).filter(|line| tries(line)).count() {
                5.. => Ok(()),
                n => Err(format!("{n} tries, {} clicks", counted(&bed).await)),
            }
        })
        .await;
        assert!(counted(&bed).await < CLICKS as i64);
        limit_files(&worker, "unlimited").await;
        publish(&bed, 10).await;

        bed.drain(vec![worker]).await;
        assert_eq!(counted(&bed).await, CLICKS as i64 + 10);
    });
}

fn tries(line: &str) -> bool {
    line.contains("struck by a failpoint")
}

fn no_room(line: &str) -> bool {
    line.contains("disk I/O error") || line.contains("database or disk is full")
}
