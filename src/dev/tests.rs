//! The private servers, really started: what must hold from one start to the next.

use std::{fs::Permissions, net::TcpStream, os::unix::fs::PermissionsExt, time::Duration};

use tempfile::TempDir;

use super::{DevError, Options, Services};

/// A directory that an unprivileged account may enter, lest the data go elsewhere when the tests run as root.
fn directory() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap()
}

fn fast() -> Options {
    Options { postgres_settings: vec![("fsync".into(), "off".into())], redis_settings: Vec::new() }
}

fn accepts(url: &str) -> bool {
    let address = url.split('@').nth(1).unwrap().split('/').next().unwrap();
    TcpStream::connect(address).is_ok()
}

#[tokio::test]
async fn a_second_start_finds_the_same_addresses() {
    let dir = directory();
    let first = Services::start_with(dir.path(), fast()).await.unwrap();
    let urls = (first.database_url().to_owned(), first.redis_url().to_owned());
    assert!(accepts(&urls.0) && accepts(&urls.1));
    first.stop().await;
    assert!(!accepts(&urls.0) && !accepts(&urls.1));

    let second = Services::start_with(dir.path(), fast()).await.unwrap();
    assert_eq!((second.database_url(), second.redis_url()), (urls.0.as_str(), urls.1.as_str()));
    second.stop().await;
}

#[tokio::test]
async fn a_directory_serves_one_at_a_time() {
    let dir = directory();
    let first = Services::start_with(dir.path(), fast()).await.unwrap();
    let second = Services::start_with(dir.path(), fast()).await;
    assert!(matches!(second, Err(DevError::Busy { .. })));
    first.stop().await;
}

#[tokio::test]
async fn dropped_servers_end_and_a_new_start_waits_for_it() {
    let dir = directory();
    let first = Services::start_with(dir.path(), fast()).await.unwrap();
    let (database, redis) = (first.database_url().to_owned(), first.redis_url().to_owned());
    drop(first);
    let second = Services::start_with(dir.path(), fast()).await.unwrap();
    drop(second);
    let gone = async {
        while accepts(&database) || accepts(&redis) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the guardians stop the servers");
}

#[tokio::test]
async fn a_server_that_refuses_its_settings_is_quoted() {
    let dir = directory();
    let settings = vec![("max_connections".to_owned(), "many".to_owned())];
    let options = Options { postgres_settings: settings, ..Options::default() };
    let error = Services::start_with(dir.path(), options).await.err().unwrap();
    assert!(error.to_string().contains("max_connections"), "{error}");
}
