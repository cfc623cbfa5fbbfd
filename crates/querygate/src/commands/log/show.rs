use querygate_export::Line;
use querygate_journal::Filter;
use querygate_record::StatementId;

use super::{json_line, lines, select::Select};
use crate::commands::{Failure, output, place::Place};

/// Lists the rows that are wanted.
pub fn search(place: &Place, select: &Select, newest_first: bool, limit: usize, json: bool) -> Result<(), Failure> {
    select.check()?;
    let rows = place.reader()?.search(&Filter { newest_first, ..select.filter() })?;
    let mut shown = 0;
    for row in rows {
        let row = row?;
        if !select.is_shown(&row) {
            continue;
        }
        if limit > 0 && shown == limit {
            eprintln!("stopped after {limit}: there is more (`--limit 0` shows all, `--newest-first` the other end)");
            return Ok(());
        }
        if json {
            json_line(&row)?
        } else {
            output::write(&lines::brief(&row))?
        }
        shown += 1;
    }
    if shown == 0 && !json {
        eprintln!("nothing fits");
    }
    Ok(())
}

/// Shows all of one statement.
pub fn show(place: &Place, id: StatementId, json: bool) -> Result<(), Failure> {
    let rows = place.reader()?.show(id)?;
    if rows.is_empty() {
        return Err(Failure::No(format!("the log has no statement {id}\n`querygate log search` shows the ids")));
    }
    if json {
        return output::json(&rows.iter().map(Line::from).collect::<Vec<_>>());
    }
    output::write(&rows.iter().map(lines::whole).collect::<Vec<_>>().join("\n"))
}
