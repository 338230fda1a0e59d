//! What is a reply, in whatever form it comes.

use super::*;

const WORDS: &str = "Grüße, 🦀! 漢字";

#[track_caller]
fn assert_whole(played: (String, Result<Delta, ModelError>)) {
    assert_eq!(played, (WORDS.to_owned(), Ok(STOPPED)));
}

#[tokio::test]
async fn a_reply_is_its_text_and_its_end() {
    for dialect in DIALECTS {
        let script = Script::stream().say(text(dialect, "Grüße, ")).say(text(dialect, "🦀! 漢字")).say(stop(dialect));
        assert_whole(played(dialect, script.end()).await);
    }
}

#[tokio::test]
async fn a_reply_may_be_cut_at_every_byte() {
    for dialect in DIALECTS {
        assert_whole(played(dialect, Script::stream().spell(&(text(dialect, WORDS) + &stop(dialect))).end()).await);
    }
}

#[tokio::test]
async fn a_reply_may_come_in_one_piece() {
    for dialect in DIALECTS {
        let all = text(dialect, "Grüße, ") + &text(dialect, "🦀! 漢字") + &stop(dialect);
        assert_whole(played(dialect, Script::stream().say(all).end()).await);
    }
}

#[tokio::test]
async fn lines_may_end_in_any_way_and_begin_with_a_mark() {
    for dialect in DIALECTS {
        for line_end in ["\r\n", "\r"] {
            let all = (text(dialect, WORDS) + &stop(dialect)).replace('\n', line_end);
            assert_whole(played(dialect, Script::stream().spell(&format!("\u{feff}{all}")).end()).await);
        }
    }
}

#[tokio::test]
async fn data_may_have_several_lines_and_comments_between() {
    for dialect in DIALECTS {
        // JSON may be broken after any of its names.
        let lines = text(dialect, WORDS).replace("\":", "\":\n: nothing\ndata: ");
        assert!(lines.matches("\ndata").count() > 1);
        assert_whole(played(dialect, Script::stream().say(": hi\n\n").say(lines + &stop(dialect)).end()).await);
    }
}

#[tokio::test]
async fn a_reply_is_over_when_its_service_says_so_even_if_the_connection_stays() {
    for dialect in DIALECTS {
        let upstream = Upstream::play([Script::stream().say(text(dialect, WORDS) + &stop(dialect)).hold()]).await;
        assert_whole(whole(ask(&model(dialect, &upstream)).await.unwrap()).await);
        upstream.is_left(1).await;
    }
}

#[tokio::test]
async fn why_a_reply_ends_is_told() {
    for (dialect, reason, told) in [
        (Dialect::Openai, "stop", Finish::Stop),
        (Dialect::Openai, "length", Finish::Length),
        (Dialect::Openai, "content_filter", Finish::Filtered),
        (Dialect::Openai, "tool_calls", Finish::Other),
        (Dialect::Anthropic, "end_turn", Finish::Stop),
        (Dialect::Anthropic, "stop_sequence", Finish::Stop),
        (Dialect::Anthropic, "max_tokens", Finish::Length),
        (Dialect::Anthropic, "refusal", Finish::Filtered),
        (Dialect::Anthropic, "pause_turn", Finish::Other),
    ] {
        let (_, end) = played(dialect, Script::stream().say(end(dialect, reason, 3)).end()).await;
        assert_eq!(end, Ok(Delta::Done { tokens: Some(3), reason: told }), "{reason}");
    }
}

/// Many servers give no usage, and some no reason.
#[tokio::test]
async fn what_was_not_told_is_not_made_up() {
    for (dialect, end) in
        [(Dialect::Openai, "data: [DONE]\n\n".to_owned()), (Dialect::Anthropic, event("message_stop", &json!({})))]
    {
        let played = played(dialect, Script::stream().say(text(dialect, "a") + &end).end()).await;
        assert_eq!(played, ("a".to_owned(), Ok(Delta::Done { tokens: None, reason: Finish::Other })));
    }
}

/// The last text, the reason and the usage may come together, as they do of some servers.
#[tokio::test]
async fn the_last_text_may_come_with_the_reason() {
    let choice = json!({ "index": 0, "delta": { "content": WORDS }, "finish_reason": "stop" });
    let last = json!({ "choices": [choice], "usage": { "completion_tokens": 7 } });
    let script = Script::stream().say(format!("data: {last}\n\ndata: [DONE]\n\n")).end();
    assert_whole(played(Dialect::Openai, script).await);
}

#[tokio::test]
async fn events_that_say_nothing_here_are_passed_over() {
    let noise = event("ping", &json!({})) + "event: new_in_2031\ndata: not even JSON\n\n";
    for dialect in DIALECTS {
        let all = format!("{noise}{}{noise}{}", text(dialect, WORDS), stop(dialect));
        assert_whole(played(dialect, Script::stream().say(all).end()).await);
    }
    let start = event("message_start", &json!({ "message": { "usage": { "output_tokens": 1 } } }));
    let thought = json!({ "index": 0, "delta": { "type": "thinking_delta", "thinking": "hm" } });
    let block = event("content_block_start", &json!({ "index": 0 })) + &event("content_block_delta", &thought);
    let all = start + &block + &text(Dialect::Anthropic, WORDS) + &event("content_block_stop", &json!({ "index": 0 }));
    assert_whole(played(Dialect::Anthropic, Script::stream().say(all + &stop(Dialect::Anthropic)).end()).await);
    let role = r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#;
    let thought = r#"data: {"choices":[{"delta":{"reasoning_content":"hm","content":null}}]}"#;
    let all = format!("{role}\n\n{thought}\n\n{}{}", text(Dialect::Openai, WORDS), stop(Dialect::Openai));
    assert_whole(played(Dialect::Openai, Script::stream().say(all).end()).await);
}

#[tokio::test]
async fn a_comment_that_a_proxy_made_data_of_is_passed_over() {
    for dialect in DIALECTS {
        let all = format!("data: : keepalive\n\n{}data:\n\n{}", text(dialect, WORDS), stop(dialect));
        assert_whole(played(dialect, Script::stream().say(all).end()).await);
    }
}

#[tokio::test]
async fn echo_says_the_last_words_back_and_asks_nobody() {
    let mut options = Settings::defaults().unwrap().chat.model();
    options.echo_pace = std::time::Duration::from_millis(1);
    let model = Model::new(options).unwrap();
    assert_eq!((model.dialect(), model.serves("echo"), model.serves("usual")), (Dialect::Echo, true, false));
    let turns = vec![turn(Role::User, "not this"), turn(Role::Assistant, "nor this"), turn(Role::User, WORDS)];
    let mut reply = model.ask(&Prompt { model: Some("echo".to_owned()), turns }).await.unwrap();
    assert_eq!(reply.next().await, Ok(Delta::Text("Grüße, ".to_owned())));
    let (rest, end) = whole(reply).await;
    assert_eq!((&*rest, end), ("🦀! 漢字", Ok(Delta::Done { tokens: Some(3), reason: Finish::Stop })));
}
