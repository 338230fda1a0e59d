//! The directory that the private servers live in: its lock and its password.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::DevError;

/// The open directory. While it lives, nobody else can open it.
pub(super) struct Directory {
    /// Absolute and free of symbolic links: the servers are told paths under it and run elsewhere.
    path: PathBuf,
    /// The password of both servers: 32 hexadecimal digits, so that it needs no quoting in a URL, in SQL or in Redis.
    pub(super) password: String,
    /// The system drops the lock when the file is closed, be it by a crash.
    _lock: File,
}

impl Directory {
    /// Creates the directory if it is not there, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, DevError> {
        fs::create_dir_all(path).map_err(DevError::file("create", path))?;
        let path = path.canonicalize().map_err(DevError::file("open", path))?;
        let lock = lock(&path)?;
        let password = password(&path.join("password"))?;
        Ok(Self { path, password, _lock: lock })
    }

    /// The path of what is called `name` in the directory.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The path of the directory itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(dir: &Path) -> Result<File, DevError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(DevError::file("create", &path))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that is just being started holds our files, this one too, until its program runs.
            Err(TryLockError::WouldBlock) if begun.elapsed() < START => sleep(START / 10),
            Err(TryLockError::WouldBlock) => return Err(DevError::Busy { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(DevError::file("lock", path)(source)),
        }
    }
}

/// Longer than it takes to start a process.
const START: Duration = Duration::from_millis(200);

/// Reads the password, or makes one on the first start.
fn password(path: &Path) -> Result<String, DevError> {
    match fs::read_to_string(path) {
        Ok(password) => Ok(password.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_password(path),
        Err(error) => Err(DevError::file("read", path)(error)),
    }
}

/// Writes aside and renames: a crash in between must not leave an empty password behind.
fn create_password(path: &Path) -> Result<String, DevError> {
    let password = Uuid::new_v4().simple().to_string();
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&draft).and_then(|mut file| writeln!(file, "{password}"));
    written.and_then(|()| fs::rename(&draft, path)).map_err(DevError::file("write", path))?;
    Ok(password)
}
