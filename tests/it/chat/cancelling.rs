//! Only a call cancels a reply, on any node; and the model is hung up on.

use super::*;

/// The bell alone tells whoever writes, and nothing else hangs up.
const QUIET: [(&str, &str); 2] = [("SESSION_IDLE_TIMEOUT", "1h"), ("LLM_IDLE_TIMEOUT", "1h")];

#[tokio::test]
async fn who_cancels_on_another_node_stops_the_model_and_keeps_what_it_has_said() {
    let (world, upstream, one) = stage([held()], &QUIET).await;
    let two = node(&world, &upstream, &[]).await;
    let mut reader = ask_inline(&one, &saying("hello")).await;
    let id = reader.next().await.data["session_id"].as_str().unwrap().to_owned();
    reader.reach(0).await;
    assert_eq!(cancel(&two, &id, "").await["state"], "cancelled");
    upstream.is_left(1).await;
    let last = reader.last().await;
    assert_eq!((&*last.name, &last.data["message"]["content"]), ("session_cancelled", &json!("first ")));
    assert_eq!(written(&world).await, [said("hello"), replied(&id, "first ")]);
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_no_message() {
    // It has said nothing yet, or something.
    for (script, query) in [(held(), "?keep=false"), (Script::stream().hold(), ""), (Script::silence(), "")] {
        let (world, upstream, node) = stage([script], &QUIET).await;
        let id = ask(&node, &saying("hello")).await;
        upstream.is_asked(1).await;
        if query == "?keep=false" {
            until("it has begun", async || look(&node, &id).await["head"] == 0).await;
        }
        assert_eq!(cancel(&node, &id, query).await["state"], "cancelled");
        upstream.is_left(1).await;
        assert_eq!(look(&node, &id).await["message_id"], json!(null));
        assert_eq!(written(&world).await, [said("hello")]);
    }
}

#[tokio::test]
async fn readers_that_leave_cancel_nothing() {
    let (world, upstream, node) = stage([on_cue(&["a", "b"])], &[]).await;
    let mut inline = ask_inline(&node, &saying("hello")).await;
    let id = inline.next().await.data["session_id"].as_str().unwrap().to_owned();
    let mut other = follow(&node, &id, None).await;
    inline.reach(0).await;
    other.reach(0).await;
    drop((inline, other));
    until("nobody reads it", async || look(&node, &id).await["listeners"] == 0).await;
    upstream.cue();
    upstream.cue();
    ended(&node, &id, "completed").await;
    assert_eq!(written(&world).await[1], replied(&id, "ab"));
}
