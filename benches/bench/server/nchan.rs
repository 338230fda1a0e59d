//! nchan: nginx with one worker, as Debian packages it. What is published goes to it over HTTP and stays in its memory.

use std::{fs, net::SocketAddr, path::Path, process::Stdio};

use futures_util::future::LocalBoxFuture;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Load, Past, Server, free_port, http::Poster, listens, publisher::Publisher, version, which};
use crate::process::{Place, at};

/// Where Debian has the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

struct Nchan {
    address: SocketAddr,
    nginx: Child,
    publisher: Publisher,
    past: Poster,
    _dir: TempDir,
}

pub fn is_there() -> bool {
    which("nginx").is_some() && Path::new(MODULE).exists()
}

pub fn terms() -> String {
    let packages =
        std::process::Command::new("dpkg-query").args(["-W", "-f", "${Version}", "libnginx-mod-nchan"]).output();
    let module = packages.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    format!("{module}, {} (one worker, messages in memory, 1,000 a channel)", version("nginx", "-v"))
}

pub async fn start() -> impl Server {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let root = dir.path().display();
    let conf = format!(
        "daemon off; worker_processes 1; worker_rlimit_nofile 19990; pid {root}/pid; error_log {root}/error.log error;
         load_module {MODULE};
         events {{ worker_connections 19900; }}
         http {{
             access_log off; client_body_temp_path {root}/body; nchan_shared_memory_size 512M; keepalive_requests 1000000000;
             server {{
                 listen 127.0.0.1:{port} backlog=65535 sndbuf=64k;
                 location ~ ^/pub/(\\w+)$ {{
                     nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 1000; nchan_message_timeout 1h;
                 }}
                 location ~ ^/sub/(\\w+)$ {{
                     nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest;
                 }}
                 location ~ ^/past/(\\w+)$ {{
                     nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message oldest;
                 }}
             }}
         }}"
    );
    let file = dir.path().join("nginx.conf");
    fs::write(&file, conf).unwrap();
    let mut command = Command::new(which("nginx").unwrap());
    command.arg("-p").arg(dir.path()).arg("-c").arg(&file).stderr(Stdio::null()).kill_on_drop(true);
    let nginx = at(Place::Server, || command.spawn().unwrap());
    let address = ([127, 0, 0, 1], port).into();
    listens(address).await;
    let mut poster = Poster::connect(address, "").await;
    let past = Poster::connect(address, "").await;
    let publisher = Publisher::start(async move |rooms: &[usize]| {
        poster.post(rooms.iter().map(|room| (format!("/pub/room{room}"), super::publisher::content()))).await;
    });
    Nchan { address, nginx, publisher, past, _dir: dir }
}

impl Drop for Nchan {
    fn drop(&mut self) {
        // The master ends its worker only if it is asked.
        let master = nix::unistd::Pid::from_raw(self.nginx.id().unwrap() as i32);
        let _ended = nix::sys::signal::kill(master, nix::sys::signal::Signal::SIGTERM);
        while matches!(self.nginx.try_wait(), Ok(None)) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Server for Nchan {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn path(&self, room: usize) -> String {
        format!("/sub/room{room}")
    }

    fn everything(&self) -> String {
        self.path(0)
    }

    fn processes(&self) -> Vec<u32> {
        super::children(self.nginx.id().unwrap())
    }

    fn publish(&mut self, load: Load) {
        self.publisher.set(load);
    }

    fn past(&mut self, count: usize) -> LocalBoxFuture<'_, Past> {
        Box::pin(async move {
            self.past.post((0..count).map(|_| ("/pub/room0".to_owned(), super::publisher::content()))).await;
            Past { path: "/past/room0".to_owned(), headers: String::new(), events: count }
        })
    }
}
