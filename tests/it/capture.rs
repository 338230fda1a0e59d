//! Whatever way a row changes, the feed tells of just that: all the ways that SQL has, and the ways to change nothing.

use sqlx::{AssertSqlSafe, Executor};

use crate::support::{CHANNELS, Event, Events, Listener, Node, World};

/// A world where one follows what another writes.
struct Scene {
    world: World,
    _node: Node,
    stream: Events,
}

impl Scene {
    async fn new() -> Self {
        let (world, node) = World::with_node().await;
        let stream = node.stream("").await;
        Self { world, _node: node, stream }
    }

    /// All that these statements made the feed tell.
    async fn told_of(&mut self, statements: &str) -> Vec<Event> {
        self.world.sql(statements).await;
        self.told().await
    }

    /// All that the feed has to tell: what comes before a message that is written now.
    async fn told(&mut self) -> Vec<Event> {
        self.world.sql(&insert("that is all")).await;
        let mut told = Vec::new();
        loop {
            let event = self.stream.next().await;
            match event.data()["data"]["content"] == "that is all" {
                true => return told,
                false => told.push(event),
            }
        }
    }
}

fn insert(content: &str) -> String {
    format!("insert into messages (content, sender_id) values ('{content}', gen_random_uuid())")
}

/// Type and content of each.
fn outline(events: &[Event]) -> Vec<(String, String)> {
    events.iter().map(|event| (event.kind(), event.content())).collect()
}

/// The same for statements that promise no order among their rows.
fn sorted_outline(events: &[Event]) -> Vec<(String, String)> {
    let mut outline = outline(events);
    outline.sort();
    outline
}

fn expected<const N: usize>(outline: [(&str, &str); N]) -> Vec<(String, String)> {
    outline.map(|(kind, content)| (kind.to_owned(), content.to_owned())).into()
}

#[tokio::test]
async fn copy_tells_of_each_row() {
    let mut scene = Scene::new().await;
    let mut session = scene.world.session().await;
    let mut copy = session.copy_in_raw("copy messages (content, sender_id) from stdin (format csv)").await.unwrap();
    let rows: String = (1..=3).map(|row| format!("copied {row},0c544734-1888-5ee1-94a9-a8334a166413\n")).collect();
    copy.send(rows.as_bytes()).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 3);
    let told = [("new_message", "copied 1"), ("new_message", "copied 2"), ("new_message", "copied 3")];
    assert_eq!(outline(&scene.told().await), expected(told));
}

#[tokio::test]
async fn merge_tells_what_it_did_to_each_row() {
    let mut scene = Scene::new().await;
    if scene.world.number("select current_setting('server_version_num')::bigint").await < 150_000 {
        return; // MERGE came with PostgreSQL 15.
    }
    scene.told_of(&(insert("one") + ";" + &insert("two"))).await;
    let merge = "merge into messages m using (values (1, 'one, merged'), (2, null), (1000, 'three')) v (id, content)
            on m.id = v.id
          when matched and v.content is null then delete
          when matched then update set content = v.content
          when not matched then insert (content, sender_id) values (v.content, gen_random_uuid())";
    let told = [("deleted_message", "two"), ("new_message", "three"), ("updated_message", "one, merged")];
    assert_eq!(sorted_outline(&scene.told_of(merge).await), expected(told));
}

#[tokio::test]
async fn an_upsert_tells_of_an_insertion_or_of_a_change() {
    let mut scene = Scene::new().await;
    let upsert = |rest: &str| {
        format!(
            "insert into messages (id, content, sender_id)
             values (1000, 'A', gen_random_uuid()), (1001, 'B', gen_random_uuid()) on conflict (id) do {rest}"
        )
    };
    scene.told_of("insert into messages (id, content, sender_id) values (1000, 'a', gen_random_uuid())").await;
    let told = sorted_outline(&scene.told_of(&upsert("update set content = excluded.content")).await);
    assert_eq!(told, expected([("new_message", "B"), ("updated_message", "A")]));
    assert_eq!(scene.told_of(&upsert("nothing")).await, []);
}

