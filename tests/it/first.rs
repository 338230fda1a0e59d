//! The main job: a row changes, whoever changed it, and every subscriber sees it.

use crate::support::{Event, World, message};

#[tokio::test]
async fn a_posted_message_reaches_every_subscriber_of_every_node() {
    let (world, one) = World::with_node().await;
    let two = world.node().await;
    let mut streams = [one.stream("").await, two.stream("").await, two.stream("?room=lobby").await];
    let id = one.say(message("Hello!")).await;
    for stream in &mut streams {
        let event = stream.next().await;
        assert_eq!((event.kind().as_str(), event.id.as_str()), ("new_message", "1-1"));
        assert_eq!(event.data()["data"]["id"], id);
        assert_eq!(event.data()["data"]["operation"], "INSERT");
    }
}

#[tokio::test]
async fn a_row_written_by_anyone_reaches_subscribers() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    world
        .sql(
            "insert into messages (content, sender_id) values ('by psql', gen_random_uuid());
              update messages set content = 'changed';
              delete from messages",
        )
        .await;
    let kinds: Vec<String> = stream.take(3).await.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["new_message", "updated_message", "deleted_message"]);
}
