//! HTTPS: HTTP/2 and HTTP/1.1 over TLS, with a certificate that may be renewed at any time.

use std::{fs, process::Stdio, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, ClientBuilder, Version};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::support::{
    Events, Figures, Node, World, message, message_in,
    raw::{LIVE, address, ask, connect, read_until, to_end},
    socket::PATH,
    soon, until,
};

/// An authority, and the files that it gives a node.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    /// With a certificate for 127.0.0.1.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, dir: tempfile::tempdir().unwrap() };
        fs::write(authority.file("ca.pem"), authority.issuer.pem()).unwrap();
        authority.issue("127.0.0.1", &authority);
        authority
    }

    pub fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a new certificate, to where another one's node reads it.
    fn issue(&self, name: &str, to: &Self) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        fs::write(to.file("cert.pem"), certificate.pem()).unwrap();
        fs::write(to.file("key.pem"), key.serialize_pem()).unwrap();
    }

    /// A client that trusts it, and nobody else.
    fn trusted(&self) -> ClientBuilder {
        Client::builder().tls_certs_only([Certificate::from_pem(self.issuer.pem().as_bytes()).unwrap()])
    }

    /// A node that serves HTTPS, and can be asked.
    pub async fn node(&self, world: &World, settings: &[(&str, &str)]) -> Node {
        let (cert, key) = (self.file("cert.pem"), self.file("key.pem"));
        let tls = [("TLS_CERT", cert.as_str()), ("TLS_KEY", key.as_str()), ("TLS_RELOAD", "100ms")];
        let mut node = world.node_with(&[&tls, settings].concat()).await;
        assert!(node.url.starts_with("https://"), "{}", node.url);
        node.http = self.trusted().build().unwrap();
        node
    }
}

/// A stream is followed, left, and resumed where it was left.
pub async fn follows_and_resumes(node: &Node, version: Version) {
    let answer = soon("the stream", node.http.get(format!("{}/stream", node.url)).send()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
    let mut stream = Events::new(answer);
    assert_eq!(stream.next().await.kind(), "connected");
    node.say(message("live")).await;
    assert_eq!(stream.next().await.content(), "live");
    let last = stream.last_event_id.clone();
    drop(stream);
    node.say(message("meanwhile")).await;
    let mut stream = node.open("", Some(&last)).await;
    assert_eq!(stream.next().await.data()["resumed"], true);
    assert_eq!(stream.next().await.content(), "meanwhile");
}

#[tokio::test]
async fn both_versions_of_http_are_served_and_streams_are_resumed() {
    let (world, authority) = (World::new().await, Authority::new());
    let mut node = authority.node(&world, &[]).await;
    follows_and_resumes(&node, Version::HTTP_2).await;
    node.http = authority.trusted().http1_only().build().unwrap();
    follows_and_resumes(&node, Version::HTTP_11).await;
}

#[tokio::test]
async fn without_tls_http2_is_for_those_who_know_that_it_is_there() {
    let (_world, mut node) = World::with_node().await;
    node.http = Client::builder().http2_prior_knowledge().build().unwrap();
    follows_and_resumes(&node, Version::HTTP_2).await;
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_while_streams_go_on_and_a_broken_one_is_not() {
    let (world, old, new) = (World::new().await, Authority::new(), Authority::new());
    let mut node = old.node(&world, &[]).await;
    let mut stream = node.stream("").await;
    new.issue("127.0.0.1", &old);
    // Each on a connection of its own.
    let live = async |authority: &Authority| {
        let client = authority.trusted().build().unwrap();
        client.get(format!("{}/health/live", node.url)).send().await.is_ok()
    };
    until("the new one is shown", async || live(&new).await).await;
    assert!(!live(&old).await, "the old one is shown no more");

    // A file that is written is not yet the other one, and may never be.
    fs::write(old.file("cert.pem"), "nonsense").unwrap();
    let third = Authority::new();
    fs::copy(third.file("key.pem"), old.file("key.pem")).unwrap();
    let broken = Box::pin(async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(live(&new).await, "the one before stays");
        }
    });
    broken.await;
    fs::copy(third.file("cert.pem"), old.file("cert.pem")).unwrap();
    until("the third one is shown", async || live(&third).await).await;
    node.http = third.trusted().build().unwrap();
    node.say(message("still there")).await;
    assert_eq!(stream.next().await.content(), "still there");
}

