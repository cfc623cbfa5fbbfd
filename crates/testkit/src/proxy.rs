//! A network that fails on demand: a TCP relay that stalls, cuts, refuses, or hands bytes over one at a time.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use parking_lot::{Condvar, Mutex};

use crate::Error;

/// Bytes carried at once.
const CHUNK_BYTES: usize = 16 << 10;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the one who connected.
    ToServer,
    /// Back to the one who connected.
    ToClient,
}

#[derive(Debug, Default)]
struct Faults {
    /// Where new connections go.
    server: Option<SocketAddr>,
    stalled: Vec<Direction>,
    refuse: bool,
    single_bytes: bool,
    over: bool,
    sockets: Vec<TcpStream>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Mutex<Faults>,
    changed: Condvar,
}

/// A relay to one address. It ends, and cuts what it carries, with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts to relay to `server`.
    pub fn to(server: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(Error::io("listen"))?;
        let address = listener.local_addr().map_err(Error::io("listen"))?;
        let shared = Arc::new(Shared::default());
        shared.faults.lock().server = Some(server);
        let relay = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &relay));
        Ok(Self { address, shared })
    }

    /// Where to connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds back what goes in one direction, until [`Proxy::resume`].
    pub fn stall(&self, direction: Direction) {
        self.shared.faults.lock().stalled.push(direction);
    }

    /// Lets everything flow again.
    pub fn resume(&self) {
        let mut faults = self.shared.faults.lock();
        faults.stalled.clear();
        faults.single_bytes = false;
        faults.refuse = false;
        drop(faults);
        self.shared.changed.notify_all();
    }

    /// From now on each byte goes in a write of its own.
    pub fn single_bytes(&self) {
        self.shared.faults.lock().single_bytes = true;
    }

    /// From now on new connections are closed at once.
    pub fn refuse(&self) {
        self.shared.faults.lock().refuse = true;
    }

    /// From now on new connections go to another server; those that exist stay with theirs.
    pub fn redirect(&self, server: SocketAddr) {
        self.shared.faults.lock().server = Some(server);
    }

    /// Cuts all connections that exist.
    pub fn cut(&self) {
        for socket in self.shared.faults.lock().sockets.drain(..) {
            // One that is closed already is cut.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.faults.lock().over = true;
        self.shared.changed.notify_all();
        self.cut();
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming().flatten() {
        let mut faults = shared.faults.lock();
        if faults.over {
            return;
        }
        if faults.refuse {
            continue;
        }
        let Some(Ok(upstream)) = faults.server.map(TcpStream::connect) else { continue };
        let copies = [client.try_clone(), upstream.try_clone(), client.try_clone(), upstream.try_clone()];
        let [Ok(client_out), Ok(upstream_out), Ok(client_kept), Ok(upstream_kept)] = copies else { continue };
        faults.sockets.extend([client_kept, upstream_kept]);
        drop(faults);
        let (there, back) = (Arc::clone(shared), Arc::clone(shared));
        thread::spawn(move || carry(client, upstream_out, Direction::ToServer, &there));
        thread::spawn(move || carry(upstream, client_out, Direction::ToClient, &back));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, direction: Direction, shared: &Shared) {
    let mut chunk = vec![0; CHUNK_BYTES];
    // Delays between small writes are the kernel's to make unless they are asked for.
    let _ = to.set_nodelay(true);
    while let Ok(count) = from.read(&mut chunk) {
        let mut faults = shared.faults.lock();
        while faults.stalled.contains(&direction) && !faults.over {
            shared.changed.wait(&mut faults);
        }
        let size = if faults.single_bytes { 1 } else { CHUNK_BYTES };
        drop(faults);
        let bytes = chunk.get(..count).unwrap_or_default();
        if count == 0 || bytes.chunks(size).try_for_each(|part| to.write_all(part)).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::{RawClient, message};

    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut copy = socket.try_clone().unwrap();
                    std::io::copy(&mut socket, &mut copy)
                });
            }
        });
        address
    }

    #[test]
    fn what_is_stalled_comes_after_it_is_resumed_and_not_before() {
        let proxy = Proxy::to(echo()).unwrap();
        let mut client = RawClient::connect(proxy.address()).unwrap();
        proxy.stall(Direction::ToClient);
        client.send(&message(b'X', b"there and back")).unwrap();
        assert!(client.is_quiet(Duration::from_millis(50)).unwrap());
        proxy.resume();
        assert_eq!(client.expect(b'X').unwrap().body, b"there and back");
    }

    #[test]
    fn single_bytes_arrive_whole() {
        let proxy = Proxy::to(echo()).unwrap();
        proxy.single_bytes();
        let mut client = RawClient::connect(proxy.address()).unwrap();
        client.send(&message(b'X', &[7; 1000])).unwrap();
        assert_eq!(client.expect(b'X').unwrap().body, [7; 1000]);
    }

    #[test]
    fn a_redirect_changes_where_later_connections_go_and_no_earlier_one() {
        let proxy = Proxy::to(echo()).unwrap();
        let mut before = RawClient::connect(proxy.address()).unwrap();
        before.send(&message(b'X', b"")).unwrap();
        before.expect(b'X').unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        proxy.redirect(silent.local_addr().unwrap());
        let mut after = RawClient::connect(proxy.address()).unwrap();
        after.send(b"there").unwrap();
        let mut there = [0; 5];
        silent.accept().unwrap().0.read_exact(&mut there).unwrap();
        assert_eq!(&there, b"there");
        before.send(&message(b'X', b"")).unwrap();
        before.expect(b'X').unwrap();
    }

    #[test]
    fn a_cut_ends_both_sides() {
        let proxy = Proxy::to(echo()).unwrap();
        let mut client = RawClient::connect(proxy.address()).unwrap();
        client.send(&message(b'X', b"")).unwrap();
        client.expect(b'X').unwrap();
        proxy.cut();
        assert!(matches!(client.read(), Err(Error::Closed(_))));
    }
}
