//! A statement that waits for reviewers. Its message stays unconsumed at the head of the client's stream: what runs in the end is
//! exactly what was asked about.

use std::sync::Arc;

use querygate_record::{HoldId, Outcome, Value};

use crate::{
    event::{Action, ClientReply, Log, Report, Transaction},
    judgement::{Hold, HoldRequest, Judgement, Ruling},
    session::{Mode, Session, status},
};

/// The wait of one statement.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) hold: Hold,
    pub(crate) number: u64,
    pub(crate) judgement: Arc<Judgement>,
    pub(crate) started_ns: i64,
    pub(crate) ruling: Option<Ended>,
}

/// How the wait ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Ruled(Ruling),
    Cancelled,
}

/// What the message that waits must do now.
pub(crate) enum HoldStep {
    /// Wait on.
    Wait,
    /// Run, under this number.
    Run(u64),
    /// Be refused; its end is logged.
    Refuse(Report),
}

impl Session {
    /// Starts a wait, or says why the statement can't wait.
    pub(crate) fn hold(
        &mut self,
        judgement: &Arc<Judgement>,
        values: Vec<Value>,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Result<(), Report> {
        let inside = self.transaction != Transaction::Idle || self.batch.executed;
        let wait = match (inside, judgement.hold_in_transaction) {
            (false, _) => judgement.expires,
            (true, Some(limit)) => limit.min(judgement.expires),
            (true, None) => return Err(in_transaction(judgement)),
        };
        let number = self.next_number();
        out.push(Action::Log { number, entry: Log::Begin(judgement.clone(), values.clone()), durable: true });
        out.push(Action::Ask(Box::new(HoldRequest { number, judgement: judgement.clone(), values, wait })));
        self.mode = Mode::Held(Box::new(Held {
            hold: Hold::Asked,
            number,
            judgement: judgement.clone(),
            started_ns: now_ns,
            ruling: None,
        }));
        Ok(())
    }

    /// What the waiting message does when it is presented again.
    pub(crate) fn hold_step(&mut self, now_ns: i64, out: &mut Vec<Action>) -> HoldStep {
        let Mode::Held(held) = &mut self.mode else { return HoldStep::Wait };
        let Some(ended) = held.ruling.take() else { return HoldStep::Wait };
        let (number, started_ns) = (held.number, held.started_ns);
        let reason = held.judgement.facts.reason.clone();
        self.mode = Mode::Ready;
        let (outcome, report) = match ended {
            Ended::Ruled(Ruling::Approved { .. }) => return HoldStep::Run(number),
            Ended::Ruled(Ruling::Denied { by, because }) => ("denied", denied(&by, &because, &reason)),
            Ended::Ruled(Ruling::Expired) => ("expired", expired(&reason)),
            Ended::Ruled(Ruling::Unavailable { reason }) => ("refused", unavailable(reason)),
            Ended::Cancelled => ("cancelled", cancelled()),
        };
        let end = Outcome {
            status: outcome.into(),
            code: report.code.to_owned(),
            detail: report.message.clone(),
            ..Outcome::default()
        };
        self.log_end(number, end, started_ns, now_ns, out);
        HoldStep::Refuse(report)
    }

    /// Puts an approval back that could not be used yet.
    pub(crate) fn hold_resume(&mut self, number: u64) {
        self.approved = Some(number);
    }

    pub(crate) fn hold_asked(&mut self, id: HoldId, out: &mut Vec<Action>) {
        if let Mode::Held(held) = &mut self.mode {
            out.push(Action::Tell(notice(&id, &held.judgement)));
            held.hold = Hold::Waiting(id);
        }
    }

    pub(crate) fn hold_decided(&mut self, ruling: Ruling) {
        if let Mode::Held(held) = &mut self.mode
            && held.ruling.is_none()
        {
            held.ruling = Some(Ended::Ruled(ruling));
        }
    }

    pub(crate) fn hold_cancelled(&mut self, out: &mut Vec<Action>) {
        if let Mode::Held(held) = &mut self.mode
            && held.ruling.is_none()
        {
            if let Hold::Waiting(id) = &held.hold {
                out.push(Action::Withdraw(id.clone(), "cancelled"));
            }
            held.ruling = Some(Ended::Cancelled);
        }
    }

    pub(crate) fn hold_withdrawn(&mut self, why: &'static str, now_ns: i64, out: &mut Vec<Action>) {
        let Mode::Held(held) = std::mem::take(&mut self.mode) else { return };
        if let Hold::Waiting(id) = &held.hold
            && held.ruling.is_none()
        {
            out.push(Action::Withdraw(id.clone(), why));
        }
        self.log_end(held.number, status(why), held.started_ns, now_ns, out);
    }
}

/// The notice that tells the client why it waits.
fn notice(id: &HoldId, judgement: &Judgement) -> ClientReply {
    ClientReply::Notice(Report {
        code: "00000",
        message: format!("waiting for approval: request {id}"),
        detail: format!(
            "Rule \"{}\" lets this statement run once a reviewer approves it: {}.",
            judgement.rule, judgement.facts.reason
        ),
        hint: format!(
            "A reviewer with one of the roles {} decides it: querygate approvals approve ID --because \"...\". Cancel the query to take the request back.",
            judgement.reviewers.join(", ")
        ),
        position: 0,
    })
}

fn in_transaction(judgement: &Judgement) -> Report {
    Report {
        code: "42501",
        message: format!("blocked by policy: {}", judgement.facts.reason),
        detail: format!(
            "Rule \"{}\" asks for approval, and a statement may not wait for approval inside an open transaction: its locks would wait too.",
            judgement.rule
        ),
        hint: "Send the statement on its own, outside a transaction.".to_owned(),
        position: 0,
    }
}

fn denied(by: &str, because: &str, reason: &str) -> Report {
    Report {
        code: "42501",
        message: format!("approval denied: {because}"),
        detail: format!("{by} denied the request. It needed approval because: {reason}."),
        hint: "Do not send it again unchanged; ask the reviewer what would be approved.".to_owned(),
        position: 0,
    }
}

fn expired(reason: &str) -> Report {
    Report {
        code: "57014",
        message: "approval timed out".to_owned(),
        detail: format!("No reviewer decided in time. It needed approval because: {reason}."),
        hint: "Ask a reviewer to look at the queue, then send the statement again.".to_owned(),
        position: 0,
    }
}

fn cancelled() -> Report {
    Report {
        code: "57014",
        message: "canceling statement due to user request".to_owned(),
        detail: "The statement was waiting for approval and did not run; its request was taken back.".to_owned(),
        ..Report::default()
    }
}

fn unavailable(reason: String) -> Report {
    Report {
        code: "53000",
        message: format!("the statement needs approval, and the request could not be made: {reason}"),
        hint: "Wait until earlier requests are decided, then send the statement again.".to_owned(),
        ..Report::default()
    }
}