#[tokio::test]
async fn a_certificate_that_is_not_taken_is_logged() {
    let (world, authority) = (World::new().await, Authority::new());
    let mut command = Node::command("serve");
    command.env("TLS_CERT", authority.file("cert.pem")).env("TLS_KEY", authority.file("key.pem"));
    command.env("TLS_RELOAD", "100ms").stderr(Stdio::piped());
    let mut node = Node::run(command, &world, &[]).await;
    let mut log = BufReader::new(node.process.stderr.take().unwrap()).lines();
    fs::write(authority.file("cert.pem"), "nonsense").unwrap();
    let said = soon("a line", async {
        loop {
            let line = log.next_line().await.unwrap().unwrap();
            if line.contains("certificate") {
                return line;
            }
        }
    });
    let said = said.await;
    assert!(said.contains("WARN") && said.contains("holds no certificate in PEM"), "{said}");
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said_at_the_start() {
    let (one, other) = (Authority::new(), Authority::new());
    let (cert, key, ca) = (one.file("cert.pem"), one.file("key.pem"), one.file("ca.pem"));
    let (others, none) = (other.file("key.pem"), one.file("none.pem"));
    let cases = [
        (vec![("TLS_CERT", &cert)], "TLS_KEY is missing"),
        (vec![("TLS_KEY", &key)], "TLS_CERT is missing"),
        (vec![("TLS_CERT", &none), ("TLS_KEY", &key)], "none.pem cannot be read"),
        (vec![("TLS_CERT", &key), ("TLS_KEY", &key)], "key.pem holds no certificate in PEM"),
        (vec![("TLS_CERT", &cert), ("TLS_KEY", &ca)], "ca.pem holds no private key in PEM"),
        (vec![("TLS_CERT", &cert), ("TLS_KEY", &others)], "the certificate and its key"),
    ];
    for (settings, words) in cases {
        let mut command = Node::command("serve");
        command.env("DATABASE_URL", "postgres://127.0.0.1:1/db").env("REDIS_URL", "redis://127.0.0.1:1");
        command.env("HOST", "127.0.0.1").env("PORT", "0").envs(settings).kill_on_drop(true);
        let output = soon("it ends", command.output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("rowcast: TLS: ") && said.contains(words), "{said}");
        assert!(output.stdout.is_empty());
    }
}

async fn healthcheck(url: &str, with: impl FnOnce(&mut Command) -> &mut Command) -> (Option<i32>, String) {
    let mut command = Node::command("healthcheck");
    command.args(["--url", url]);
    let output = soon("it ends", with(&mut command).output()).await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_health_check_trusts_whom_the_system_trusts_or_anyone_if_told_so() {
    let (world, authority) = (World::new().await, Authority::new());
    let node = authority.node(&world, &[]).await;
    until("it is ready", async || node.get("/health/ready").await.status == 200).await;
    let trusted = healthcheck(&node.url, |command| command.env("SSL_CERT_FILE", authority.file("ca.pem"))).await;
    assert_eq!(trusted.0, Some(0), "{}", trusted.1);
    let unknown = healthcheck(&node.url, |command| command).await;
    assert_eq!(unknown.0, Some(1), "{}", unknown.1);
    let told = healthcheck(&node.url, |command| command.arg("--insecure")).await;
    assert_eq!(told.0, Some(0), "{}", told.1);
}

#[tokio::test]
async fn who_does_not_shake_hands_in_time_is_closed() {
    let (world, authority) = (World::new().await, Authority::new());
    let node = authority.node(&world, &[("HEAD_TIMEOUT", "1s")]).await;
    // Of a handshake, the first bytes.
    for begun in [&b""[..], b"\x16\x03\x01\x02"] {
        let (said, lasted) = to_end(ask(&node, begun).await).await;
        assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&lasted) && said.is_empty(), "{lasted:?}");
    }
    let (said, _) = to_end(ask(&node, LIVE).await).await;
    assert!(!said.contains("HTTP"), "what is no TLS gets no HTTP: {said}");
    assert_eq!(node.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn who_finds_no_place_is_just_closed() {
    let (world, authority) = (World::new().await, Authority::new());
    let mut node = authority.node(&world, &[("MAX_CONNECTIONS", "1")]).await;
    let stream = node.stream("").await;
    let (said, lasted) = to_end(ask(&node, LIVE).await).await;
    assert!(said.is_empty() && lasted < Duration::from_secs(5), "{lasted:?} {said}");
    // The client keeps its connection for other requests.
    drop((stream, std::mem::take(&mut node.http)));
    until("there is a place again", async || {
        let client = authority.trusted().build().unwrap();
        client.get(format!("{}/health/live", node.url)).send().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn the_proxy_speaks_before_tls_begins() {
    let (world, authority) = (World::new().await, Authority::new());
    let node = authority.node(&world, &[("PROXY_PROTOCOL", "true")]).await;
    let mut socket = ask(&node, "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n").await;
    let pem = fs::read(authority.file("ca.pem")).unwrap();
    let mut socket = handshake(&mut socket, &pem).await;
    socket.write_all(LIVE.as_bytes()).await.unwrap();
    read_until(&mut socket, "200 OK").await;
}

#[tokio::test]
async fn a_websocket_over_tls_has_its_place_and_is_cut_when_its_client_takes_nothing() {
    let (world, authority) = (World::new().await, Authority::new());
    let slow = [("SOCKETIO_BUFFER", "16"), ("SEND_BUFFER", "16KiB"), ("WRITE_TIMEOUT", "10min")];
    let settings = [("SOCKETIO_PING_TIMEOUT", "10min")];
    let node = authority.node(&world, &[&slow[..], &settings].concat()).await;
    let figure = async |name: &str| Figures::of(&node).await.get(name, &[]).unwrap();
    let before = figure("rowcast_connections").await;
    let mut socket = connect(&node).await;
    let pem = fs::read(authority.file("ca.pem")).unwrap();
    let path = format!("wss://{}{PATH}&transport=websocket", address(&node));
    let opening = Box::pin(client_async(path, handshake(&mut socket, &pem).await));
    let (mut ws, _) = soon("it opens", opening).await.unwrap();
    for packet in ["40", r#"421["joinRoom",{"roomId":"a"}]"#] {
        soon("an answer", ws.next()).await.unwrap().unwrap();
        soon("it is taken", ws.send(Message::text(packet))).await.unwrap();
    }
    let joined = async |ws: &mut tokio_tungstenite::WebSocketStream<_>| {
        while !ws.next().await.unwrap().unwrap().to_text().unwrap().starts_with("431[") {}
    };
    soon("it is in the room", joined(&mut ws)).await;
    assert_eq!(figure("rowcast_connections").await, before + 1.0, "it is out of HTTP by now");
    let mut said = 0;
    while figure("rowcast_sockets").await > 0.0 {
        node.say(message_in("a", &"x".repeat(50_000))).await;
        said += 1;
        assert!(said < 1000, "all of it cannot be held");
    }
    until("the place is given back", async || figure("rowcast_connections").await == before).await;
}

/// A client's side of TLS on a socket.
async fn handshake<'a>(
    socket: &'a mut tokio::net::TcpStream,
    authority: &[u8],
) -> tokio_rustls::client::TlsStream<&'a mut tokio::net::TcpStream> {
    use tokio_rustls::rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
    let provider = aws_lc_rs::default_provider().into();
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    soon("the handshake", connector.connect(name, socket)).await.unwrap()
}
