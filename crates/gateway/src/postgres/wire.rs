//! Postgres's part in driving a session.

use std::pin::Pin;

use bytes::BytesMut;
use querygate_session::{ClientReply, Habits, Injected};

use crate::{
    driver::{CANCEL_WAIT_MAX, Driver, Wire},
    postgres::{replies, rows::CopyRows, upstream::ServerKey},
    registry::Cancelled,
};

/// What the driver keeps of a Postgres session's bytes.
#[derive(Default)]
pub struct Postgres {
    /// How to cancel what the server runs.
    pub server_key: Option<ServerKey>,
    /// Bytes of a client message that are dropped unread.
    pub drop_client: usize,
    /// Bytes of a client's message that go through unread.
    pub pass_client: usize,
    /// Bytes of a server message that go through unread.
    pub pass_server: usize,
    /// Bytes of a server message that are dropped unread.
    pub drop_server: usize,
    /// The names of a COPY's columns are to come as its first message.
    pub copy_names: bool,
    /// Messages to be presented in place of the client's.
    pub instead: BytesMut,
    /// Until ReadyForQuery the client gets the replies of a text of several statements.
    pub plain_replies: bool,
    /// How the rows of the COPY that answers now are written.
    pub copy_rows: Option<CopyRows>,
}

impl Wire for Postgres {
    const HABITS: Habits = Habits { errors_keep_transactions: false, prepare_replaces: false };

    fn client_frames(driver: &mut Driver<Postgres>) -> bool {
        driver.client_frames()
    }

    fn server_frames(driver: &mut Driver<Postgres>) -> bool {
        driver.server_frames()
    }

    fn has_client_frame(driver: &Driver<Postgres>) -> bool {
        driver.has_client_frame()
    }

    fn forward(driver: &mut Driver<Postgres>, frame: &[u8], text: Option<&str>) {
        match text {
            Some(text) => replies::forward_text(&mut driver.io.server.output, frame, text),
            None => driver.io.server.output.extend_from_slice(frame),
        }
    }

    fn present_apart(driver: &mut Driver<Postgres>, texts: &[Box<str>]) {
        replies::apart(&mut driver.wire.instead, texts);
        driver.wire.plain_replies = true;
    }

    fn inject(driver: &mut Driver<Postgres>, message: &Injected) {
        replies::inject(&mut driver.io.server.output, message);
    }

    fn tell(driver: &mut Driver<Postgres>, reply: &ClientReply) {
        replies::tell(&mut driver.io.client.output, reply);
    }

    fn farewell(driver: &mut Driver<Postgres>, code: &'static str, words: &str) {
        replies::fatal(&mut driver.io.client.output, code, words);
    }

    fn leave(driver: &mut Driver<Postgres>, status: &str) {
        replies::terminate(&mut driver.io.server.output, status);
    }

    fn cancel(driver: &Driver<Postgres>) -> Option<Pin<Box<dyn Future<Output = Cancelled>>>> {
        let (upstream, key) = (driver.database.upstream.clone(), driver.wire.server_key.clone()?);
        Some(Box::pin(async move { upstream.cancel(&key, CANCEL_WAIT_MAX).await }))
    }
}
