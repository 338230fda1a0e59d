//! Where a server keeps its data, and which account it runs as.
//!
//! An ordinary user runs the servers as itself, with the data in the directory. Root cannot: PostgreSQL refuses, and
//! rightly so. As root, both servers run as the account `postgres`, or else `nobody`, and own their data. That account
//! may have no way to the directory (`/root` is closed to it), and opening other people's directories is not ours to
//! do: then the data go to `/var/lib/rowcast`, and the directory holds a link to them. The place there has a random
//! name, so that a directory that was removed and made anew never meets, or deletes, the data of another.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::{
        self,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::Stdio,
};

use nix::unistd::{User, geteuid};
use tokio::process::Command;
use uuid::Uuid;

use super::{DevError, directory::Directory};

/// Where data go that cannot stay in the directory.
const ELSEWHERE: &str = "/var/lib/rowcast";

/// The accounts that root hands the servers to, best first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// A server's data directory and its account.
pub(super) struct Home {
    /// Absolute and free of symbolic links.
    pub(super) path: PathBuf,
    /// Whom to become; none if we are nobody special ourselves.
    account: Option<Account>,
}

#[derive(Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Home {
    /// Finds, or makes, the home of the server `name`.
    pub(super) fn of(directory: &Directory, name: &str) -> Result<Self, DevError> {
        let path = directory.file(name);
        if geteuid().is_root() {
            return Self::as_root(directory, name, &path);
        }
        create_dir(&path, 0o700)?;
        Ok(Self { path: resolve(&path)?, account: None })
    }

    fn as_root(directory: &Directory, name: &str, path: &Path) -> Result<Self, DevError> {
        let unprivileged = Account::unprivileged()?;
        if let Ok(elsewhere) = path.read_link() {
            create_dir(&elsewhere, 0o700)?;
        } else if path.is_dir() || unprivileged.can_enter(directory.path()) {
            create_dir(path, 0o700)?;
        } else {
            create_elsewhere(name, path)?;
        }
        let path = resolve(path)?;
        let account = own(&path, unprivileged)?;
        Ok(Self { path, account: Some(account) })
    }

    /// A command that runs in this home as its account, out of reach of the terminal's Ctrl-C.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.path).process_group(0).stdin(Stdio::null());
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Account {
    fn unprivileged() -> Result<Self, DevError> {
        let mut users = UNPRIVILEGED.iter().filter_map(|name| User::from_name(name).ok().flatten());
        let user = users.next().ok_or(DevError::NoAccount)?;
        Ok(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    }

    /// Tries it, since permission bits alone do not tell: there are access lists, mounts and security modules.
    fn can_enter(self, dir: &Path) -> bool {
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", "cd \"$0\""]).arg(dir).current_dir("/").stderr(Stdio::null());
        unix::process::CommandExt::uid(&mut command, self.uid);
        unix::process::CommandExt::gid(&mut command, self.gid);
        command.status().is_ok_and(|status| status.success())
    }
}

/// Returns whom the data belong to. Data that an ordinary user made stay with that user; what root has just created is
/// given away first.
fn own(path: &Path, unprivileged: Account) -> Result<Account, DevError> {
    let metadata = path.metadata().map_err(DevError::file("read", path))?;
    if metadata.uid() != 0 {
        return Ok(Account { uid: metadata.uid(), gid: metadata.gid() });
    }
    let Account { uid, gid } = unprivileged;
    unix::fs::chown(path, Some(uid), Some(gid)).map_err(DevError::file("change the owner of", path))?;
    Ok(unprivileged)
}

fn create_elsewhere(name: &str, link: &Path) -> Result<(), DevError> {
    let elsewhere = Path::new(ELSEWHERE).join(format!("{name}-{}", Uuid::new_v4().simple()));
    create_dir(Path::new(ELSEWHERE), 0o755)?;
    // A strict umask may have closed it, but the account must get through.
    fs::set_permissions(ELSEWHERE, Permissions::from_mode(0o755)).map_err(DevError::file("open", ELSEWHERE))?;
    create_dir(&elsewhere, 0o700)?;
    unix::fs::symlink(&elsewhere, link).map_err(DevError::file("create", link))
}

fn create_dir(path: &Path, mode: u32) -> Result<(), DevError> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.map_err(DevError::file("create", path)),
    }
}

fn resolve(path: &Path) -> Result<PathBuf, DevError> {
    path.canonicalize().map_err(DevError::file("open", path))
}
