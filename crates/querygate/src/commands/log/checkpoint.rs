use std::path::Path;

use querygate_console::api::SignCheckpoint;

use crate::{
    commands::{Failure, output, place::Place},
    config::Config,
    serve,
};

/// Signs the log as it is, by the running gateway or here when none runs.
pub fn checkpoint(config: &Path, place: &Place) -> Result<(), Failure> {
    let signed = match place.call_if_running(&SignCheckpoint {})? {
        Some(answer) => answer.checkpoint,
        None => {
            place.reader().map(drop)?;
            let journal = serve::open_journal(&Config::load(config)?)?;
            let checkpoint = journal.checkpoint()?;
            journal.close()?;
            checkpoint.to_json()
        }
    };
    output::write(&format!("{}\n", signed.trim_end()))
}
