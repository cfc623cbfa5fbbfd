//! What a server says before it is ready.

use querygate_postgres::{
    auth::{LoginError, ServerLogin, Step},
    backend::{Authentication, Message},
    startup::CancelKey,
};

use super::ConnectError;

/// What has been learnt of a server that greets.
pub(super) struct Greeting {
    /// The log-in, while it goes on.
    login: Option<ServerLogin>,
    /// The minor version of protocol 3 that was asked for.
    minor: u16,
    /// It has understood the start-up packet: it asked for a proof, or let in.
    pub understood: bool,
    pub key: Option<CancelKey>,
    pub parameters: Vec<(String, String)>,
}

pub(super) enum Next {
    Read,
    Send(Vec<u8>),
    Ready,
}

impl Greeting {
    pub fn new(login: ServerLogin, minor: u16) -> Greeting {
        Greeting { login: Some(login), minor, understood: false, key: None, parameters: Vec::new() }
    }

    /// Takes a message; the error is none for one that does not belong here.
    pub fn on(&mut self, message: Message<'_>) -> Result<Next, Option<ConnectError>> {
        match message {
            Message::Authentication(step) => {
                self.understood = true;
                self.authenticate(&step).map_err(Some)
            }
            Message::BackendKeyData(key) if self.login.is_none() => {
                self.key = Some(key);
                Ok(Next::Read)
            }
            Message::ParameterStatus { name, value } if self.login.is_none() => {
                self.parameters.push((name.to_owned(), value.to_owned()));
                Ok(Next::Read)
            }
            Message::NoticeResponse(_) => Ok(Next::Read),
            // An older version than asked for; no option was asked for, so none can be unknown.
            Message::NegotiateProtocolVersion(n) if n.minor < self.minor && n.options.is_empty() => {
                self.minor = n.minor;
                Ok(Next::Read)
            }
            Message::ErrorResponse(fields) => Err(Some(ConnectError::Refused {
                code: fields.code().to_owned(),
                message: fields.message().into_owned(),
            })),
            Message::ReadyForQuery(_) if self.login.is_none() => Ok(Next::Ready),
            _ => Err(None),
        }
    }

    fn authenticate(&mut self, step: &Authentication<'_>) -> Result<Next, ConnectError> {
        let login = self.login.take().ok_or(LoginError::Unexpected)?;
        match login.on(step)? {
            Step::Done => Ok(Next::Read),
            Step::Send(login, bytes) => {
                self.login = Some(login);
                Ok(Next::Send(bytes.to_vec()))
            }
            Step::Wait(login) => {
                self.login = Some(login);
                Ok(Next::Read)
            }
        }
    }
}
