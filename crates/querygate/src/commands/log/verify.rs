use std::{fs::File, io::Read, path::Path};

use querygate_journal::{Bad, Checkpoint, Error, Place as BadPlace, PublicKey, Report};
use serde_json::{Value, json};

use crate::commands::{Failure, output, place::Place};

/// No key or checkpoint file is longer than this, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Verifies the log. That it holds is exit code 0; that it does not, or that it can't be read as a log, is 1.
pub fn verify(place: &Place, keys: &[std::path::PathBuf], since: Option<&Path>, json: bool) -> Result<(), Failure> {
    let keys = keys.iter().map(|path| key(path)).collect::<Result<Vec<_>, _>>()?;
    let kept = since.map(|path| checkpoint(path, &keys)).transpose()?;
    let report = match querygate_journal::verify(&place.log(), &keys, kept.as_ref()) {
        Err(Error::Damaged { why, .. }) => return Err(Failure::No(format!("FAILED: the log is damaged: {why}"))),
        other => other?,
    };
    if json {
        output::json(&as_json(&report))?;
    } else {
        output::write(&in_words(&report))?;
    }
    match &report.first_bad {
        Some(bad) if !json => Err(Failure::No(format!("FAILED: {bad}"))),
        Some(_) => Err(Failure::No(String::new())),
        None => Ok(()),
    }
}

fn key(path: &Path) -> Result<PublicKey, Failure> {
    let remedy = "it is log-signing-<id>.pub.pem in the gateway's folder of keys; keep a copy elsewhere";
    let wrong = || Failure::wrong(format!("{} is not an Ed25519 public key in PEM\n{remedy}", path.display()));
    PublicKey::from_pem(&read(path)?).ok_or_else(wrong)
}

fn checkpoint(path: &Path, keys: &[PublicKey]) -> Result<Checkpoint, Failure> {
    let remedy = "`querygate log checkpoint` prints one";
    let wrong = || Failure::wrong(format!("{} is not a checkpoint\n{remedy}", path.display()));
    let checkpoint = Checkpoint::from_json(&read(path)?).ok_or_else(wrong)?;
    if checkpoint.is_signed_by(keys) {
        return Ok(checkpoint);
    }
    Err(Failure::No(format!("FAILED: the checkpoint in {} is signed by none of the given keys", path.display())))
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|f| f.take(FILE_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|e| Failure::wrong(format!("{} can't be read: {e}", path.display())))?;
    Ok(text)
}

fn in_words(report: &Report) -> String {
    let found = format!(
        "{} in {}, {} with a good signature\n",
        entries(report.entries),
        output::count(report.chains, "chain"),
        output::count(report.checkpoints, "checkpoint"),
    );
    if report.first_bad.is_some() {
        return found;
    }
    let after = match report.unsigned {
        0 => String::new(),
        n => format!("{} after the last checkpoint: not signed yet\n", entries(n)),
    };
    format!("ok: nothing was changed, removed or put in before the last checkpoint\n{found}{after}")
}

fn entries(number: u64) -> String {
    format!("{number} {}", if number == 1 { "entry" } else { "entries" })
}

fn as_json(report: &Report) -> Value {
    json!({
        "ok": report.first_bad.is_none(),
        "entries": report.entries,
        "chains": report.chains,
        "checkpoints": report.checkpoints,
        "unsigned": report.unsigned,
        "first_bad": report.first_bad.as_ref().map(bad),
    })
}

fn bad(bad: &Bad) -> Value {
    match &bad.place {
        BadPlace::Entry { chain, sequence, through } => {
            json!({ "chain": chain.to_string(), "sequence": sequence, "through": through, "why": bad.why })
        }
        BadPlace::Checkpoint { number } => json!({ "checkpoint": number, "why": bad.why }),
    }
}
