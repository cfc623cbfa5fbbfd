//! `querygate demo`: the main job, walked through on a real Postgres with a real psql, and on a real MariaDB where there is one, each step checked.
//!
//! Everything lives in temporary folders and on free ports of the loopback interface, and ends with the demo.

mod mariadb;
mod narrator;
mod policies;
mod process;
mod server;
mod stage;
mod walk;

use std::{env, path::PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use crate::commands::Failure;
use narrator::Narrator;
use stage::Stage;

/// Environment variable with the folder of `initdb` and `postgres`.
const POSTGRES: &str = "QUERYGATE_POSTGRES_BIN";
/// Environment variable with the path of `psql`.
const PSQL: &str = "QUERYGATE_PSQL";

/// Walks through the demo. With `keep` it leaves everything running until Ctrl-C.
pub fn demo(keep: bool) -> Result<(), Failure> {
    let programs = Programs::find()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::wrong(format!("this process can't wait for others: {e}")))?;
    let narrator = Narrator::new();
    runtime.block_on(async {
        let stage = tokio::select! {
            stage = perform(&programs, &narrator) => stage?,
            interrupted = interrupted() => return interrupted.and(Err(Failure::No("the demo was interrupted".to_owned()))),
        };
        if keep {
            stage.invite(&narrator);
            return interrupted().await;
        }
        narrator.say("`cargo xtask demo --keep` leaves it running for you to try.");
        Ok(())
    })
}

/// The programs that the demo shows Querygate with.
#[derive(Debug)]
struct Programs {
    initdb: PathBuf,
    postgres: PathBuf,
    psql: PathBuf,
    querygate: PathBuf,
    mariadb: Option<mariadb::Programs>,
}

impl Programs {
    fn find() -> Result<Programs, Failure> {
        let named = |variable: &str| {
            let remedy = "run `cargo xtask demo`, which fetches a Postgres and sets it";
            env::var_os(variable)
                .map(PathBuf::from)
                .ok_or_else(|| Failure::wrong(format!("{variable} is not set\n{remedy}")))
        };
        let folder = named(POSTGRES)?;
        let querygate =
            env::current_exe().map_err(|e| Failure::wrong(format!("this program can't find itself: {e}")))?;
        Ok(Programs {
            initdb: folder.join("initdb"),
            postgres: folder.join("postgres"),
            psql: named(PSQL)?,
            querygate,
            mariadb: mariadb::Programs::find(),
        })
    }
}

async fn perform(programs: &Programs, narrator: &Narrator) -> Result<Stage, Failure> {
    narrator.say("Querygate's main job on a real Postgres. Everything below really runs; each step is checked.");
    let stage = Stage::set(programs, narrator).await?;
    walk::walk(&stage, narrator).await?;
    narrator.end();
    Ok(stage)
}

/// Ends when somebody wants the demo to end. What it started ends with the values that hold it.
async fn interrupted() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|e| Failure::wrong(format!("signals can't be received: {e}")));
    let (mut int, mut term, mut hup) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
        _ = hup.recv() => {}
    }
    eprintln!("\nending what the demo started");
    Ok(())
}
