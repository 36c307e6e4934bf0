//! Opening and reading files in a place where agents can put anything: a named pipe would block its reader for ever, a
//! device has no end, and a link leads elsewhere. Only a plain file is opened; of anything else it is said what it is.

use std::{
    error::Error,
    fmt,
    fs::{self, File, FileType, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
    sys::statfs::{FsType, fstatfs},
};

/// The kind of thing that stands in the place of a plain file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPlain {
    /// Its kind, with the article: `a named pipe`.
    pub kind: &'static str,
}

impl NotPlain {
    /// Whether it is a directory, which is not removed as easily as anything else.
    pub fn is_directory(self) -> bool {
        self.kind == DIRECTORY
    }
}

const DIRECTORY: &str = "a directory";

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is {}, not a file", self.kind)
    }
}

impl Error for NotPlain {}

/// A plain file could be opened, and not be read at some place.
#[derive(Debug)]
pub struct ReadFailure {
    /// The bytes before that place.
    pub at: u64,
    /// The answer of the system.
    pub source: io::Error,
}

impl From<ReadFailure> for io::Error {
    /// The place goes into the words; a shortage of the machine keeps its number, by which it is known.
    fn from(ReadFailure { at, source }: ReadFailure) -> io::Error {
        match source.raw_os_error() {
            Some(libc::EIO) | None => io::Error::new(source.kind(), format!("{source} at byte {at}")),
            Some(_) => source,
        }
    }
}

/// Opens a plain file, and nothing else: follows no link in its last part, does not block, and becomes nobody's
/// terminal. An error that [`not_plain`] knows says what stands there.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<(File, Metadata)> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match options.custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) => {
            // A link, a socket, a pipe without a reader, a directory: the number alone does not tell which.
            let told = matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO | libc::EISDIR | libc::ENODEV));
            let there = if told { fs::symlink_metadata(path).ok() } else { None };
            return Err(match there.and_then(|there| kind(there.file_type())) {
                Some(kind) => refusal(kind),
                None => error,
            });
        }
    };
    let there = file.metadata()?;
    match kind(there.file_type()) {
        None => Ok((file, there)),
        Some(kind) => Err(refusal(kind)),
    }
}

/// Opens a plain file for reading, as [`open`] does.
pub fn open_to_read(path: &Path) -> io::Result<(File, Metadata)> {
    open(OpenOptions::new().read(true), path)
}

/// The bytes of a file that a person or another program named: links are followed, and a pipe without a name, such as the
/// shell makes of `<(command)`, is read to its end, which can take long. Anything else than that and a plain file is refused as by
/// [`open`]. Refuses one of more than `bytes_max`, and reads no more than that and a byte.
pub fn read_given(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // A pipe with a name and without a writer is opened at once by this.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENODEV)) => {
            return Err(fs::metadata(path).ok().and_then(|there| kind(there.file_type())).map_or(error, refusal));
        }
        Err(error) => return Err(error),
    };
    let there = file.metadata()?;
    if let Some(kind) = kind(there.file_type()) {
        if is_nameless_pipe(&file)? {
            fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
        } else if there.file_type().is_char_device() && there.rdev() == NULL_DEVICE {
            return Ok(Vec::new());
        } else {
            return Err(refusal(kind));
        }
    }
    read_bounded(file, bytes_max)
}

