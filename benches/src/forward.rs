use std::{io, net::SocketAddr, thread};

use clap::Parser;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

/// Connections that the system keeps for a listener that is busy.
const BACKLOG: i32 = 1024;

/// Why forwarding ends.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A socket.
    #[error("can't listen: {0}")]
    Listen(#[from] io::Error),
    /// A thread.
    #[error("an event loop ended by a panic")]
    Loop,
}

/// Where to listen, and where to connect to for each client.
#[derive(Clone, Debug, Parser)]
pub struct Forwarding {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where the server is.
    pub server: SocketAddr,
    /// Event loops; one per core by default.
    #[arg(long, default_value_t = cores())]
    pub loops: usize,
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

impl Forwarding {
    /// Accepts clients until the process ends; `serve` gets each with a server connection of its own, on the event loop that accepted it.
    pub fn run<F>(&self, serve: impl Fn(TcpStream, TcpStream) -> F + Clone + Send + 'static) -> Result<(), ForwardError>
    where
        F: Future<Output = io::Result<()>> + 'static,
    {
        let mut loops = Vec::new();
        for _ in 0..self.loops.max(1) {
            let listener = listener(self.listen)?;
            let (server, serve) = (self.server, serve.clone());
            loops.push(thread::spawn(move || event_loop(listener, server, serve)));
        }
        for thread in loops {
            thread.join().map_err(|_| ForwardError::Loop)??;
        }
        Ok(())
    }
}

/// As the gateway's: the system spreads clients over the listeners.
fn listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn event_loop<F>(
    listener: std::net::TcpListener,
    server: SocketAddr,
    serve: impl Fn(TcpStream, TcpStream) -> F + Clone + 'static,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (client, _) = listener.accept().await?;
            let serve = serve.clone();
            tokio::task::spawn_local(async move {
                if let Err(error) = connected(client, server, serve).await {
                    eprintln!("a connection ended: {error}");
                }
            });
        }
    })
}

async fn connected<F>(
    client: TcpStream,
    server: SocketAddr,
    serve: impl Fn(TcpStream, TcpStream) -> F,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>>,
{
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    serve(client, server).await
}
