//! A scripted client on raw bytes: says anything to a Postgres port and waits for named messages, never for long.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use postgres_protocol::authentication::sasl::ScramSha256;
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

pub use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};

use crate::{Error, Target};

/// How long an answer may take.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// The longest frame taken, in bytes: far more than any test asks for.
const LONGEST_FRAME: usize = 64 << 20;
/// Protocol 3.0 in a start-up packet.
const PROTOCOL_3_0: u32 = 0x0003_0000;

/// One message of the server's side: its type byte and what follows the length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Type byte.
    pub tag: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

impl Frame {
    /// A field of an error or notice, such as `b'C'` for the SQLSTATE.
    pub fn field(&self, code: u8) -> Option<String> {
        let found = self.body.split(|byte| *byte == 0).find(|field| field.first() == Some(&code))?;
        found.get(1..).map(|text| String::from_utf8_lossy(text).into_owned())
    }
}

/// A socket, encrypted or not.
#[derive(Debug)]
enum Socket {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    fn tcp(&self) -> &TcpStream {
        match self {
            Socket::Plain(stream) => stream,
            Socket::Encrypted(stream) => &stream.sock,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(stream) => stream.read(buffer),
            Socket::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(stream) => stream.write(bytes),
            Socket::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(stream) => stream.flush(),
            Socket::Encrypted(stream) => stream.flush(),
        }
    }
}

/// A connection on which a test sends what it likes.
#[derive(Debug)]
pub struct RawClient {
    stream: Socket,
    pending: Vec<u8>,
}

impl RawClient {
    /// Connects and says nothing yet.
    pub fn connect(address: SocketAddr) -> Result<Self, Error> {
        let stream =
            TcpStream::connect_timeout(&address, ANSWER_LIMIT).map_err(Error::io(format!("connect to {address}")))?;
        stream.set_nodelay(true).map_err(Error::io("set a socket"))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT)).map_err(Error::io("set a socket"))?;
        Ok(Self { stream: Socket::Plain(stream), pending: Vec::new() })
    }

    /// Does a TLS handshake with a server of this name, as the settings say.
    pub fn encrypt(self, config: Arc<ClientConfig>, name: &str) -> Result<Self, Error> {
        let Socket::Plain(mut socket) = self.stream else {
            return Err(Error::Unexpected("encrypted already".to_owned()));
        };
        let name = ServerName::try_from(name.to_owned()).map_err(|e| Error::Unexpected(e.to_string()))?;
        socket.set_read_timeout(Some(ANSWER_LIMIT)).map_err(Error::io("set a time limit"))?;
        let mut connection = ClientConnection::new(config, name).map_err(|e| Error::Unexpected(e.to_string()))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(Error::io("do a TLS handshake"))?;
        }
        let stream = Socket::Encrypted(Box::new(StreamOwned::new(connection, socket)));
        Ok(Self { stream, pending: self.pending })
    }

    /// The server's certificate (DER), where TLS is on.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Socket::Plain(_) => None,
            Socket::Encrypted(stream) => Some(stream.conn.peer_certificates()?.first()?.to_vec()),
        }
    }

    /// Connects, logs in with SCRAM, and reads to the first ReadyForQuery.
    pub fn login(target: &Target) -> Result<Self, Error> {
        let address = SocketAddr::from(([127, 0, 0, 1], target.port));
        let mut client = Self::connect(address)?;
        client.send(&startup(&[("user", &target.user), ("database", &target.database)]))?;
        client.scram(&target.password)?;
        client.read_until(b'Z')?;
        Ok(client)
    }

    /// Proves that it knows a password by SCRAM-SHA-256, after the start-up packet was sent.
    pub fn scram(&mut self, password: &str) -> Result<(), Error> {
        self.prove(SCRAM_SHA_256, password, ChannelBinding::unsupported())
    }

    /// The same with a mechanism and a channel binding of one's choice.
    pub fn prove(&mut self, mechanism: &str, password: &str, binding: ChannelBinding) -> Result<(), Error> {
        let offered = self.expect(b'R')?;
        let offered = String::from_utf8_lossy(offered.body.get(4..).unwrap_or_default()).into_owned();
        if !offered.split('\0').any(|name| name == mechanism) {
            return Err(Error::Unexpected(format!("no {mechanism} among the mechanisms: {offered:?}")));
        }
        let mut exchange = ScramSha256::new(password.as_bytes(), binding);
        let mut first = mechanism.as_bytes().to_vec();
        first.push(0);
        first.extend(length(exchange.message().len()));
        first.extend(exchange.message());
        self.send(&message(b'p', &first))?;
        let challenge = self.expect(b'R')?;
        exchange
            .update(challenge.body.get(4..).unwrap_or_default())
            .map_err(Error::io("answer the SCRAM challenge"))?;
        self.send(&message(b'p', exchange.message()))?;
        let proof = self.expect(b'R')?;
        exchange.finish(proof.body.get(4..).unwrap_or_default()).map_err(Error::io("check the server's proof"))?;
        self.expect(b'R').map(drop)
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(Error::io("send"))
    }

    /// Sends each byte in a packet of its own.
    pub fn dribble(&mut self, bytes: &[u8]) -> Result<(), Error> {
        bytes.chunks(1).try_for_each(|byte| self.send(byte))
    }

    /// The connection itself, for a reader of its own; `None` where bytes that came were not read as messages yet.
    pub fn into_stream(self) -> Option<TcpStream> {
        match self.stream {
            Socket::Plain(stream) if self.pending.is_empty() => Some(stream),
            _ => None,
        }
    }

    /// Sends a simple query and returns all that comes up to ReadyForQuery.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Frame>, Error> {
        self.send(&query(sql))?;
        self.read_until(b'Z')
    }

    /// The next message.
    pub fn read(&mut self) -> Result<Frame, Error> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            self.fill(ANSWER_LIMIT)?;
        }
    }

    /// The next message, which must be of this type.
    pub fn expect(&mut self, tag: u8) -> Result<Frame, Error> {
        let frame = self.read()?;
        if frame.tag == tag {
            return Ok(frame);
        }
        let said = frame.field(b'M').unwrap_or_default();
        Err(Error::Unexpected(format!("wanted {:?}, got {:?} {said}", char::from(tag), char::from(frame.tag))))
    }

    /// All messages up to and with the first one of this type.
    pub fn read_until(&mut self, tag: u8) -> Result<Vec<Frame>, Error> {
        let mut all = Vec::new();
        loop {
            let frame = self.read()?;
            let last = frame.tag == tag;
            all.push(frame);
            if last {
                return Ok(all);
            }
        }
    }

    /// Waits for the other side to close; what it still sends before is returned.
    pub fn read_to_end(&mut self) -> Result<Vec<Frame>, Error> {
        let mut all = Vec::new();
        loop {
            match self.read() {
                Ok(frame) => all.push(frame),
                Err(Error::Closed(_)) => return Ok(all),
                Err(other) => return Err(other),
            }
        }
    }

    /// Whether nothing comes within `time`. A message that has come stays to be read.
    pub fn is_quiet(&mut self, time: Duration) -> Result<bool, Error> {
        if !self.pending.is_empty() {
            return Ok(false);
        }
        match self.fill(time) {
            Err(Error::TimedOut { .. }) => Ok(true),
            Ok(()) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Closes the sending half, as a client that died halfway.
    pub fn close_sending(&self) -> Result<(), Error> {
        self.stream.tcp().shutdown(Shutdown::Write).map_err(Error::io("close the sending half"))
    }

    /// The next byte outside any message: the answer to an SSLRequest.
    pub fn read_byte(&mut self) -> Result<u8, Error> {
        while self.pending.is_empty() {
            self.fill(ANSWER_LIMIT)?;
        }
        Ok(self.pending.remove(0))
    }

    fn take(&mut self) -> Result<Option<Frame>, Error> {
        let Some((header, _)) = self.pending.split_first_chunk::<5>() else { return Ok(None) };
        let [tag, a, b, c, d] = *header;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(4..=LONGEST_FRAME).contains(&length) {
            return Err(Error::Unexpected(format!("message {:?} of length {length}", char::from(tag))));
        }
        if self.pending.len() <= length {
            return Ok(None);
        }
        let rest = self.pending.split_off(length + 1);
        let whole = std::mem::replace(&mut self.pending, rest);
        Ok(Some(Frame { tag, body: whole.get(5..).unwrap_or_default().to_vec() }))
    }

    fn fill(&mut self, limit: Duration) -> Result<(), Error> {
        self.stream.tcp().set_read_timeout(Some(limit)).map_err(Error::io("set a time limit"))?;
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(Error::Closed("a message".to_owned())),
            Ok(count) => {
                self.pending.extend_from_slice(chunk.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(Error::TimedOut { what: "a message".to_owned(), limit, log: String::new() })
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(Error::Closed("a message".to_owned())),
            Err(source) => Err(Error::Io { doing: "read".to_owned(), source }),
        }
    }
}

fn length(of: usize) -> [u8; 4] {
    u32::try_from(of).unwrap_or(u32::MAX).to_be_bytes()
}

/// A message with its type byte and length.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(length(body.len() + 4));
    bytes.extend(body);
    bytes
}

/// A start-up packet of protocol 3.0.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    startup_of(0, parameters)
}

