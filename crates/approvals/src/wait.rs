use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use querygate_record::HoldId;
use tokio::sync::oneshot;

use crate::{Desk, Ruling, Withdrawn};

/// The asker's side of a request: a future of its ruling. Dropping it before there is one withdraws the request as
/// [`Withdrawn::Disconnected`], so none is ever left behind.
#[must_use = "dropping it withdraws the request"]
pub struct Wait {
    id: HoldId,
    desk: Desk,
    ruling: oneshot::Receiver<Ruling>,
    over: bool,
}

impl Wait {
    pub(crate) fn new(id: HoldId, desk: Desk, ruling: oneshot::Receiver<Ruling>) -> Wait {
        Wait { id, desk, ruling, over: false }
    }

    /// The request's id.
    pub fn id(&self) -> &HoldId {
        &self.id
    }

    /// The ruling, if there is one already. It is given out once, here or by awaiting.
    pub fn ruled(&mut self) -> Option<Ruling> {
        let ruling = self.ruling.try_recv().ok();
        self.over |= ruling.is_some();
        ruling
    }
}

impl Future for Wait {
    type Output = Ruling;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ruling> {
        let ruling = std::task::ready!(Pin::new(&mut self.ruling).poll(context));
        self.over = true;
        // The other side is kept until it sends; should it vanish, nothing may run.
        Poll::Ready(ruling.unwrap_or(Ruling::Stopped))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if !self.over {
            // Whether it was too late or couldn't be written down: nobody is left to tell.
            let _ = self.desk.withdraw(&self.id, Withdrawn::Disconnected);
        }
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("id", &self.id).finish_non_exhaustive()
    }
}
