//! How a client proves who it is: SCRAM-SHA-256, over TLS bound to the gateway's certificate (RFC 5802, RFC 5929; PostgreSQL
//! documentation, "SASL Authentication").

use bytes::BytesMut;
use querygate_postgres::{
    backend::encode,
    frame::Frame,
    frontend,
    scram::server::{ScramError, ServerFirst},
};
use querygate_record::ScramVerifier;

use super::client::{Client, GreetError};

/// Why a client has not proved who it is.
pub enum Unproved {
    /// It went away, or was told already.
    Gone(GreetError),
    /// Its messages are wrong.
    Scram(ScramError),
}

impl From<GreetError> for Unproved {
    fn from(gone: GreetError) -> Unproved {
        Unproved::Gone(gone)
    }
}

/// Runs the exchange against a verifier; gives the gateway's own proof, which is sent only once the account is known to be one.
pub async fn prove(client: &mut Client, verifier: &ScramVerifier) -> Result<Vec<u8>, Unproved> {
    let exchange = ServerFirst::new(client.end_point.as_deref().map(<[u8]>::to_vec));
    let mut out = BytesMut::new();
    encode::authentication_sasl(&mut out, exchange.mechanisms());
    client.write(&out).await?;
    let frame = answer(client).await?;
    let first = frontend::password::sasl_initial(frame.body()).map_err(|_| malformed("the first message"))?;
    let data = first.data.ok_or_else(|| malformed("the first message is empty"))?;
    let (challenge, exchange) = exchange.client_first(first.mechanism, data, verifier).map_err(Unproved::Scram)?;
    let mut out = BytesMut::new();
    encode::authentication_sasl_continue(&mut out, &challenge);
    client.write(&out).await?;
    let frame = answer(client).await?;
    exchange.client_final(frontend::password::sasl_response(frame.body())).map_err(Unproved::Scram)
}

async fn answer(client: &mut Client) -> Result<Frame, Unproved> {
    let frame = client.frame().await?;
    if frame.kind() == frontend::kind::AUTHENTICATION {
        return Ok(frame);
    }
    Err(malformed("an answer to the log-in was expected"))
}

fn malformed(what: &'static str) -> Unproved {
    Unproved::Scram(ScramError::Malformed { what })
}
