//! Where the programs of PostgreSQL and Redis are on this machine.
//!
//! Debian and its kin keep PostgreSQL's server programs out of `PATH`, one directory per version, so these are looked
//! at first; then where `pg_config` says; then in `PATH`. A version that differs from the data's would refuse to start.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::DevError;

/// Where Debian and Ubuntu put PostgreSQL, in one directory per version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Where `redis-server` may be although `PATH` does not say so, as under cron.
const USUAL: [&str; 3] = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];

/// Finds the directory that holds both `initdb` and `postgres`; preferably of the version that made the data, if there
/// are any, or else the newest.
pub(super) fn postgres(version: Option<&str>) -> Result<PathBuf, DevError> {
    let same = version.map(|version| Path::new(VERSIONS).join(version).join("bin"));
    let places = same.into_iter().chain(newest_first(Path::new(VERSIONS))).chain(configured()).chain(search_path());
    let mut complete = places.filter(|place| place.join("initdb").is_file() && place.join("postgres").is_file());
    complete.next().ok_or(DevError::Missing { program: "postgres", package: "postgresql" })
}

/// Finds the Redis server, or Valkey, which is the same in all that matters here.
pub(super) fn redis() -> Result<PathBuf, DevError> {
    let places: Vec<PathBuf> = search_path().chain(USUAL.map(PathBuf::from)).collect();
    let programs = ["redis-server", "valkey-server"];
    let mut found = programs.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
    found
        .find(|program| program.is_file())
        .ok_or(DevError::Missing { program: "redis-server", package: "redis-server" })
}

/// The program directories of all versions under `root`.
fn newest_first(root: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, bin)| bin)
}

fn configured() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(path.trim()))
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_not_words() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "17", "16", "common"] {
            fs::create_dir(root.path().join(version)).unwrap();
        }
        let found: Vec<PathBuf> = newest_first(root.path()).collect();
        let expected: Vec<PathBuf> = ["17/bin", "16/bin", "9/bin"].map(|bin| root.path().join(bin)).into();
        assert_eq!(found, expected);
    }
}
