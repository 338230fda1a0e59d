//! A client of Socket.IO that can also do what no library would.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderName},
};

use super::{Answer, Node, raw, soon};

/// The path, with the version of the protocol.
pub const PATH: &str = "/socket.io/?EIO=4";

/// A client with a websocket.
pub struct Socket {
    ws: WebSocketStream<TcpStream>,
    asked: u64,
    /// Events that have come while something else was waited for.
    events: VecDeque<(String, Value)>,
}

/// A websocket to this path, and nothing more.
pub async fn websocket(node: &Node, path: &str, headers: &[(&str, &str)]) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{}{path}", raw::address(node)).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let connection = raw::connect(node).await;
    soon("the websocket opens", client_async(request, connection)).await.unwrap().0
}

impl Socket {
    /// Opens a session, and does not connect.
    pub async fn open(node: &Node, headers: &[(&str, &str)]) -> Self {
        let ws = websocket(node, &format!("{PATH}&transport=websocket"), headers).await;
        let mut socket = Self { ws, asked: 0, events: VecDeque::new() };
        assert!(socket.next().await.unwrap().starts_with("0{\"sid\":"));
        socket
    }

    /// Connects, as whom this says; the packet that answers is returned where it is refused.
    pub async fn try_connect(node: &Node, auth: Value, headers: &[(&str, &str)]) -> Result<Self, Value> {
        let mut socket = Self::open(node, headers).await;
        socket.send(&format!("40{auth}")).await;
        let answer = socket.next().await.unwrap();
        match answer.strip_prefix("44") {
            Some(refused) => Err(serde_json::from_str(refused).unwrap()),
            None => {
                assert!(answer.starts_with("40{\"sid\":"), "{answer}");
                Ok(socket)
            }
        }
    }

    /// The same, where it must be let in.
    pub async fn connect(node: &Node, auth: Value) -> Self {
        Self::try_connect(node, auth, &[]).await.unwrap()
    }

    /// The same, in this room.
    pub async fn within(node: &Node, auth: Value, room: &str) -> Self {
        let mut socket = Self::connect(node, auth).await;
        let joined = socket.ask("joinRoom", json!({ "roomId": room })).await;
        assert_eq!(joined["ok"], true, "{joined}");
        socket
    }

    /// Sends a packet as it is.
    pub async fn send(&mut self, packet: &str) {
        // A node that has gone takes no more, which is its right.
        let _ = soon("a packet is taken", self.ws.send(Message::text(packet.to_owned()))).await;
    }

    /// Sends bytes.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        let _ = soon("bytes are taken", self.ws.send(Message::binary(bytes))).await;
    }

    /// Asks for something, and waits for no answer; its number.
    pub async fn request(&mut self, event: &str, body: Value) -> u64 {
        self.asked += 1;
        self.send(&format!("42{}{}", self.asked, json!([event, body]))).await;
        self.asked
    }

    /// Asks for something; the answer.
    pub async fn ask(&mut self, event: &str, body: Value) -> Value {
        let number = self.request(event, body).await;
        let (answered, answer) = self.answer().await;
        assert_eq!(answered, number);
        answer
    }

    /// The next answer, and to which request it is.
    pub async fn answer(&mut self) -> (u64, Value) {
        loop {
            let packet = self.next().await.expect("the transport is open");
            if let Some(answer) = packet.strip_prefix("43") {
                let list = answer.find('[').unwrap();
                let body: [Value; 1] = serde_json::from_str(&answer[list..]).unwrap();
                let [body] = body;
                return (answer[..list].parse().unwrap(), body);
            }
            self.keep(&packet);
        }
    }

    /// The next event, and what it says.
    pub async fn event(&mut self) -> (String, Value) {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let packet = self.next().await.expect("the transport is open");
            self.keep(&packet);
        }
    }

    /// The events that have come while something else was waited for.
    pub fn told(&mut self) -> Vec<(String, Value)> {
        self.events.drain(..).collect()
    }

    /// The next event of this name; others are passed over.
    pub async fn event_of(&mut self, name: &str) -> Value {
        loop {
            let (event, body) = self.event().await;
            if event == name {
                return body;
            }
        }
    }

    fn keep(&mut self, packet: &str) {
        let event = packet.strip_prefix("42").unwrap_or_else(|| panic!("no event: {packet}"));
        self.events.push_back(serde_json::from_str(event).unwrap());
    }

    /// The next packet that is no ping; none when the transport ends.
    pub async fn next(&mut self) -> Option<String> {
        soon("a packet", self.packet()).await
    }

    async fn packet(&mut self) -> Option<String> {
        loop {
            match self.ws.next().await {
                Some(Ok(Message::Text(text))) if text == "2" => self.send("3").await,
                // The node may say that it closes, if there is still time.
                Some(Ok(Message::Text(text))) if text != "1" => return Some(text.to_string()),
                Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Waits for the transport to end; the packets until then.
    pub async fn ends(&mut self) -> Vec<String> {
        let mut packets = Vec::new();
        soon("the transport ends", async {
            while let Some(packet) = self.next().await {
                packets.push(packet);
            }
        })
        .await;
        packets
    }
}

/// A client that polls.
pub struct Polling<'a> {
    pub node: &'a Node,
    pub sid: String,
}

impl<'a> Polling<'a> {
    /// Opens a session, and does not connect.
    pub async fn open(node: &'a Node) -> Self {
        let answer = soon("an answer", node.http.get(Self::url(node, "")).send()).await.unwrap();
        let text = answer.text().await.unwrap();
        let open: Value = serde_json::from_str(&text[1..]).unwrap_or_else(|_| panic!("{text}"));
        Self { node, sid: open["sid"].as_str().unwrap().to_owned() }
    }

    /// Opens a session and connects.
    pub async fn connect(node: &'a Node) -> Self {
        let socket = Self::open(node).await;
        socket.post("40").await;
        let connected = socket.poll().await;
        assert!(connected.iter().any(|packet| packet.starts_with("40{")), "{connected:?}");
        socket
    }

    /// Where its requests go.
    pub fn url(node: &Node, sid: &str) -> String {
        let sid = if sid.is_empty() { String::new() } else { format!("&sid={sid}") };
        format!("{}{PATH}&transport=polling{sid}", node.url)
    }

    /// Sends packets.
    pub async fn post(&self, packets: &str) -> Answer {
        Answer::of(self.node.http.post(Self::url(self.node, &self.sid)).body(packets.to_owned())).await
    }

    /// Asks for packets; the answer.
    pub async fn get(&self) -> Answer {
        Answer::of(self.node.http.get(Self::url(self.node, &self.sid))).await
    }

    /// The next packets that are no pings.
    pub async fn poll(&self) -> Vec<String> {
        loop {
            let answer = self.get().await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            // A single number would be read as JSON.
            let text = answer.body.as_str().map_or_else(|| answer.body.to_string(), str::to_owned);
            let all: Vec<String> = text.split('\u{1e}').map(str::to_owned).collect();
            if all.iter().any(|packet| packet == "2") {
                self.post("3").await;
            }
            let packets: Vec<String> = all.into_iter().filter(|packet| packet != "2").collect();
            if !packets.is_empty() {
                return packets;
            }
        }
    }
}
