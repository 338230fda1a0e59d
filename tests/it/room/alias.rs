//! `GET /api/messages` is `GET /message`.

use super::*;
use crate::support::Figures;

#[tokio::test]
async fn messages_by_another_name_are_messages() {
    let (world, node) = World::with_node().await;
    world.sql(&[fill("a.b:c@d", 5), fill("other", 3)].concat()).await;
    let same = async |other: &str, own: &str| {
        let (other, own) = (node.get(other).await, node.get(own).await);
        assert_eq!((other.status, &other.body), (StatusCode::OK, &own.body));
        assert!(other.headers.contains_key("feed-position"));
        other.body
    };
    let first = same("/api/messages?roomId=a.b:c@d&limit=2", "/message?room=a.b:c@d&limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = format!("limit=2&cursor={cursor}");
    same(&format!("/api/messages?{next}&roomId=a.b%3Ac%40d"), &format!("/message?{next}&room=a.b:c@d")).await;
    assert_eq!(same("/api/messages", "/message").await["messages"].as_array().unwrap().len(), 8);
    // What it does not know it takes no notice of: least of all a name that it has not.
    let all = same("/api/messages?room=other&sender_id=x&x&=&&limit=100", "/message?limit=100").await;
    assert_eq!(all["messages"].as_array().unwrap().len(), 8);
    let figures = Figures::of(&node).await;
    assert!(
        figures.get("rowcast_http_requests_total", &[("method", "GET"), ("route", "/message"), ("status", "200")])
            > Some(7.0)
    );
    assert!(!figures.text.contains("/api/"));
}

#[tokio::test]
async fn what_is_wrong_under_another_name_is_wrong() {
    let (_world, node) = World::with_node().await;
    for (query, field) in [
        ("roomId=", "room"),
        ("roomId=a%20b", "room"),
        ("roomId=a%26limit=0", "room"),
        ("limit=0", "limit"),
        ("roomId=a&limit=101", "limit"),
        ("cursor=x", "cursor"),
    ] {
        let answer = node.get(&format!("/api/messages?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.wrong_fields()), (422, vec![field]), "{query}");
    }
    // It is another name of the path, whatever is asked of it.
    assert_eq!(node.post("/api/messages", &message_in("a", "x")).await.status, StatusCode::CREATED);
    assert_eq!(node.send(reqwest::Method::DELETE, "/api/messages", None).await.status, StatusCode::METHOD_NOT_ALLOWED);
}
