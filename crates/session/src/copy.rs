//! COPY FROM STDIN: while the server reads data, it ignores Flush and Sync, and any other message fails the COPY
//! (PostgreSQL documentation, "COPY Operations").

use querygate_record::{Copy, CopyDirection};

use crate::{
    client::forward,
    event::{Action, ClientMessage, Injected, Relay, ServerMessage, Step},
    expect::Expect,
    judgement::Part,
    session::{Mode, Session},
};

impl Session {
    /// A message that arrives while the server reads COPY data.
    pub(crate) fn copy_message(&mut self, message: ClientMessage<'_>, now_ns: i64, out: &mut Vec<Action>) -> Step {
        match message {
            ClientMessage::CopyData => forward(out),
            ClientMessage::CopyDone | ClientMessage::CopyFail => {
                self.copy_in = false;
                forward(out)
            }
            // Should the server just have failed the COPY, it would heed them: so it does not see them.
            ClientMessage::Flush | ClientMessage::Sync => Step::Taken,
            _ => self.fail_copy(now_ns, out),
        }
    }

    /// Whether a COPY may come that reads this message as its data: what it is, is not known yet. Sync and Flush are ignored by it.
    pub(crate) fn waits_for_copy(&mut self, message: ClientMessage<'_>) -> bool {
        if !self.copy_owed || matches!(message, ClientMessage::Flush | ClientMessage::Sync) {
            return false;
        }
        self.copy_owed = self.queue.iter().any(may_read);
        self.copy_owed
    }

    /// Lets the server fail the COPY, as the client's message would have. That message itself is not sent: should the COPY have
    /// failed already, the server would run it. A portal that can't exist does nothing either way.
    fn fail_copy(&mut self, now_ns: i64, out: &mut Vec<Action>) -> Step {
        self.copy_in = false;
        self.failing_copy = Some(self.own("fail a COPY that was broken off", now_ns, out));
        out.push(Action::Inject(Injected::Poison));
        if matches!(self.queue.front(), Some(Expect::Query(_))) {
            out.push(Action::Inject(Injected::Sync));
            self.queue.push_back(Expect::Sync { own: true });
        }
        Step::Taken
    }

    /// The server's word on COPY.
    pub(crate) fn copying(&mut self, message: ServerMessage<'_>, now_ns: i64, out: &mut Vec<Action>) -> Relay {
        self.copy_in = matches!(message, ServerMessage::CopyIn);
        if self.copy_in {
            self.copy_begins();
        }
        if self.copy_in && self.muted {
            self.fail_muted_copy(now_ns, out);
        }
        Relay::Pass
    }

    /// To the client the text or pipeline has failed: it sends no data.
    fn fail_muted_copy(&mut self, now_ns: i64, out: &mut Vec<Action>) {
        let pipelined = matches!(self.queue.front(), Some(Expect::Execute(_)));
        self.fail_copy(now_ns, out);
        if pipelined && matches!(self.mode, Mode::Ready) {
            // The COPY has read the client's Sync as part of its data.
            self.inject(Injected::Sync, [Expect::Sync { own: false }], out);
        }
    }

    /// Drivers send Sync together with the Execute that starts a COPY: the server reads it as part of the data, and ignores it.
    fn copy_begins(&mut self) {
        let pipelined = match self.queue.front_mut() {
            Some(Expect::Query(q)) => {
                q.read_part = q.part + 1;
                false
            }
            Some(Expect::Execute(e)) => {
                e.reads = false;
                true
            }
            _ => return,
        };
        while matches!(self.queue.get(1), Some(Expect::Sync { .. })) {
            self.queue.remove(1);
        }
        self.batch.open |= pipelined;
        self.batch.executed |= pipelined;
    }
}

fn may_read(owed: &Expect) -> bool {
    match owed {
        Expect::Query(q) => q.failed.is_none() && q.judgement.parts.iter().skip(q.part.max(q.read_part)).any(reads),
        Expect::Execute(e) => e.reads,
        _ => false,
    }
}

pub(crate) fn reads(part: &Part) -> bool {
    matches!(part.copy, Some(Copy { direction: CopyDirection::FromStdin, .. }))
}
