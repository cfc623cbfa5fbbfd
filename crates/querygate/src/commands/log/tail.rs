use querygate_journal::{Filter, Row, TAIL_INTERVAL};
use tokio::signal::unix::{SignalKind, signal};

use super::{json_line, lines, select::Select};
use crate::commands::{
    Failure, output,
    place::{self, Place},
};

/// Shows the newest rows in the order of time, then what comes.
pub fn tail(place: &Place, select: &Select, count: usize, follow: bool, json: bool) -> Result<(), Failure> {
    select.check()?;
    let reader = place.reader()?;
    let filter = select.filter();
    // From now on, before what was is read: nothing can fall between the two.
    let mut tail = reader.tail()?;
    let newest = reader.search(&Filter { newest_first: true, ..filter.clone() })?;
    let wanted = |row: &Result<Row, _>| row.as_ref().map_or(true, |row| select.is_shown(row));
    let mut rows = newest.filter(wanted).take(count).collect::<Result<Vec<Row>, _>>()?;
    rows.reverse();
    let print = |row: &Row| if json { json_line(row) } else { output::write(&lines::brief(row)) };
    rows.iter().try_for_each(print)?;
    if !follow {
        return Ok(());
    }
    place::runtime()?.block_on(async {
        // Stopped in order, so that what reading needs in the temporary folder goes too.
        let mut stop = std::pin::pin!(stopped());
        loop {
            let new = tail.poll()?;
            new.iter().filter(|row| filter.matches(row) && select.is_shown(row)).try_for_each(print)?;
            tokio::select! {
                () = tokio::time::sleep(TAIL_INTERVAL) => {}
                stopped = &mut stop => return stopped,
            }
        }
    })
}

/// Ends with Ctrl-C, or when somebody asks the command to end.
async fn stopped() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|e| Failure::wrong(format!("signals can't be received: {e}")));
    let (mut int, mut term) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = int.recv() => Ok(()),
        _ = term.recv() => Ok(()),
    }
}
