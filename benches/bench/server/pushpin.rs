//! Pushpin: a proxy, as Debian packages it. It asks an origin, which tells it to hold the connection and on which channel;
//! what is published goes to it over HTTP. It keeps nothing: who comes back is the origin's affair.

use std::{fs, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use futures_util::future::LocalBoxFuture;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::oneshot,
};

use super::{
    Load, Past, Server, free_port, listens,
    publisher::{Publisher, content},
    version, which,
};
use crate::process::{Place, at};

/// What makes it: condure has the connections, the proxy asks the origin by way of zurl, the handler has the channels.
const SERVICES: &str = "condure,pushpin-proxy,pushpin-handler";

/// What has started its processes.
struct Runner(Child);

/// Messages in one request at most: it refuses larger ones.
const AT_ONCE: usize = 1_000;

struct Pushpin {
    address: SocketAddr,
    runner: Runner,
    publisher: Publisher,
    _zurl: Child,
    _origin: Origin,
    _dir: TempDir,
}

pub fn is_there() -> bool {
    SERVICES.split(',').chain(["pushpin", "zurl"]).all(|program| which(program).is_some())
}

pub fn terms() -> String {
    let settings = "one process each of condure, proxy and handler, no limit of messages, logs warnings only";
    format!("{} ({settings})", version("pushpin", "--version"))
}

pub async fn start() -> impl Server {
    let (dir, port, publish_port) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let origin = Origin::start();
    fs::write(dir.path().join("routes"), format!("* {}\n", origin.address)).unwrap();
    let zurl = daemon("zurl", dir.path(), &zurl_conf(dir.path()), Place::Elsewhere);
    let runner = Runner(daemon("pushpin", dir.path(), &conf(dir.path(), port, publish_port), Place::Server));
    let address = ([127, 0, 0, 1], port).into();
    listens(address).await;
    listens(([127, 0, 0, 1], publish_port).into()).await;
    let (client, url) = (reqwest::Client::new(), format!("http://127.0.0.1:{publish_port}/publish/"));
    holds(&client, address).await;
    let publisher = Publisher::start(async move |rooms: &[usize]| {
        for rooms in rooms.chunks(AT_ONCE) {
            let items: Vec<_> = rooms.iter().map(|room| item(*room)).collect();
            let answer = client.post(&url).json(&serde_json::json!({ "items": items })).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        }
    });
    Pushpin { address, runner, publisher, _zurl: zurl, _origin: origin, _dir: dir }
}

/// Waits until it holds whoever comes: it listens before its parts have found one another.
async fn holds(client: &reqwest::Client, address: SocketAddr) {
    for _ in 0..200 {
        let ask = client.get(format!("http://{address}/ready")).timeout(Duration::from_millis(500));
        let answer = ask.send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("Pushpin does not come to its origin");
}

fn item(room: usize) -> serde_json::Value {
    let content = format!("data: {}\n\n", content());
    serde_json::json!({ "channel": format!("room{room}"), "formats": { "http-stream": { "content": content } } })
}

/// Starts a program with a configuration.
fn daemon(program: &str, dir: &Path, conf: &str, place: Place) -> Child {
    let file = dir.join(format!("{program}.conf"));
    fs::write(&file, conf).unwrap();
    let mut command = Command::new(which(program).unwrap());
    command.arg(format!("--config={}", file.display())).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    at(place, || command.spawn().unwrap())
}

fn zurl_conf(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "[General]\nin_spec=ipc://{dir}/zurl-in\nin_stream_spec=ipc://{dir}/zurl-in-stream\nout_spec=ipc://{dir}/zurl-out\n\
         defpolicy=allow\nmax_open_requests=2000\nbuffer_size=200000\ntimeout=600\nin_hwm=100000\nout_hwm=100000\n"
    )
}

fn conf(dir: &Path, port: u16, publish_port: u16) -> String {
    let dir = dir.display();
    format!(
        "[global]\ninclude={{libdir}}/internal.conf\nrundir={dir}\nipc_prefix=bench-\nport_offset=0\n\
         [runner]\nservices={SERVICES}\nhttp_port=127.0.0.1:{port}\nlogdir={dir}\nlog_level=1\nclient_buffer_size=8192\n\
         client_maxconn=50000\n\
         [proxy]\nroutesfile=routes\nzurl_out_specs=ipc://{dir}/zurl-in\n\
         zurl_out_stream_specs=ipc://{dir}/zurl-in-stream\nzurl_in_specs=ipc://{dir}/zurl-out\n\
         [handler]\npush_in_http_addr=127.0.0.1\npush_in_http_port={publish_port}\n\
         push_in_http_max_headers_size=10000\npush_in_http_max_body_size=1000000\nmessage_rate=1000000000\nmessage_hwm=1000000000\n"
    )
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It ends its services only if it is asked.
        let runner = nix::unistd::Pid::from_raw(self.0.id().unwrap() as i32);
        let _ended = nix::sys::signal::kill(runner, nix::sys::signal::Signal::SIGTERM);
        while matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Server for Pushpin {
    fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where 200 come at once, it answers some of them with 502; where 20 do, it closes some.
    fn connecting(&self) -> usize {
        4
    }

    fn path(&self, room: usize) -> String {
        format!("/room{room}")
    }

    fn everything(&self) -> String {
        self.path(0)
    }

    fn processes(&self) -> Vec<u32> {
        super::children(self.runner.0.id().unwrap())
    }

    fn publish(&mut self, load: Load) {
        self.publisher.set(load);
    }

    fn past(&mut self, _count: usize) -> LocalBoxFuture<'_, Past> {
        unreachable!("it keeps nothing")
    }
}

/// The origin, in a thread of its own: it has to answer while the benchmark waits for its subscribers.
struct Origin {
    address: SocketAddr,
    _ended_when_dropped: oneshot::Sender<()>,
}

impl Origin {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener) => {}
                    _ = ended => {}
                }
            });
        });
        Self { address, _ended_when_dropped: end }
    }
}

async fn accept(listener: TcpListener) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        tokio::spawn(hold(socket));
    }
}

/// Answers that the client is to be held, on the channel that its path names.
async fn hold(socket: TcpStream) -> Option<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if socket.read_line(&mut request).await.ok()? == 0 {
                return None;
            }
        }
        let channel = request.split_whitespace().nth(1)?.trim_start_matches('/');
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nGrip-Hold: stream\r\nGrip-Channel: {channel}\r\n\
             Content-Length: 2\r\n\r\n:\n"
        );
        socket.write_all(answer.as_bytes()).await.ok()?;
    }
}
