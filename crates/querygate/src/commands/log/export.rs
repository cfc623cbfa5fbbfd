use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use querygate_export::Error;
use querygate_journal::Rows;

use super::{Format, select::Select};
use crate::commands::{Failure, output, place::Place};

/// Writes the rows that are wanted to a file or to standard output.
pub fn export(place: &Place, select: &Select, format: Format, out: Option<&Path>) -> Result<(), Failure> {
    select.check()?;
    let rows = place.reader()?.search(&select.filter())?;
    let Some(path) = out else {
        return write(rows, format, &mut io::stdout().lock()).map(drop);
    };
    let file = create(path).map_err(|e| Failure::wrong(format!("{} can't be written: {e}", path.display())))?;
    let mut buffered = BufWriter::new(file);
    let written = write(rows, format, &mut buffered);
    let written = written.and_then(|lines| {
        let file = buffered.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|f| f.sync_all())
            .map_err(|e| Failure::wrong(format!("{} can't be written: {e}", path.display())))?;
        Ok(lines)
    });
    match written {
        Ok(lines) => {
            eprintln!("{} written to {}", output::count(lines, "row"), path.display());
            Ok(())
        }
        Err(error) => {
            eprintln!("{} is not complete: don't use it", path.display());
            Err(error)
        }
    }
}

/// Texts of statements are for whoever may read the log.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn write(rows: Rows, format: Format, out: &mut dyn Write) -> Result<u64, Failure> {
    let written = match format {
        Format::Jsonl => querygate_export::jsonl(rows, out),
        Format::Csv => querygate_export::csv(rows, out),
    };
    written.map_err(|error| match error {
        Error::Write(error) => output::broken(error),
        Error::Log(error) => error.into(),
        other => Failure::wrong(other),
    })
}
