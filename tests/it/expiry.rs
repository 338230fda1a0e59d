//! What a token has opened ends with it.

use serde_json::json;

use crate::support::{
    Figures, message, soon,
    tokens::{challenge, claims, guarded, in_seconds, token, token_for, with},
};

const ALL: [&str; 1] = ["*"];

#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    for writers in ["2", "0"] {
        let (_world, node) = guarded(&[("WRITERS", writers)]).await;
        let exp = in_seconds(3);
        let short = token(&with(claims(&ALL, &ALL), "exp", exp));
        let (mut ending, mut staying) =
            (node.stream_as(&short, "").await, node.stream_as(&token_for(&ALL, &[]), "").await);
        let mut ending_room = node.stream_as(&short, "?room=lobby").await;
        node.say_as(&short, message("before")).await;
        for stream in [&mut ending, &mut ending_room, &mut staying] {
            assert_eq!(stream.next().await.content(), "before");
        }
        for stream in [&mut ending, &mut ending_room] {
            let bye = stream.next().await;
            assert!(chrono::Utc::now().timestamp() >= exp, "not too early");
            assert_eq!((bye.kind().as_str(), bye.id.as_str()), ("bye", "1-1"), "with writers={writers}");
            assert!(bye.data()["message"].as_str().unwrap().contains("token has expired"), "{bye:?}");
            assert_eq!(soon("the end", stream.try_next()).await, None);
        }
        let ended = Figures::of(&node).await.get("rowcast_streams_ended_total", &[("reason", "expired")]);
        assert_eq!(ended, Some(2.0), "with writers={writers}");
        let answer = node.get_as(&short, "/stream?last_event_id=1-1").await;
        assert!(challenge(&answer).contains("has expired"), "an EventSource that comes back stays away");
        node.say_as(&token_for(&[], &ALL), message("after")).await;
        assert_eq!(staying.next().await.content(), "after", "others are not concerned");
    }
}

#[tokio::test]
async fn who_comes_with_an_earlier_end_goes_earlier() {
    let (_world, node) = guarded(&[]).await;
    let ends = |seconds| token(&with(claims(&ALL, &[]), "exp", in_seconds(seconds)));
    let mut late = node.stream_as(&ends(3600), "").await;
    let mut soonest = node.stream_as(&ends(2), "").await;
    assert_eq!(soonest.next().await.kind(), "bye");
    node.say_as(&token_for(&[], &ALL), message("still there")).await;
    assert_eq!(late.next().await.content(), "still there");
    // A node that goes says what it always says.
    node.signal("TERM");
    assert!(late.next().await.data()["message"].as_str().unwrap().contains("going away"));
}

#[tokio::test]
async fn an_end_beyond_every_clock_is_one_too() {
    let (_world, node) = guarded(&[]).await;
    for exp in [json!(1e300), json!(1e19), json!(9_007_199_254_740_991_i64), json!(in_seconds(60) as f64 + 0.5)] {
        let token = token(&with(claims(&ALL, &[]), "exp", exp));
        node.stream_as(&token, "").await;
    }
}
