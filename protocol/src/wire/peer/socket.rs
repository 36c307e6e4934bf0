//! Unix sockets that only their owner can reach, at paths of any length.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};

use jsonrpsee::Methods;
use nix::libc;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use nix::sys::stat::Mode;
use nix::unistd::Uid;
use tokio::net::{UnixListener, UnixStream};

use super::Peer;
use crate::host::crash::point;

/// Why a socket can not be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The socket could not be made.
    #[error("cannot listen at {}: {source}", path.display())]
    Listen {
        /// The path of the socket.
        path: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
    /// Something that is no socket is in the way; it is left alone.
    #[error("cannot listen at {}: it exists and is not a socket\nmove it away: the socket is made when it is needed", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Nobody listens ([`SocketError::nobody_listens`]), or the way there is barred.
    #[error("cannot connect to {}: {source}", path.display())]
    Connect {
        /// The path of the socket.
        path: PathBuf,
        /// The answer of the system.
        source: io::Error,
    },
    /// The other end belongs to another user.
    #[error("refused {}: its other end belongs to user {theirs}, this is user {ours}", path.display())]
    Stranger {
        /// The path of the socket.
        path: PathBuf,
        /// The user at the other end.
        theirs: u32,
        /// The user of this process.
        ours: u32,
    },
}

impl SocketError {
    /// Whether there was nobody to connect to: no socket, one whose listener is gone, or one whose listener went before it
    /// took the connection. Linux resets the connections that wait when a listening socket closes.
    pub fn nobody_listens(&self) -> bool {
        let SocketError::Connect { source, .. } = self else { return false };
        matches!(
            source.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
        )
    }
}

/// A listening socket. Its file stays when this is dropped; the next listener replaces it.
#[derive(Debug)]
pub struct SocketListener {
    listener: UnixListener,
    path: PathBuf,
}

/// Listens at `path`, with mode 0600 from the first moment.
///
/// A socket that is already there is replaced in one step: the caller holds a lock which proves that its listener is
/// dead. The path may be of any length, its last part up to 80 bytes. Must be called within a runtime.
pub fn listen(path: &Path) -> Result<SocketListener, SocketError> {
    let failed = |source| SocketError::Listen { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = bind(path).map_err(failed)?;
    Ok(SocketListener { listener, path: path.to_owned() })
}

/// Connects to the listener at `path`, and refuses one that belongs to another user.
pub async fn connect(path: &Path) -> Result<UnixStream, SocketError> {
    let failed = |source| SocketError::Connect { path: path.to_owned(), source };
    let (directory, name) = split(path).map_err(failed)?;
    let stream = UnixStream::connect(short(&directory, name)).await.map_err(failed)?;
    check_owner(&stream, path)?;
    Ok(stream)
}

/// As [`connect`], for who calls and serves nothing. Must be called within a runtime with time enabled.
pub async fn dial(path: &Path) -> Result<Peer, SocketError> {
    let (read, write) = connect(path).await?.into_split();
    Ok(Peer::start(read, write, Methods::new()))
}

impl SocketListener {
    /// Waits for the next connection of this user. Those of others are closed with a warning.
    ///
    /// Fails if the process has no descriptor left; the listener stays usable. Cancel safe.
    pub async fn accept(&self) -> Result<UnixStream, SocketError> {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => match check_owner(&stream, &self.path) {
                    Ok(()) => return Ok(stream),
                    Err(refused) => tracing::warn!("{refused}"),
                },
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(source) => {
                    return Err(SocketError::Listen { path: self.path.clone(), source });
                }
            }
        }
    }
}

/// Binds under a name of our own and renames it, so that nobody finds a socket that does not listen yet.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let (directory, name) = split(path)?;
    let mut ours = OsStr::new(".").to_owned();
    ours.push(name);
    ours.push(format!(".{}", std::process::id()));
    let ours = short(&directory, &ours);
    match fs::remove_file(&ours) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket: OwnedFd = nix::sys::socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Linux makes the file with the mode of the unbound socket: no umask, which other threads share, is touched.
    nix::sys::stat::fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    nix::sys::socket::bind(socket.as_raw_fd(), &UnixAddr::new(&ours)?)?;
    point("socket bound");
    let renamed = nix::sys::socket::listen(&socket, Backlog::MAXCONN)
        .map_err(io::Error::from)
        .and_then(|()| fs::rename(&ours, short(&directory, name)));
    if let Err(error) = renamed {
        let _ = fs::remove_file(&ours);
        return Err(error);
    }
    point("socket in place");
    UnixListener::from_std(StdUnixListener::from(socket))
}

/// The directory of a path, opened, and its last part.
fn split(path: &Path) -> io::Result<(File, &OsStr)> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        Some(_) | None => Path::new("."),
    };
    let directory = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(directory)?;
    Ok((directory, name))
}

/// A socket address holds 107 bytes; by way of the directory's descriptor the name is all that counts.
fn short(directory: &File, name: &OsStr) -> PathBuf {
    Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name)
}

fn check_owner(stream: &UnixStream, path: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::Connect { path: path.to_owned(), source };
    let theirs = stream.peer_cred().map_err(failed)?.uid();
    let ours = Uid::effective().as_raw();
    if theirs == ours {
        return Ok(());
    }
    Err(SocketError::Stranger { path: path.to_owned(), theirs, ours })
}
