//! The catalog as the open transaction sees it: what that defined is known to no other connection, so it is asked for on the
//! session's own, before the next text is judged.

use querygate_record::Outcome;

use crate::{
    event::{Action, Injected, Relay, Report, ServerMessage, Transaction},
    expect::{Expect, OwnStep},
    judgement::{Judge, Judgement, Question},
    names::Portal,
    refuse,
    session::{Own, Session, status},
};

/// Whether a bound portal may run as it was judged.
pub(crate) enum Late {
    /// It may.
    Holds,
    /// Not known yet.
    Later,
    /// It would do something else than was judged.
    Refuse(Report),
}

impl Session {
    /// A message that may define something is on its way.
    pub(crate) fn note_definition(&mut self, judgement: &Judgement) {
        self.defines_owed |= judgement.defines();
    }

    /// True once the judge knows the catalog that this text will meet; else asks for it.
    pub(crate) fn catalog_known(
        &mut self,
        text: &str,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> bool {
        if self.catalog_asked {
            return false;
        }
        self.defines_owed = self.defines_owed && self.queue.iter().any(Expect::defines);
        // What is under way may end the transaction, or take back what it defined.
        let ends = judge.is_inside() && self.queue.iter().any(Expect::may_restore_settings);
        if (self.defines_owed || ends) && !self.drained(out) {
            return false;
        }
        let Some(question) = judge.question(text, self.transaction == Transaction::Failed) else { return true };
        if !self.drained(out) {
            return false;
        }
        self.catalog_asked = true;
        let own = self.own(words(question), now_ns, out);
        let in_batch = self.batch.open;
        self.inject(Injected::AskCatalog(question), [Expect::Catalog(question, 0, OwnStep::Clear, own)], out);
        if in_batch {
            self.inject(Injected::Flush, [], out);
        } else {
            self.inject(Injected::Sync, [Expect::Sync { own: true }], out);
        }
        false
    }

    pub(crate) fn catalog_reply(
        &mut self,
        (question, at, step, own): (Question, usize, OwnStep, Own),
        message: ServerMessage<'_>,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Relay {
        let next = match (step, message) {
            (OwnStep::Clear, ServerMessage::CloseComplete) => (at, OwnStep::Parse),
            (OwnStep::Parse, ServerMessage::ParseComplete) => (at, OwnStep::Bind),
            (OwnStep::Bind, ServerMessage::BindComplete) => (at, OwnStep::Row),
            (OwnStep::Row, ServerMessage::Row(_)) if !Question::is_answered_by(at) => (at, OwnStep::Complete),
            (OwnStep::Row, ServerMessage::Row(row)) if judge.answered(question, row) => (at, OwnStep::Complete),
            (OwnStep::Complete, ServerMessage::Complete { .. }) => (at, OwnStep::ClosePortal),
            (OwnStep::ClosePortal, ServerMessage::CloseComplete) => (at, OwnStep::Close),
            (OwnStep::Close, ServerMessage::CloseComplete) if at + 1 < Question::STATEMENTS => (at + 1, OwnStep::Clear),
            (OwnStep::Close, ServerMessage::CloseComplete) => {
                self.catalog_asked = false;
                Session::own_ended(own, Outcome { rows: 1, ..status("ok") }, now_ns, out);
                return Relay::Swallow;
            }
            _ => return self.unexpected("the catalog could not be read in the open transaction", out),
        };
        self.queue.push_front(Expect::Catalog(question, next.0, next.1, own));
        Relay::Swallow
    }

    /// The question failed, and the transaction with it. In a pipeline the client's message that waits gets the error; else the
    /// server tells it what has become of the transaction.
    pub(crate) fn catalog_failed(&mut self) -> Relay {
        self.catalog_asked = false;
        if self.queue.iter().any(Expect::ends_batch) { Relay::Swallow } else { Relay::Canonical }
    }

    /// What the server looks up only when it runs is judged again, should the catalog have changed since the portal was bound.
    pub(crate) fn holds_late(
        &mut self,
        portal: &Portal,
        judge: &mut dyn Judge,
        now_ns: i64,
        out: &mut Vec<Action>,
    ) -> Late {
        let judgement = &portal.judgement;
        if !judgement.is_late() {
            return Late::Holds;
        }
        if !self.catalog_known(&judgement.text, judge, now_ns, out) {
            return Late::Later;
        }
        if judge.is_current(judgement) {
            return Late::Holds;
        }
        match judge.judge(&judgement.text) {
            None => Late::Later,
            Some(again) if again.is_as(judgement) => Late::Holds,
            Some(_) => Late::Refuse(refuse::changed()),
        }
    }
}

fn words(question: Question) -> &'static str {
    match question {
        Question::Fingerprint => "ask whether the open transaction sees another catalog",
        Question::Catalog => "read the catalog as the open transaction sees it",
    }
}