#[tokio::test]
async fn a_statement_of_several_parts_tells_of_all_of_them_once() {
    let mut scene = Scene::new().await;
    scene.told_of(&(insert("moved") + ";" + &insert("changed"))).await;
    let statement = "with gone as (delete from messages where content = 'moved' returning sender_id),
             more as (insert into messages (content, sender_id) select 'beside', sender_id from gone),
             touched as (update messages set content = 'changed!' where content = 'changed')
        insert into messages (content, sender_id) select 'moved here', sender_id from gone";
    let told = [
        ("deleted_message", "moved"),
        ("new_message", "beside"),
        ("new_message", "moved here"),
        ("updated_message", "changed!"),
    ];
    assert_eq!(sorted_outline(&scene.told_of(statement).await), expected(told));
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_not_told_and_is_no_update() {
    let mut scene = Scene::new().await;
    scene.told_of(&insert("as it is")).await;
    let nothing = "update messages set content = content; update messages set content = 'x' where false;
        delete from messages where false; insert into messages select * from messages where false";
    assert_eq!(scene.told_of(nothing).await, []);
    assert_eq!(scene.world.number("select count(*) from messages where updated_date is not null").await, 0);
}

#[tokio::test]
async fn a_change_moves_the_date_and_a_date_alone_is_a_change() {
    let mut scene = Scene::new().await;
    scene.told_of(&insert("dated")).await;
    let changed = scene.told_of("update messages set file = 'a.txt' where id = 1").await;
    let changed = &changed[0].data()["data"];
    assert!(changed["updated_date"].as_str() > changed["created_date"].as_str(), "{changed}");
    let dated = scene.told_of("update messages set updated_date = '2024-01-01Z' where id = 1").await;
    assert_eq!(outline(&dated), expected([("updated_message", "dated")]));
    assert_eq!(dated[0].data()["data"]["updated_date"], "2024-01-01T00:00:00.000000Z");
}

#[tokio::test]
async fn a_changed_key_is_a_deletion_and_an_insertion() {
    let mut scene = Scene::new().await;
    scene.told_of(&insert("keyed")).await;
    let told = scene.told_of("update messages set id = 1000 where id = 1").await;
    assert_eq!(outline(&told), expected([("deleted_message", "keyed"), ("new_message", "keyed")]));
    let ids: Vec<_> = told.iter().map(|event| event.data()["data"]["id"].clone()).collect();
    assert_eq!(ids, [1, 1000]);
}

#[tokio::test]
async fn a_changed_room_is_a_deletion_in_the_old_and_an_insertion_in_the_new() {
    let mut scene = Scene::new().await;
    scene.told_of(&insert("moved")).await;
    let told = scene.told_of("update messages set room = 'elsewhere', content = content || '!' where id = 1").await;
    assert_eq!(outline(&told), expected([("deleted_message", "moved"), ("new_message", "moved!")]));
    let places: Vec<_> = told.iter().map(|event| event.data()["data"]["room"].clone()).collect();
    assert_eq!(places, ["lobby", "elsewhere"]);
    assert!(told.iter().all(|event| event.data()["data"]["id"] == 1));
}

#[tokio::test]
async fn what_was_rolled_back_is_not_told() {
    let mut scene = Scene::new().await;
    let [kept, undone, kept_too, gone] = ["kept", "undone", "kept too", "gone"].map(insert);
    let partly =
        format!("begin; {kept}; savepoint s; {undone}; rollback to s; {kept_too}; commit; begin; {gone}; rollback");
    let told = scene.told_of(&partly).await;
    assert_eq!(outline(&told), expected([("new_message", "kept"), ("new_message", "kept too")]));
}

#[tokio::test]
async fn a_statement_that_fails_half_way_leaves_nothing() {
    let mut scene = Scene::new().await;
    let half = "insert into messages (content, room, sender_id) values ('fine', 'a', gen_random_uuid()),
        ('refused', 'no such room name!', gen_random_uuid())";
    assert!(scene.world.pool.execute(half).await.is_err());
    assert_eq!(scene.told().await, []);
    assert_eq!(scene.world.number("select count(*) from messages where content = 'fine'").await, 0);
}

#[tokio::test]
async fn the_changes_of_a_transaction_are_told_one_by_one_under_its_number() {
    let mut scene = Scene::new().await;
    let life = insert("young") + "; update messages set content = 'old'; delete from messages";
    let told = scene.told_of(&format!("begin; {life}; commit; {}", insert("another"))).await;
    let outline = outline(&told);
    let life = [("new_message", "young"), ("updated_message", "old"), ("deleted_message", "old")];
    assert_eq!(outline[..3], expected(life));
    let numbers: Vec<_> = told.iter().map(|event| event.data()["data"]["transaction"].clone()).collect();
    assert!(numbers[0] == numbers[1] && numbers[1] == numbers[2] && numbers[2] != numbers[3], "{numbers:?}");
}

#[tokio::test]
async fn a_truncation_is_told_to_everyone() {
    let (world, node) = World::with_node().await;
    let mut deletions = Listener::on(&world, &[CHANNELS[2]]).await;
    let mut concerned = [node.stream("").await, node.stream("?room=lobby").await];
    let mut quiet = node.stream("?room=quiet").await;
    world.sql(&insert("soon gone")).await;
    for stream in &mut concerned {
        assert_eq!(stream.next().await.content(), "soon gone");
    }
    world.sql("truncate messages").await;
    let heard = deletions.next().await;
    assert_eq!((&heard.data()["operation"], heard.data().get("id")), (&"TRUNCATE".into(), None));
    for stream in concerned.iter_mut().chain([&mut quiet]) {
        let event = stream.next().await;
        assert_eq!((event.kind().as_str(), event.id.as_str()), ("truncated", "1-2"));
        assert_eq!(event.data()["data"], heard.data());
    }
}

#[tokio::test]
async fn a_writer_needs_no_right_on_the_feed() {
    let mut scene = Scene::new().await;
    let role = scene.world.prefix.replace(':', "_writer");
    let grant = format!("create role {role}; grant select, insert, update, delete, truncate on messages to {role}");
    scene.world.sql(&grant).await;
    let mut session = scene.world.session().await;
    session.execute(AssertSqlSafe(format!("set role {role}"))).await.unwrap();
    let life = insert("by a stranger") + "; update messages set content = 'still'; delete from messages";
    session.execute(AssertSqlSafe(life)).await.unwrap();
    let told = [("new_message", "by a stranger"), ("updated_message", "still"), ("deleted_message", "still")];
    assert_eq!(outline(&scene.told().await), expected(told));
    for closed in
        ["select 1 from feed.log", "insert into feed.log (op) values ('t')", "select last_value from feed.awake"]
    {
        let refused = session.execute(closed).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{refused}");
    }
    scene.world.sql(&format!("drop owned by {role}; drop role {role}")).await;
}

#[tokio::test]
async fn a_replicating_session_is_captured_too() {
    let mut scene = Scene::new().await;
    let life =
        insert("replicated") + "; update messages set content = 'again'; delete from messages; truncate messages";
    let told = scene.told_of(&format!("set session_replication_role = replica; {life}")).await;
    let kinds: Vec<String> = told.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["new_message", "updated_message", "deleted_message", "truncated"]);
}

#[tokio::test]
async fn a_prepared_transaction_is_told_when_it_is_committed() {
    let mut scene = Scene::new().await;
    let name = scene.world.prefix.clone();
    // NOTIFY is not allowed in such a transaction, so its writer promises not to ring.
    let prepare = |content, gid| {
        format!("begin; set local feed.notify = 'off'; {}; prepare transaction '{name}{gid}'", insert(content))
    };
    let (kept, gone) = (prepare("kept", 1), prepare("gone", 2));
    assert_eq!(scene.told_of(&kept).await, []);
    assert_eq!(scene.told_of(&gone).await, []);
    scene.world.sql(&format!("rollback prepared '{name}2'")).await;
    scene.world.sql(&format!("commit prepared '{name}1'")).await;
    let event = scene.stream.next().await;
    assert_eq!((event.kind().as_str(), event.content().as_str()), ("new_message", "kept"));
    assert_eq!(scene.told().await, []);
}