/// The bytes of a stream to its end. Refuses more than `bytes_max`, and reads no more than that and a byte.
pub fn read_bounded(from: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let why = format!("it is longer than the {bytes_max} bytes that are read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// The device and its number of `/dev/null` on Linux: 1 and 3.
const NULL_DEVICE: u64 = libc::makedev(1, 3);

/// Whether it is a pipe that has no name in any directory, so that whoever gave it has its other end.
fn is_nameless_pipe(file: &File) -> io::Result<bool> {
    // PIPEFS_MAGIC in linux/magic.h, which the library has no name for.
    const PIPES: FsType = FsType(0x5049_5045);
    Ok(fstatfs(file)?.filesystem_type() == PIPES)
}

/// Makes a file that was not there, under a name that is only for the moment: what a crash left there, or somebody put
/// there, is removed. A directory is refused as by [`open`].
pub fn create_anew(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.create_new(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => Err(refusal(DIRECTORY)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => options.open(path),
    }
}

/// The thing that stands in the place of a file, if this error of [`open`] is about that.
pub fn not_plain(error: &io::Error) -> Option<NotPlain> {
    error.get_ref()?.downcast_ref().copied()
}

/// The whole of a plain file, up to the length that it has when it is opened. Refuses one of more than `bytes_max`.
pub fn read_whole(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let (file, there) = open_to_read(path)?;
    let length = there.len();
    if length > bytes_max {
        return Err(too_long(length, bytes_max));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let got = read_full(&file, &mut bytes, 0)?;
    bytes.truncate(got);
    Ok(bytes)
}

/// Why a file is not read that is longer than it may be.
pub fn too_long(length: u64, bytes_max: u64) -> io::Error {
    let why = format!("it has {length} bytes, more than the {bytes_max} that such a file may have");
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

/// Reads from a place on until the buffer is full or the file ends. A read that gives less than it was asked for is no
/// end: the next one tells whether more is there, or that it can not be read.
pub fn read_full(file: &File, buffer: &mut [u8], at: u64) -> Result<usize, ReadFailure> {
    let mut got = 0;
    while got < buffer.len() {
        match read_once(file, &mut buffer[got..], at + got as u64)? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

/// One read, begun again when a signal interrupts it. 0 is the end of the file.
pub fn read_once(file: &File, buffer: &mut [u8], at: u64) -> Result<usize, ReadFailure> {
    loop {
        match file.read_at(buffer, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(got) => return Ok(got),
            Err(source) => return Err(ReadFailure { at, source }),
        }
    }
}

/// Refuses anything else than a directory of this very name: a link would lead what is written into it elsewhere.
pub fn must_be_directory(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?.file_type();
    if found.is_dir() {
        return Ok(());
    }
    let why = format!("{} is {}, not a directory", path.display(), kind_with_article(found));
    Err(io::Error::new(io::ErrorKind::NotADirectory, why))
}

/// The kind of a thing, with the article.
pub fn kind_with_article(found: FileType) -> &'static str {
    kind(found).unwrap_or("a file")
}

/// The kind of what is no plain file.
fn kind(found: FileType) -> Option<&'static str> {
    if found.is_file() {
        None
    } else if found.is_dir() {
        Some(DIRECTORY)
    } else if found.is_symlink() {
        Some("a symbolic link")
    } else if found.is_fifo() {
        Some("a named pipe")
    } else if found.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

fn refusal(kind: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, NotPlain { kind })
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        os::{
            fd::AsRawFd,
            unix::{fs::symlink, net::UnixListener},
        },
    };

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn anything_but_a_file_is_named_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        fs::create_dir(place("directory")).unwrap();
        symlink("/dev/zero", place("link")).unwrap();
        symlink("nowhere", place("dangling")).unwrap();
        mkfifo(&place("pipe"), Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(place("socket")).unwrap();
        for (path, due) in [
            (place("directory"), "a directory"),
            (place("link"), "a symbolic link"),
            (place("dangling"), "a symbolic link"),
            (place("pipe"), "a named pipe"),
            (place("socket"), "a socket"),
            ("/dev/zero".into(), "a device"),
        ] {
            for append in [false, true] {
                let mut options = OpenOptions::new();
                options.read(true).append(append).create(append);
                let error = open(&mut options, &path).unwrap_err();
                assert_eq!(not_plain(&error).map(|found| found.kind), Some(due), "{}: {error}", path.display());
                assert_eq!(error.to_string(), format!("it is {due}, not a file"));
            }
        }
        assert!(!place("nowhere").exists(), "a link that leads nowhere is not filled");
    }

    #[test]
    fn a_file_is_read_whole_and_one_that_is_too_long_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "hello").unwrap();
        assert_eq!(read_whole(&path, 5).unwrap(), b"hello");
        let error = read_whole(&path, 4).unwrap_err().to_string();
        assert_eq!(error, "it has 5 bytes, more than the 4 that such a file may have");
        assert_eq!(read_whole(&dir.path().join("none"), 4).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
    #[test]
    fn a_given_file_is_followed_bounded_and_nobody_waits_for_a_pipe_with_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        fs::write(place("file"), "hello").unwrap();
        symlink(place("file"), place("link")).unwrap();
        symlink("/dev/zero", place("zeros")).unwrap();
        mkfifo(&place("pipe"), Mode::S_IRWXU).unwrap();
        assert_eq!(read_given(&place("link"), 5).unwrap(), b"hello");
        assert_eq!(read_given(Path::new("/dev/null"), 5).unwrap(), b"");
        for (name, due) in [("pipe", "a named pipe"), ("zeros", "a device"), (".", DIRECTORY)] {
            let error = read_given(&place(name), 5).unwrap_err();
            assert_eq!(not_plain(&error).map(|found| found.kind), Some(due), "{name}: {error}");
        }
        let error = read_given(&place("file"), 4).unwrap_err().to_string();
        assert_eq!(error, "it is longer than the 4 bytes that are read");
        let error = read_bounded(io::repeat(0), 4).unwrap_err().to_string();
        assert_eq!(error, "it is longer than the 4 bytes that are read");
        let (reads, mut writes) = io::pipe().unwrap();
        writes.write_all(b"of a pipe").unwrap();
        drop(writes);
        let given = format!("/proc/self/fd/{}", reads.as_raw_fd());
        assert_eq!(read_given(Path::new(&given), 9).unwrap(), b"of a pipe");
    }
}