/// A start-up packet of protocol 3.`minor`.
pub fn startup_of(minor: u16, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = (PROTOCOL_3_0 | u32::from(minor)).to_be_bytes().to_vec();
    for text in parameters.iter().flat_map(|(name, value)| [name, value]) {
        body.extend(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut packet = length(body.len() + 4).to_vec();
    packet.extend(body);
    packet
}

/// A simple query.
pub fn query(sql: &str) -> Vec<u8> {
    let mut body = sql.as_bytes().to_vec();
    body.push(0);
    message(b'Q', &body)
}

/// The types of messages, in order, as letters: `"TDCZ"`.
pub fn tags(frames: &[Frame]) -> String {
    frames.iter().map(|frame| char::from(frame.tag)).collect()
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut bytes = message(b'E', b"SERROR\0C42501\0Mno\0\0");
            bytes.extend(message(b'Z', b"I"));
            for byte in bytes {
                socket.write_all(&[byte]).unwrap();
            }
        });
        let mut client = RawClient::connect(address).unwrap();
        let frames = client.read_until(b'Z').unwrap();
        assert_eq!(tags(&frames), "EZ");
        assert_eq!(frames[0].field(b'C').as_deref(), Some("42501"));
        assert!(matches!(client.read(), Err(Error::Closed(_))));
        server.join().unwrap();
    }

    #[test]
    fn a_start_up_packet_counts_its_own_length() {
        assert_eq!(startup(&[("user", "a")]), b"\x00\x00\x00\x10\x00\x03\x00\x00user\0a\0\0");
    }
}
