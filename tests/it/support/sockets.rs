//! Sockets that come back as a browser's would, each in a room and in the one where the marks are.

use std::time::Duration;

use chrono::Utc;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::{
    record::short,
    socket::PATH,
    visitor::{End, Order, Part, Seen, Visitor},
    visits::{Heard, Stay},
};

/// How long a client waits to be let in.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection of a socket.
struct Line(WebSocketStream<TcpStream>);

impl Line {
    /// The next packet that is no ping; none when the transport has ended.
    async fn next(&mut self) -> Option<String> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) if text == "2" => self.send("3").await,
                Some(Ok(Message::Text(text))) if text != "1" => return Some(text.to_string()),
                Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    async fn send(&mut self, packet: &str) {
        // If it has ended, the next reading says so.
        let _ = self.0.send(Message::text(packet.to_owned())).await;
    }
}

impl Visitor {
    /// A connection, from its begin to its end; none if there was none.
    pub async fn socket(&mut self) -> Option<End> {
        let address = self.address()?;
        let line = timeout(PATIENCE, connect(&address, &self.user)).await.ok()?;
        let mut line = Line(line?);
        self.lock().begin();
        for (number, room) in self.rooms.iter().enumerate() {
            line.send(&format!("42{number}{}", json!(["joinRoom", { "roomId": room }]))).await;
        }
        let leaves_after = self.leaves_after();
        let end = loop {
            tokio::select! {
                packet = line.next() => match packet {
                    Some(packet) => self.packet(&packet),
                    None => break End::Cut,
                },
                order = self.ordered() => match (order, self.part) {
                    (Order::Rest, Part::Leaves) => {
                        line.send(&format!("429{}", json!(["leaveRoom", { "roomId": self.rooms[0] }]))).await;
                    }
                    (Order::Rest, Part::Goes) => break End::Gone,
                    _ => {}
                },
            }
            if self.wanders() && self.lock().visit().heard.len() >= leaves_after {
                break End::Wandered;
            }
        };
        Some(end)
    }

    fn packet(&mut self, packet: &str) {
        let rooms = self.rooms.clone();
        let mut seen = self.lock();
        if let Some(answer) = packet.strip_prefix("43") {
            let (number, answer) = answer.split_at(1);
            let [answer]: [Value; 1] = serde_json::from_str(answer).expect("an answer");
            if answer["ok"] != true {
                seen.wrong.push(format!("a socket was answered {answer}"));
            } else if number == "9" {
                seen.has_left(rooms[0]);
            } else {
                seen.has_joined(&answer, rooms.len());
            }
        } else if let Some(event) = packet.strip_prefix("42") {
            let (name, body): (String, Value) = serde_json::from_str(event).expect("an event");
            seen.event(&name, &body);
        } else {
            seen.wrong.push(format!("a socket was told {packet}"));
        }
    }
}

impl Seen {
    fn has_joined(&mut self, answer: &Value, rooms: usize) {
        let room = text(answer, "roomId");
        self.view.state(room, &answer["users"]);
        let stays = &mut self.visit().stays;
        stays.push(Stay { room: room.to_owned(), since: Utc::now(), left: None });
        let all = stays.len() == rooms;
        if all {
            self.has_come();
        }
    }

    fn has_left(&mut self, room: &str) {
        let visit = self.visit();
        let last = visit.last_of(room);
        let stay = visit.stays.iter_mut().find(|stay| stay.room == room);
        stay.expect("it was there").left = Some(last);
    }

    fn event(&mut self, name: &str, body: &Value) {
        let kind = match name {
            "receiveMessage" => "i",
            "updatedMessage" => "u",
            "deletedMessage" => "d",
            "truncated" => "t",
            "userJoined" => return self.view.joined(text(body, "roomId"), text(body, "userId")),
            "userLeft" => return self.view.left(text(body, "roomId"), text(body, "userId")),
            "roomState" => return self.view.state(text(body, "roomId"), &body["users"]),
            _ => return self.wrong.push(format!("a socket was told {name} {body}")),
        };
        let id = text(body, "eventId").parse().expect("an event id");
        let (row, room) = (body["id"].as_i64().unwrap_or(0), body["roomId"].as_str().map(str::to_owned));
        let content = body.get("content").map(|content| short(content.as_str().unwrap_or_default()));
        self.visit().heard.push(Heard { id, kind, row, content, room });
    }
}

/// Connects, as this user.
async fn connect(address: &str, user: &str) -> Option<WebSocketStream<TcpStream>> {
    let connection = TcpStream::connect(address).await.ok()?;
    let (ws, _) = client_async(format!("ws://{address}{PATH}&transport=websocket"), connection).await.ok()?;
    let mut line = Line(ws);
    line.next().await.filter(|packet| packet.starts_with('0'))?;
    line.send(&format!("40{}", json!({ "userId": user }))).await;
    line.next().await.filter(|packet| packet.starts_with("40"))?;
    Some(line.0)
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}"))
}
