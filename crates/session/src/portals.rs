//! Bound statements until they end: whatever becomes of a portal, its begin in the log gets one end, in the server's order.

use querygate_record::Outcome;

use crate::{
    event::{Action, Log},
    expect::Expect,
    names::Portal,
    session::{Counted, Session, status},
};

/// A bound statement whose end is not logged yet.
#[derive(Debug, Default)]
pub(crate) struct Open {
    started_ns: i64,
    /// What earlier executions sent, up to their suspension.
    counted: Counted,
}

impl Open {
    /// Rows and bytes that earlier executions sent.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.counted.rows, self.counted.bytes)
    }
}

impl Session {
    /// A statement was bound, or a cursor is read.
    pub(crate) fn open(&mut self, number: u64, now_ns: i64) {
        self.open.insert(number, Open { started_ns: now_ns, counted: Counted::default() });
    }

    /// Ends a bound statement, unless it has ended.
    pub(crate) fn end_open(&mut self, number: u64, outcome: Outcome, now_ns: i64, out: &mut Vec<Action>) {
        let Some(open) = self.open.remove(&number) else {
            self.counted = Counted::default();
            return;
        };
        self.counted.add(&open.counted);
        self.log_end(number, outcome, open.started_ns, now_ns, out);
    }

    /// A portal rests: what it sent is kept until it ends.
    pub(crate) fn suspend(&mut self, number: u64) {
        let counted = std::mem::take(&mut self.counted);
        if let Some(open) = self.open.get_mut(&number) {
            open.counted.add(&counted);
        }
    }

    /// Ends of portals that the transaction's end destroys; what a later batch has bound is not meant. A cursor may be one WITH HOLD,
    /// which outlives it.
    pub(crate) fn end_portals(&mut self, now_ns: i64, out: &mut Vec<Action>) {
        let later = self.queue.iter().find_map(|owed| match owed {
            Expect::Bind { number, .. } => Some(*number),
            Expect::Execute(e) if e.cursor => Some(e.number),
            _ => None,
        });
        let later = later.unwrap_or(u64::MAX);
        while let Some(number) = self.open.keys().next().copied().filter(|n| *n < later) {
            self.end_open(number, status("ok"), now_ns, out);
        }
        self.names.portals.retain(|_, p| p.number == 0 || p.number >= later);
        for cursor in self.names.portals.values_mut().filter(|p| p.number == 0) {
            cursor.ended = true;
        }
    }

    /// Ends of everything, because a side is gone.
    pub(crate) fn end_all(&mut self, why: &'static str, now_ns: i64, out: &mut Vec<Action>) {
        if let Some(number) = self.approved.take() {
            self.log_end(number, status(why), now_ns, now_ns, out);
        }
        if let Some(own) = self.failing_copy.take() {
            Session::own_ended(own, status(why), now_ns, out);
        }
        for owed in std::mem::take(&mut self.queue) {
            if let Some(own) = owed.own() {
                Session::own_ended(own, status(why), now_ns, out);
            } else if let Expect::Query(q) = owed {
                self.log_end(q.number, status(why), q.started_ns, now_ns, out);
            }
        }
        while let Some(number) = self.open.keys().next().copied() {
            self.end_open(number, status(why), now_ns, out);
        }
        self.names.portals.clear();
    }

    /// The number under which a portal runs. A cursor's DECLARE has its own entries: each reading of it is a statement too.
    pub(crate) fn execution_number(&mut self, portal: &Portal, now_ns: i64, out: &mut Vec<Action>) -> u64 {
        if portal.number != 0 {
            out.push(Action::Log { number: portal.number, entry: Log::Execute, durable: false });
            return portal.number;
        }
        let number = self.next_number();
        let durable = portal.judgement.durable;
        out.push(Action::Log { number, entry: Log::Begin(portal.judgement.clone(), Vec::new()), durable });
        self.open(number, now_ns);
        number
    }
}
