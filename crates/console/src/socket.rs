use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::{
    BindError, Control, Services, handlers,
    http::{Limits, serve},
};

/// The socket's name in the data folder.
const SOCKET: &str = "control.sock";

/// The lock's name there: whoever holds it owns the socket.
const LOCK: &str = "control.lock";

/// Longest path of a socket, in bytes (`sun_path` of unix(7), which ends in a zero byte).
const MAX_PATH_BYTES: usize = 107;

/// A follower of the log stays connected; nobody needs it for longer than a day at a time.
const LIMITS: Limits = Limits { connections: 64, lifetime: Duration::from_secs(24 * 3600) };

/// Where the control socket of the gateway with this data folder is.
pub fn socket_path(data: &Path) -> PathBuf {
    data.join(SOCKET)
}

/// The server of the control socket. While it lives no other gateway can use the same data folder.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    place: Place,
}

/// The socket's file, removed at the end, and the lock that makes it ours.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    _lock: File,
}

impl Drop for Place {
    fn drop(&mut self) {
        // If it can't be removed, the next start does it.
        let _ = fs::remove_file(&self.path);
    }
}

impl ControlServer {
    /// Makes the socket in the data folder, for its owner alone. A socket left by a gateway that was killed is replaced. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// Another gateway runs, or the socket can't be made.
    pub fn bind(data: &Path) -> Result<ControlServer, BindError> {
        let path = socket_path(data);
        if path.as_os_str().len() > MAX_PATH_BYTES {
            return Err(BindError::LongPath { path, limit: MAX_PATH_BYTES });
        }
        let lock = lock(data)?;
        remove_stale(&path)?;
        let listener = listen(data, &path)?;
        Ok(ControlServer { listener, place: Place { path, _lock: lock } })
    }

    /// Serves until `stop`.
    pub async fn serve<C: Control>(self, services: Services<C>, stop: CancellationToken) {
        let place = self.place;
        serve(self.listener, handlers::control(services), LIMITS, stop).await;
        drop(place);
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BindError {
    move |source| BindError::File { action, path: path.to_owned(), source }
}

fn lock(data: &Path) -> Result<File, BindError> {
    let path = data.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BindError::AlreadyRunning { data: data.to_owned() }),
        Err(TryLockError::Error(e)) => Err(failed("lock", &path)(e)),
    }
}

/// Removes what a killed gateway left; we hold the lock, so nobody listens there.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed("look at", path)(e)),
        Ok(found) if !found.file_type().is_socket() => Err(BindError::NotASocket { path: path.to_owned() }),
        Ok(_) => fs::remove_file(path).map_err(failed("remove", path)),
    }
}

/// Listens in a folder that nobody else can enter, and moves the socket to its place when its mode is right: there is no moment
/// in which others could connect.
fn listen(data: &Path, path: &Path) -> Result<UnixListener, BindError> {
    let private =
        tempfile::Builder::new().prefix(".c").rand_bytes(6).tempdir_in(data).map_err(failed("write in", data))?;
    let made = private.path().join("s");
    let listener = UnixListener::bind(&made).map_err(failed("make the socket", path))?;
    fs::set_permissions(&made, Permissions::from_mode(0o600)).map_err(failed("set the mode of", path))?;
    fs::rename(&made, path).map_err(failed("make the socket", path))?;
    Ok(listener)
}
