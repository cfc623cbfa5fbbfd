use std::fmt::Write;

use crate::result::{ROWS, Results, Spread, Summary, Work};

/// A table of everything.
pub fn text(results: &Results) -> String {
    let mut text = format!("\n{}, {} s each\n", results.server, results.seconds);
    if let Some(idle) = results.idle {
        let _ = writeln!(text, "{} idle clients: {:.1} KiB each in the gateway", idle.clients, idle.kib_each);
    }
    let mut last = None;
    for summary in results.summaries() {
        let work = summary.work.unmasked();
        if last.replace(work) != Some(work) {
            heading(&mut text, work);
        }
        line(&mut text, &summary, results.result_bytes);
    }
    text
}

fn heading(text: &mut String, work: Work) {
    let (title, unit, each) = match work {
        Work::Load(load) => {
            let title = format!("pgbench, {}, {}, {} clients", load.kind.name(), load.protocol.name(), load.clients);
            (title, "tx/s", "us/tx")
        }
        Work::Sysbench(load) => (load.title(), "q/s", "us/query"),
        Work::Rows { .. } => (format!("{ROWS} rows of 10 columns"), "MB/s", "us/row"),
    };
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "\n{title}\n{:26} {unit:>9}  {:22} {:>8} {:>8} {each:>9} {:>9}  {:22}",
        "", "of the relay", "p50 us", "p99 us", "machine", "of the relay by time"
    );
}

fn line(text: &mut String, summary: &Summary, result_bytes: u64) {
    // Of the result as the server sends it: a mask that makes rows shorter gains nothing by it. 1 MB is 10^6.
    let row_megabytes = result_bytes as f64 / ROWS as f64 / 1e6;
    let (name, rate) = match summary.work {
        Work::Load(_) | Work::Sysbench(_) => {
            (summary.place.name().to_owned(), format!("{:.0}", summary.per_second.median))
        }
        Work::Rows { masked } => (
            format!("{}, {masked} masked", summary.place.name()),
            format!("{:.1}", summary.per_second.median * row_megabytes),
        ),
    };
    let ratio = |spread: Spread| format!("{:.3} ({:.3} - {:.3})", spread.median, spread.least, spread.greatest);
    let median =
        |spread: Option<Spread>, digits: usize| spread.map(|s| format!("{:.digits$}", s.median)).unwrap_or_default();
    let by_gigabyte = summary.cpu_us.filter(|_| matches!(summary.work, Work::Rows { .. }));
    let by_gigabyte = by_gigabyte.map(|us| format!("  {:.2} s/GB", us.median / row_megabytes / 1e3));
    let _ = writeln!(
        text,
        "{name:26} {rate:>9}  {:22} {:>8} {:>8} {:>9} {:>9}  {:22}",
        summary.of_relay.map(ratio).unwrap_or_default(),
        median(summary.p50_us, 0),
        median(summary.p99_us, 0),
        median(summary.cpu_us, 2),
        median(summary.machine_us, 2),
        summary.of_relay_by_time.map(ratio).or(by_gigabyte).unwrap_or_default(),
    );
}
