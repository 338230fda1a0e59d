//! One PostgreSQL and one Redis for all tests of a run, on free ports, gone when the run ends.

use std::{path::PathBuf, sync::OnceLock};

use rowcast::dev::{Options, Services};

/// Where the run's servers are.
#[derive(Clone)]
pub struct Servers {
    pub database_url: String,
    pub redis_url: String,
}

static SERVERS: OnceLock<Servers> = OnceLock::new();

/// Starts the servers with the first call. They live on a thread of their own, since every test has its own runtime;
/// when this process ends, however it ends, their guardians stop them.
pub fn servers() -> &'static Servers {
    SERVERS.get_or_init(|| {
        sweep();
        let (started, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let services = Services::start_with(&directory(std::process::id()), options()).await.unwrap();
                let servers = Servers {
                    database_url: services.database_url().to_owned(),
                    redis_url: services.redis_url().to_owned(),
                };
                started.send(servers).unwrap();
                std::future::pending::<()>().await;
                drop(services);
            });
        });
        wait.recv().expect("PostgreSQL and Redis start")
    })
}

/// Fast rather than durable: a machine that crashes need not keep what a test wrote.
fn options() -> Options {
    let postgres =
        [("fsync", "off"), ("max_connections", "400"), ("max_prepared_transactions", "16"), ("shared_buffers", "64MB")];
    Options {
        postgres_settings: postgres.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        redis_settings: vec![("save".to_owned(), "\"\"".to_owned())],
    }
}

fn directory(process: u32) -> PathBuf {
    std::env::temp_dir().join(format!("rowcast-it-{process}"))
}

/// Removes what earlier runs have left: a process cannot remove the data of servers that outlive it by a moment.
fn sweep() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let process = name.strip_prefix("rowcast-it-").and_then(|process| process.parse::<u32>().ok());
        if process.is_some_and(|process| !PathBuf::from(format!("/proc/{process}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
