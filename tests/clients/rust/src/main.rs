//! A client of Rowcast from `progenitor`: it writes, pages, changes, deletes, follows, and is refused. Each assertion stops
//! it.

use std::{env, fmt::Debug, num::NonZero};

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use types::{Message, MessagePatch, NewMessage, Problem, RoomName, StreamEvent};
use uuid::Uuid;

progenitor::generate_api!(spec = { path = "openapi.json", relative_to = OutDir });

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let client = Client::new(&env::args().nth(1).context("usage: rowcast-client URL")?);
    let room: RoomName = format!("rust-{}", Uuid::new_v4().simple()).parse()?;
    let sender_id = Uuid::new_v4();

    let mut events = Events::follow(&client, &room).await?;
    assert!(matches!(events.next().await?, StreamEvent::ConnectedEvent(connected) if !connected.resumed));

    let mut written = Vec::new();
    for number in 0..100 {
        let content = format!("{number}: þings like ひらがな and 🌊").parse()?;
        let message = NewMessage { content, file: None, room: Some(room.clone()), sender_id };
        written.push(client.post_message(None, &message).await?.into_inner());
    }
    let [first, second, .., last] = &written[..] else { panic!("not written") };
    assert_eq!(first.content, "0: þings like ひらがな and 🌊");
    assert!(matches!(events.next().await?, StreamEvent::NewMessageEvent(event) if event.data.id == first.id));

    let pages = pages(&client, &room).await?;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [30, 30, 30, 10]);
    assert!(pages.iter().flatten().map(|message| message.id).eq(written.iter().rev().map(|message| message.id)));

    let patch = MessagePatch { content: Some("changed".parse()?), file: Some("a.txt".parse()?) };
    let changed = client.patch_message(first.id, &patch).await?;
    let read = client.get_message(first.id).await?;
    assert_eq!((&*read.content, read.file.as_deref()), ("changed", Some("a.txt")));
    assert!(first.updated_date.is_none() && read.updated_date.is_some() && read.updated_date == changed.updated_date);

    client.delete_message(second.id).await?;
    let gone = problem(client.get_message(second.id).await);
    assert_eq!((gone.status, &*gone.type_), (404, "urn:rowcast:problem:not-found"));

    // What the document forbids of a text, the types do not let through; of a number only that it is none.
    assert!("".parse::<types::NewMessageContent>().is_err());
    assert!("no room".parse::<RoomName>().is_err());
    let refused = problem(client.list_messages(None, NonZero::new(101), None, None).await);
    assert_eq!(refused.status, 422);
    assert_eq!(refused.errors.iter().map(|error| &*error.field).collect::<Vec<_>>(), ["limit"]);

    let rooms = client.list_rooms(None, None, Some(&room)).await?.into_inner().rooms;
    let [only] = &rooms[..] else { panic!("not one room: {rooms:?}") };
    assert_eq!((&only.room, only.messages, only.last_message.id), (&*room, 99, last.id));
    Ok(())
}

/// The messages of the room, newest first, thirty at a time.
async fn pages(client: &Client, room: &RoomName) -> Result<Vec<Vec<Message>>> {
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let page = client.list_messages(cursor.as_deref(), NonZero::new(30), Some(room), None).await?.into_inner();
        pages.push(page.messages);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(pages);
        }
    }
}

fn problem<T: Debug>(answer: Result<ResponseValue<T>, Error<Problem>>) -> Problem {
    match answer {
        Err(Error::ErrorResponse(problem)) => problem.into_inner(),
        other => panic!("not refused as the document says: {other:?}"),
    }
}

/// The events of a room. Who is to follow for longer takes a client of events, which comes back by itself;
/// `Client::new` ends every request after 15 seconds.
struct Events {
    stream: ByteStream,
    read: Vec<u8>,
}

impl Events {
    async fn follow(client: &Client, room: &RoomName) -> Result<Self> {
        let rooms = vec![room.to_string()];
        let stream = client.stream_messages(None, None, Some(&rooms), None).await?.into_inner();
        Ok(Self { stream, read: Vec::new() })
    }

    async fn next(&mut self) -> Result<StreamEvent> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let block = String::from_utf8(self.read.drain(..end + 2).collect())?;
                if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return Ok(serde_json::from_str(data)?);
                }
            } else {
                self.read.extend(self.stream.next().await.context("the stream has ended")??);
            }
        }
    }
}
