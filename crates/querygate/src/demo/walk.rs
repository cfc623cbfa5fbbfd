//! The steps of the demo.

use std::{process::Stdio, time::Duration};

use querygate_console::{ControlClient, api::ListApprovals};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Child,
    time::{sleep, timeout},
};

use super::{
    mariadb,
    narrator::Narrator,
    stage::{Stage, psql_line},
};
use crate::commands::Failure;

/// How long a statement may take to begin to wait, or to end once it was decided on.
const HOLD_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often the waiting statements are looked at.
const HOLD_LOOK: Duration = Duration::from_millis(50);
/// A number of the shop's data that must never show, not even in the log.
const SSN: &str = "937-63-7919";

const CUSTOMERS: &str =
    "SELECT id, full_name, email, ssn, birth_date FROM customers WHERE country = 'DE' ORDER BY id LIMIT 3";

/// Walks through all of them.
pub async fn walk(stage: &Stage, n: &Narrator) -> Result<(), Failure> {
    checks(stage, n).await?;
    masks(stage, n).await?;
    blocks(stage, n).await?;
    approval(stage, n).await?;
    denial(stage, n).await?;
    if stage.has_mariadb() {
        mariadb::walk(stage, n).await?;
    }
    review(stage, n).await?;
    export(stage, n).await
}

async fn checks(stage: &Stage, n: &Narrator) -> Result<(), Failure> {
    n.heading("Before anybody connects: is the set-up sound, and do the policies say what they should?");
    let checked = stage.show(n, &["check"]).await?;
    n.check(checked.ok, "no problem was found")?;
    let tested = stage.show(n, &["policy", "test"]).await?;
    n.check(tested.ok, "every test of the sample policy passes")
}

async fn masks(stage: &Stage, n: &Narrator) -> Result<(), Failure> {
    n.heading("An agent reads customers: personal data comes back masked");
    n.remark(&stage.psql_meaning());
    let agent = stage.query(n, "agent", CUSTOMERS).await?;
    let masked = agent.ok
        && agent.stdout.contains("***@e***.")
        && agent.stdout.contains("*******")
        && !agent.stdout.contains("@example");
    n.check(masked, "e-mail addresses and numbers are masked")?;
    n.heading("The DBA sends the same, and sees it as it is");
    let dba = stage.query(n, "dba", CUSTOMERS).await?;
    n.check(dba.ok && dba.stdout.contains("@") && !dba.stdout.contains("***"), "nothing is masked")?;
    n.heading("Why? Ask without running it");
    let why = stage
        .show(n, &["explain", "--database", "shop", "--as", "agent", "SELECT full_name, ssn FROM customers"])
        .await?;
    n.check(why.ok && why.stdout.contains("keep_last"), "the masker of each column is told")
}

async fn blocks(stage: &Stage, n: &Narrator) -> Result<(), Failure> {
    n.heading("The agent may not ask about what it may not see");
    let asked = stage.query(n, "agent", &format!("SELECT full_name FROM customers WHERE ssn = '{SSN}'")).await?;
    n.check(!asked.ok && asked.stderr.contains("HINT"), "it is refused, with a hint at what would pass")?;
    n.heading("A rule of the policy blocks a statement");
    let blocked = stage.query(n, "agent", "UPDATE finance.invoices SET paid = true WHERE id = 7").await?;
    let words = "blocked by policy: invoices are changed by the finance system alone";
    n.check(!blocked.ok && blocked.stderr.contains(words), "it is blocked with the rule's reason")
}

async fn approval(stage: &Stage, n: &Narrator) -> Result<(), Failure> {
    n.heading("A destructive statement waits for a reviewer");
    let made = stage.query(n, "dba", "CREATE TABLE price_backup AS SELECT id, price FROM products").await?;
    n.check(made.ok, "the DBA may make a table")?;
    let held = Held::send(stage, n, "DROP TABLE price_backup").await?;
    let listed = stage.show(n, &["approvals", "list"]).await?;
    n.check(listed.ok && listed.stdout.contains(&held.id), "it is listed")?;
    let own = ruling("approve", &held.id, "it is mine", "agent");
    let own = stage.show(n, &own.each_ref().map(String::as_str)).await?;
    n.check(!own.ok, "nobody approves their own")?;
    let approve = ruling("approve", &held.id, "the backup is no longer needed", "reviewer");
    let approved = stage.show(n, &approve.each_ref().map(String::as_str)).await?;
    n.check(approved.ok, "the reviewer may")?;
    let (ok, said) = held.end(n).await?;
    n.check(ok && said.contains("DROP TABLE"), "the statement ran, once, in the session that waited")
}

async fn denial(stage: &Stage, n: &Narrator) -> Result<(), Failure> {
    n.heading("Another one is denied");
    let held = Held::send(stage, n, "DELETE FROM order_items").await?;
    let deny = ruling("deny", &held.id, "never all of them: name the orders", "reviewer");
    let denied = stage.show(n, &deny.each_ref().map(String::as_str)).await?;
    n.check(denied.ok, "the reviewer may deny")?;
    let (ok, said) = held.end(n).await?;
    n.check(!ok && said.contains("name the orders"), "the agent is told why")?;
    let left = stage.query(n, "agent", "SELECT count(*) FROM order_items").await?;
    n.check(left.ok && left.stdout.contains("1200"), "nothing was deleted")
}

