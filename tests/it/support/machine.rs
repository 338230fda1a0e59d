//! A server that belongs to one test, which may end it in any way and start it again.

use std::path::{Path, PathBuf};

use rowcast::dev::Service;

/// A PostgreSQL or a Redis.
pub struct Machine {
    kind: Kind,
    dir: PathBuf,
    settings: Vec<(String, String)>,
    running: Option<Service>,
    url: String,
}

#[derive(Clone, Copy)]
enum Kind {
    Postgres,
    Redis,
}

/// Fast rather than durable, as far as a crash of the whole machine goes: only the servers crash here.
const POSTGRES: [(&str, &str); 3] = [("fsync", "off"), ("max_connections", "120"), ("shared_buffers", "64MB")];

impl Machine {
    /// Starts a PostgreSQL with its data in this directory.
    pub async fn postgres(dir: &Path) -> Self {
        Self::start_kind(Kind::Postgres, dir, &POSTGRES).await
    }

    /// Starts a Redis with its data in this directory; it keeps them when it is stopped in good order.
    pub async fn redis(dir: &Path) -> Self {
        Self::start_kind(Kind::Redis, dir, &[]).await
    }

    async fn start_kind(kind: Kind, dir: &Path, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut machine = Self { kind, dir: dir.to_owned(), settings, running: None, url: String::new() };
        machine.start().await;
        machine
    }

    /// Starts it again, on the same data and, if it is free, on the same port.
    pub async fn start(&mut self) {
        let started = match self.kind {
            Kind::Postgres => Service::postgres(&self.dir, &self.settings).await,
            Kind::Redis => Service::redis(&self.dir, &self.settings).await,
        };
        let service = started.unwrap();
        self.url = service.url().to_owned();
        self.running = Some(service);
    }

    /// Where it is, or was.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process id of the server.
    pub fn id(&self) -> i32 {
        self.running.as_ref().and_then(Service::id).expect("it runs").as_raw()
    }

    /// Where its data are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sends a signal that ends it, and waits for the end.
    pub async fn end(&mut self, signal: &str) {
        super::signal(self.id(), signal);
        let mut service = self.running.take().expect("it runs");
        super::soon("the server ends", service.ended()).await;
    }
}
