//! The files of the workspace, and no others: a path that leads out of it is refused by the kernel, whatever links lie on the
//! way and whoever changes them meanwhile (`openat2(2)`, `RESOLVE_BENEATH`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, fchmod, fstat, ftruncate, mkdirat, openat, openat2, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;

use crate::limits::FILE_BYTES_MAX;

/// A directory that no path leads out of.
#[derive(Debug)]
pub(crate) struct ConfinedDir {
    root: OwnedFd,
    path: PathBuf,
}

/// Nothing waits for a peer (a pipe, a terminal) when it is opened.
const NEVER_WAIT: OFlags = OFlags::CLOEXEC.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

impl ConfinedDir {
    /// The directory at that path, which has to be there.
    pub(crate) fn open(path: &Path) -> io::Result<ConfinedDir> {
        let path = path.canonicalize()?;
        let root = OwnedFd::from(File::open(&path)?);
        Ok(ConfinedDir { root, path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of a file. Fails with words for the model.
    pub(crate) fn read(&self, given: &str) -> Result<Vec<u8>, String> {
        let path = self.relative(given)?;
        let file = self.open_file(&path, OFlags::RDONLY).map_err(|error| refusal("read", given, error))?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| refusal("read", given, error.into()))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(format!(
                "cannot read {given}: it has more than {FILE_BYTES_MAX} bytes; look at parts of it with bash"
            ));
        }
        Ok(bytes)
    }

    /// The text of a file.
    pub(crate) fn read_text(&self, given: &str) -> Result<String, String> {
        String::from_utf8(self.read(given)?).map_err(|_| format!("cannot read {given}: it is no text in UTF-8"))
    }

    /// Writes a file anew, and makes the directories above it. Fails with words for the model, and then a file that was there
    /// is as it was.
    pub(crate) fn write(&self, given: &str, text: &str) -> Result<(), String> {
        let path = self.relative(given)?;
        let written = self.make_parents(&path).and_then(|()| self.replace(&path, text.as_bytes()));
        written.map_err(|error| refusal("write", given, error))
    }

    /// Writes the new text beside the old one and puts it in its place, so that a full disk or a kill leaves the old one. What
    /// is reached by a link, or has more names than one, is written where it is: all of its names are to show the new text.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), PathRefusal> {
        let name = path.file_name().ok_or(PathRefusal::Other(Errno::ISDIR.into()))?;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat2(&self.root, above, flags, Mode::empty(), BENEATH)?;
        let mode = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode).is_file() && found.st_nlink == 1 => {
                // What may not be written is not replaced either.
                self.open_file(path, OFlags::WRONLY)?;
                Some(Mode::from_raw_mode(found.st_mode))
            }
            Ok(_) => return self.write_in_place(path, bytes),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(error.into()),
        };
        let beside = format!(".teamster-{}.part", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = match openat(&dir, &beside, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => File::from(file),
            // The file may be written, and nothing may be made beside it.
            Err(Errno::ACCESS | Errno::PERM) => return self.write_in_place(path, bytes),
            Err(error) => return Err(error.into()),
        };
        let written = mode.map_or(Ok(()), |mode| fchmod(&file, mode).map_err(io::Error::from));
        let written = written.and_then(|()| file.write_all(bytes));
        let replaced = written.and_then(|()| Ok(renameat(&dir, &beside, &dir, name)?));
        if replaced.is_err() {
            let _ = unlinkat(&dir, &beside, AtFlags::empty());
        }
        Ok(replaced?)
    }

    fn write_in_place(&self, path: &Path, bytes: &[u8]) -> Result<(), PathRefusal> {
        let mut file = self.open_file(path, OFlags::WRONLY | OFlags::CREATE)?;
        ftruncate(&file, 0)?;
        Ok(file.write_all(bytes)?)
    }

    /// The path below the directory; a whole path is taken if it begins with that of the directory.
    fn relative(&self, given: &str) -> Result<PathBuf, String> {
        let given_path = Path::new(given);
        let path = match given_path.strip_prefix(&self.path) {
            Ok(below) => below,
            Err(_) if given_path.is_absolute() => return Err(leads_out(given)),
            Err(_) => given_path,
        };
        if path.as_os_str().is_empty() || given.contains('\0') {
            return Err(format!("{given:?} names no file"));
        }
        Ok(path.to_owned())
    }

    fn open_file(&self, path: &Path, flags: OFlags) -> Result<File, PathRefusal> {
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o666) } else { Mode::empty() };
        let file = openat2(&self.root, path, flags | NEVER_WAIT, mode, BENEATH)?;
        let kind = rustix::fs::FileType::from_raw_mode(fstat(&file)?.st_mode);
        if kind.is_dir() {
            return Err(PathRefusal::Other(Errno::ISDIR.into()));
        }
        if !kind.is_file() {
            return Err(PathRefusal::NoFile);
        }
        Ok(File::from(file))
    }

    fn make_parents(&self, path: &Path) -> Result<(), PathRefusal> {
        let mut above = PathBuf::from(".");
        for part in path.parent().into_iter().flat_map(Path::components) {
            if let Component::Normal(name) = part {
                let dir = openat2(
                    &self.root,
                    &above,
                    OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                    Mode::empty(),
                    BENEATH,
                )?;
                match mkdirat(dir.as_fd(), name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            above.push(part);
        }
        Ok(())
    }
}

/// No path leads out: not by `..`, not by a link, not by `/proc`.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// The reason why a file is not touched.
#[derive(Debug)]
enum PathRefusal {
    LeadsOut,
    NoFile,
    Other(io::Error),
}

impl From<Errno> for PathRefusal {
    fn from(error: Errno) -> PathRefusal {
        // The kernel's word for a path that would leave the directory.
        if error == Errno::XDEV { PathRefusal::LeadsOut } else { PathRefusal::Other(error.into()) }
    }
}

impl From<io::Error> for PathRefusal {
    fn from(error: io::Error) -> PathRefusal {
        PathRefusal::Other(error)
    }
}

fn refusal(verb: &str, given: &str, why: PathRefusal) -> String {
    match why {
        PathRefusal::LeadsOut => leads_out(given),
        PathRefusal::NoFile => format!("cannot {verb} {given}: it is a pipe, a socket or a device, and no file"),
        PathRefusal::Other(error) => format!("cannot {verb} {given}: {error}"),
    }
}

fn leads_out(given: &str) -> String {
    format!("{given} leads out of the workspace, and only files within it are yours")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn dirs() -> (tempfile::TempDir, ConfinedDir) {
        let around = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(around.path().join("w")).expect("a folder");
        fs::write(around.path().join("secret"), "s").expect("a file");
        let confined = ConfinedDir::open(&around.path().join("w")).expect("it is there");
        (around, confined)
    }

    #[test]
    fn a_file_is_written_with_the_directories_above_it_and_read_by_either_path() {
        let (_around, dir) = dirs();
        dir.write("a/b/c.txt", "long text").expect("it can be written");
        dir.write("a/b/../d.txt", "short").expect("it can be written");
        dir.write("a/b/c.txt", "short").expect("it can be written");
        assert_eq!(dir.read_text("a/b/c.txt").as_deref(), Ok("short"));
        let whole = dir.path().join("a/d.txt");
        assert_eq!(dir.read_text(whole.to_str().expect("plain")).as_deref(), Ok("short"));
    }

    #[test]
    fn a_file_is_replaced_whole_and_all_of_its_names_show_the_new_text() {
        let (_around, dir) = dirs();
        let file = dir.path().join("run.sh");
        fs::write(&file, "old").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o750)).expect("it is ours");
        let open = File::open(&file).expect("it is there");
        dir.write("run.sh", "new").expect("it can be written");
        let mode = fs::metadata(&file).expect("it is there").permissions().mode();
        assert_eq!((dir.read_text("run.sh").as_deref(), mode & 0o777), (Ok("new"), 0o750));
        assert_eq!(io::read_to_string(open).ok().as_deref(), Some("old"), "the old text was not written over");
        symlink("run.sh", dir.path().join("link")).expect("a link");
        dir.write("link", "newer").expect("it can be written");
        fs::hard_link(&file, dir.path().join("twin")).expect("a second name");
        dir.write("twin", "newest").expect("it can be written");
        assert_eq!(dir.read_text("run.sh").as_deref(), Ok("newest"));
        assert!(fs::symlink_metadata(dir.path().join("link")).expect("it is there").is_symlink());
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 3, "nothing is left beside them");
    }

    #[test]
    fn no_path_and_no_link_leads_out() {
        let (around, dir) = dirs();
        let secret = around.path().join("secret");
        symlink(&secret, dir.path().join("file")).expect("a link");
        symlink("../secret", dir.path().join("relative")).expect("a link");
        symlink(around.path(), dir.path().join("folder")).expect("a link");
        symlink("/proc/self/cwd", dir.path().join("magic")).expect("a link");
        let secret = secret.to_str().expect("plain").to_owned();
        for path in
            ["../secret", "file", "relative", "folder/secret", "folder/new/x", "x/../../secret", "magic/x", &secret]
        {
            let read = dir.read(path).expect_err(path);
            let written = dir.write(path, "mine").expect_err(path);
            if !path.starts_with("x/") {
                assert!(read.contains("leads out of the workspace"), "{path}: {read}");
            }
            assert!(written.contains("leads out of the workspace"), "{path}: {written}");
        }
        assert_eq!(fs::read(around.path().join("secret")).expect("it is there"), b"s");
        assert!(!around.path().join("new").exists());
    }

    #[test]
    fn what_is_no_file_is_refused_and_keeps_nobody_waiting() {
        let (_around, dir) = dirs();
        nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(dir.read("pipe").expect_err("a pipe").contains("no file"));
        assert!(dir.write("pipe", "x").is_err());
        assert!(dir.read("").is_err());
        assert!(dir.read(".").expect_err("a directory").contains("s a directory"));
        fs::write(dir.path().join("binary"), [0xff, 0xfe]).expect("a file");
        assert!(dir.read_text("binary").expect_err("no text").contains("UTF-8"));
    }
}