async fn review(stage: &Stage, n: &Narrator) -> Result<(), Failure> {
    n.heading("The access review: who touched social security numbers?");
    let touched = stage.show(n, &["log", "search", "--column", "customers.ssn"]).await?;
    let both = touched.stdout.contains("agent@shop") && touched.stdout.contains("dba@shop");
    n.check(
        touched.ok && both && !touched.stdout.contains(SSN),
        "agent and DBA did, and the number that was asked for is a hash",
    )?;
    n.heading("Did the agent ever see one?");
    let seen =
        ["log", "search", "--column", "customers.ssn", "--subject", "agent", "--verdict", "allow", "--masked", "false"];
    let seen = stage.show(n, &seen).await?;
    n.check(seen.ok && seen.stdout.is_empty(), "no statement of the agent got one in clear")?;
    n.heading("Was anything destroyed without oversight?");
    let unseen = stage.show(n, &["log", "search", "--effect", "drop", "--verdict", "allow"]).await?;
    n.check(unseen.ok && unseen.stdout.is_empty(), "nothing was")?;
    let seen = stage.show(n, &["log", "search", "--effect", "drop"]).await?;
    n.check(seen.ok && seen.stdout.contains("approved by reviewer"), "what was dropped had a reviewer")?;
    n.heading("The newest entries; -f would go on");
    let tail = stage.show(n, &["log", "tail", "-n", "3"]).await?;
    n.check(tail.ok && tail.stdout.contains("agent@"), "the log is written as things happen")
}

async fn export(stage: &Stage, n: &Narrator) -> Result<(), Failure> {
    n.heading("An auditor gets the log, and proof that it is whole");
    let exported = stage.show(n, &["log", "export", "--out", "access.jsonl"]).await?;
    let text = tokio::fs::read_to_string(stage.path("access.jsonl")).await.unwrap_or_default();
    n.check(
        exported.ok && text.lines().count() > 10 && !text.contains(SSN),
        "the export has every entry, and no secret of the data",
    )?;
    let signed = stage.show(n, &["log", "checkpoint"]).await?;
    tokio::fs::write(stage.path("checkpoint.json"), &signed.stdout).await.map_err(Failure::wrong)?;
    n.check(signed.ok, "a checkpoint is signed; the auditor keeps it elsewhere, as checkpoint.json")?;
    let key = public_key(stage).await?;
    let arguments = ["log", "verify", "--public-key", &key, "--since-checkpoint", "checkpoint.json"];
    let verified = stage.show(n, &arguments).await?;
    n.check(verified.ok, "nothing was changed, removed or put in")
}

/// The public key's file, relative to the demo's folder.
async fn public_key(stage: &Stage) -> Result<String, Failure> {
    let mut entries = tokio::fs::read_dir(stage.path("data/keys")).await.map_err(Failure::wrong)?;
    while let Some(entry) = entries.next_entry().await.map_err(Failure::wrong)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".pub.pem") {
            return Ok(format!("data/keys/{name}"));
        }
    }
    Err(Failure::wrong("the gateway left no public key in data/keys"))
}

fn ruling(decision: &str, id: &str, because: &str, account: &str) -> [String; 9] {
    let file = format!("{account}.secret");
    ["approvals", decision, id, "--because", because, "--account", account, "--secret-file", &file].map(str::to_owned)
}

/// A statement of the agent that waits for a reviewer.
struct Held {
    child: Child,
    errors: BufReader<tokio::process::ChildStderr>,
    id: String,
}

impl Held {
    /// Sends it, and waits until it is held and has said so.
    async fn send(stage: &Stage, n: &Narrator, sql: &str) -> Result<Held, Failure> {
        n.command(&format!("{} &", psql_line("agent", sql)));
        let mut command = stage.psql("agent", sql);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| Failure::wrong(format!("psql can't be started: {e}")))?;
        let errors = child.stderr.take().ok_or_else(|| Failure::wrong("psql's words can't be read"))?;
        let mut errors = BufReader::new(errors);
        // psql writes a notice as one piece.
        let read = timeout(HOLD_WAIT_MAX, errors.fill_buf()).await.ok().and_then(Result::ok);
        let read = read.unwrap_or_default();
        let (length, notice) = (read.len(), String::from_utf8_lossy(read).into_owned());
        errors.consume(length);
        n.output(&notice);
        n.check(notice.starts_with("NOTICE"), "the client is told that it waits")?;
        let id = held_id(stage).await?;
        Ok(Held { child, errors, id })
    }

    /// Waits for its end: whether it ran, and what psql said meanwhile.
    async fn end(mut self, n: &Narrator) -> Result<(bool, String), Failure> {
        let said = timeout(HOLD_WAIT_MAX, async {
            let mut text = String::new();
            if let Some(out) = &mut self.child.stdout {
                out.read_to_string(&mut text).await?;
            }
            self.errors.read_to_string(&mut text).await?;
            Ok::<_, std::io::Error>((self.child.wait().await?.success(), text))
        });
        let said =
            said.await.map_err(|_| Failure::No("the statement did not end once it was decided on".to_owned()))?;
        let (ok, text) = said.map_err(|e| Failure::wrong(format!("psql's words can't be read: {e}")))?;
        n.remark("and psql, which waited, says:");
        n.output(&text);
        Ok((ok, text))
    }
}

async fn held_id(stage: &Stage) -> Result<String, Failure> {
    let client = ControlClient::new(&stage.path("data"));
    let found = timeout(HOLD_WAIT_MAX, async {
        loop {
            let waiting = client.call(&ListApprovals::default()).await?;
            if let Some(held) = waiting.first() {
                return Ok(held.id.to_string());
            }
            sleep(HOLD_LOOK).await;
        }
    });
    found.await.map_err(|_| Failure::No("no statement waits".to_owned()))?
}
