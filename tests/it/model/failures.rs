//! What is no reply, or no whole one: each is an error of its own, and what came before it is still told.

use super::*;

#[track_caller]
fn assert_fails(played: (String, Result<Delta, ModelError>), text: &str, kind: &str) {
    assert_eq!((&*played.0, played.1.unwrap_err().kind()), (text, kind));
}

#[tokio::test]
async fn a_stream_that_ends_without_an_end_is_no_whole_reply() {
    for dialect in DIALECTS {
        let (before, last) = (stop(dialect).len(), stop(dialect).trim_end().rsplit("\n\n").next().unwrap().len() + 2);
        // The reason is told, and so is the usage; only the end itself is missing.
        let nearly = &stop(dialect)[..before - last];
        let (said, end) = played(dialect, Script::stream().say(text(dialect, "half") + nearly).end()).await;
        assert_eq!((&*said, end), ("half", Err(ModelError::Truncated)), "{nearly}");
    }
    // An end whose line has not ended is none, either.
    let cut = Script::stream().say(text(Dialect::Openai, "half")).say("data: [DONE]").end();
    assert_fails(played(Dialect::Openai, cut).await, "half", "truncated");
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_end() {
    for dialect in DIALECTS {
        assert_fails(played(dialect, Script::stream().say(text(dialect, "half"))).await, "half", "broken");
    }
}

#[tokio::test]
async fn an_error_amid_the_reply_is_one() {
    let error = r#"{"error":{"message":"it broke","type":"server_error","code":500}}"#;
    let flat = r#"{"object":"error","message":"it broke","code":400}"#;
    for error in [
        format!("data: {error}\n\n"),
        format!("event: error\ndata: {error}\n\n"),
        format!("data: {flat}\n\n"),
        "event: error\ndata: it broke\n\n".to_owned(),
    ] {
        // Some servers say all the same that the stream is done.
        let all = text(Dialect::Openai, "half") + &error + "data: [DONE]\n\n";
        assert_fails(played(Dialect::Openai, Script::stream().say(all).end()).await, "half", "reported");
    }
    let error = event("error", &json!({ "error": { "type": "api_error", "message": "it broke" } }));
    let unnamed = error.replace("event: error\n", "");
    for error in [error, unnamed] {
        let all = text(Dialect::Anthropic, "half") + &error;
        assert_fails(played(Dialect::Anthropic, Script::stream().say(all).end()).await, "half", "reported");
    }
}

#[tokio::test]
async fn a_service_that_is_overloaded_amid_the_reply_is_told_apart_and_not_asked_again() {
    let error = event("error", &json!({ "error": { "type": "overloaded_error", "message": "Overloaded" } }));
    for dialect in DIALECTS {
        let upstream = Upstream::play([Script::stream().say(text(dialect, "half") + &error).end()]).await;
        let played = whole(ask(&model(dialect, &upstream)).await.unwrap()).await;
        assert_fails(played, "half", "overloaded");
        assert_eq!(upstream.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_an_error() {
    for dialect in DIALECTS {
        for garbage in ["data: {\"choices\":\n\n", "data: <html>\n\n", "data: [1]\n\n", "data: done\n\n"] {
            let all = text(dialect, "half") + garbage + &stop(dialect);
            assert_fails(played(dialect, Script::stream().say(all).end()).await, "half", "unreadable");
        }
    }
}

#[tokio::test]
async fn an_endless_line_is_cut_off_at_the_bound() {
    for dialect in DIALECTS {
        let line = format!("data: {}", "x".repeat(2 << 20));
        let script = Script::stream().say(text(dialect, "half")).say(line).hold();
        let upstream = Upstream::play([script]).await;
        let (said, end) = whole(ask(&model(dialect, &upstream)).await.unwrap()).await;
        assert_eq!((&*said, end), ("half", Err(ModelError::TooLarge(1 << 20))));
        upstream.is_left(1).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_no_event_stream_is_no_reply() {
    let page = Script::answer("200 OK", &[("content-type", "text/html")], "<h1>Welcome to the proxy</h1>");
    let error = Script::answer("200 OK", &[("content-type", "application/json")], r#"{"error":"no"}"#);
    let bare = Script::answer("200 OK", &[], "data: [DONE]\n\n");
    for script in [page, error, bare] {
        let upstream = Upstream::play([script]).await;
        assert_eq!(ask(&model(Dialect::Openai, &upstream)).await.err(), Some(ModelError::NoStream));
    }
}

#[tokio::test]
async fn a_refusal_is_told_by_its_kind() {
    for (status, kind) in [
        ("400 Bad Request", "rejected"),
        ("401 Unauthorized", "unauthorized"),
        ("403 Forbidden", "unauthorized"),
        ("404 Not Found", "rejected"),
        ("500 Internal Server Error", "failed"),
        ("502 Bad Gateway", "failed"),
        ("204 No Content", "no_stream"),
    ] {
        let upstream = Upstream::play([Script::answer(status, &[], "")]).await;
        let error = ask(&model(Dialect::Anthropic, &upstream)).await.err().unwrap();
        assert_eq!((error.kind(), upstream.asked().len()), (kind, 1), "{status}");
    }
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let other = Upstream::play([Script::stream().say(stop(Dialect::Openai)).end()]).await;
    let to = format!("{}/chat/completions", other.url);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let upstream = Upstream::play([Script::answer(status, &[("location", &to)], "")]).await;
        assert_eq!(ask(&model(Dialect::Openai, &upstream)).await.err().unwrap().kind(), "redirected");
        assert!(other.asked().is_empty());
    }
}
