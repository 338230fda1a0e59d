//! How long is waited, for whom, and how one stops waiting.

use std::time::{Duration, Instant};

use chrono::Utc;

use super::*;

const MOMENT: Duration = Duration::from_millis(200);

/// A model of this patience.
fn hasty(dialect: Dialect, upstream: &Upstream, change: impl FnOnce(&mut Options)) -> Model {
    let mut options = options(dialect, &upstream.url);
    change(&mut options);
    Model::new(options).unwrap()
}

fn refusing(status: &str, retry_after: &str) -> Script {
    Script::answer(status, &[("retry-after", retry_after)], "later")
}

fn answering(dialect: Dialect) -> Script {
    Script::stream().say(text(dialect, "yes") + &stop(dialect)).end()
}

#[tokio::test]
async fn silence_ends_a_reply() {
    for script in [Script::stream().say(text(Dialect::Openai, "half")).hold(), Script::stream().hold()] {
        let upstream = Upstream::play([script]).await;
        let model = hasty(Dialect::Openai, &upstream, |options| options.patience.idle = MOMENT);
        let (reply, begun) = (ask(&model).await.unwrap(), Instant::now());
        let error = whole(reply).await.1.unwrap_err();
        assert!(error == ModelError::Idle(MOMENT) && error.is_timeout() && begun.elapsed() >= MOMENT, "{error}");
        upstream.is_left(1).await;
    }
}

#[tokio::test]
async fn a_service_that_does_not_even_begin_is_left() {
    let upstream = Upstream::play([Script::silence()]).await;
    let model = hasty(Dialect::Openai, &upstream, |options| options.patience.idle = MOMENT);
    assert_eq!(ask(&model).await.err(), Some(ModelError::Idle(MOMENT)));
    upstream.is_left(1).await;
    // It may have begun to write all the same.
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn comments_are_life() {
    let idle = Duration::from_secs(1);
    for dialect in DIALECTS {
        // Half of a comment is life, too.
        let thinking = |script: Script, _| script.say(": still").pause(MOMENT / 2).say(" here\n");
        let script = (0..15).fold(Script::stream(), thinking).say(text(dialect, "at last") + &stop(dialect)).end();
        let upstream = Upstream::play([script]).await;
        let (model, begun) = (hasty(dialect, &upstream, |options| options.patience.idle = idle), Instant::now());
        let (said, end) = whole(ask(&model).await.unwrap()).await;
        assert_eq!((&*said, end), ("at last", Ok(STOPPED)));
        assert!(begun.elapsed() > idle);
    }
}

/// Who pours a reply into something else waits for several things at once.
#[tokio::test]
async fn who_waits_in_turns_loses_nothing_and_waits_no_longer() {
    let script = Script::stream().wait().say(text(Dialect::Openai, "one")).hold();
    let upstream = Upstream::play([script]).await;
    let model = hasty(Dialect::Openai, &upstream, |options| options.patience.idle = Duration::from_secs(1));
    let (mut reply, turn) = (ask(&model).await.unwrap(), Duration::from_millis(10));
    assert!(tokio::time::timeout(turn, reply.next()).await.is_err());
    upstream.cue();
    let in_turns = async {
        let (mut said, mut turns) = (String::new(), 0);
        loop {
            match tokio::time::timeout(turn, reply.next()).await {
                Err(_) => turns += 1,
                Ok(Ok(Delta::Text(text))) => said.push_str(&text),
                Ok(end) => return (said, end, turns),
            }
        }
    };
    let (said, end, turns) = soon("the silence is over", in_turns).await;
    assert_eq!((&*said, end), ("one", Err(ModelError::Idle(Duration::from_secs(1)))));
    assert!(turns > 5, "{turns}");
}

#[tokio::test]
async fn whoever_is_slow_to_ask_for_more_is_not_taken_for_silence() {
    let dialect = Dialect::Openai;
    let upstream = Upstream::play([Script::stream().say(text(dialect, "one")).wait().say(stop(dialect)).end()]).await;
    let model = hasty(dialect, &upstream, |options| options.patience.idle = MOMENT);
    let mut reply = ask(&model).await.unwrap();
    assert_eq!(reply.next().await, Ok(Delta::Text("one".to_owned())));
    tokio::time::sleep(MOMENT * 2).await;
    upstream.cue();
    assert_eq!(soon("the end", reply.next()).await, Ok(STOPPED));
}

#[tokio::test]
async fn a_reply_that_takes_too_long_is_left_however_lively_it_is() {
    for dialect in DIALECTS {
        let script =
            (0..1000).fold(Script::stream(), |script, _| script.say(text(dialect, "on and ")).pause(MOMENT / 20));
        let upstream = Upstream::play([script]).await;
        let model = hasty(dialect, &upstream, |options| options.patience.total = MOMENT * 2);
        let (begun, (said, end)) = (Instant::now(), whole(ask(&model).await.unwrap()).await);
        let error = end.unwrap_err();
        assert!(error == ModelError::Total(MOMENT * 2) && error.is_timeout(), "{error}");
        assert!(said.starts_with("on and ") && begun.elapsed() < Duration::from_secs(9));
    }
}

#[tokio::test]
async fn a_reply_that_takes_too_long_is_left_however_patient_one_is_with_silence() {
    let total = |options: &mut Options| options.patience.total = MOMENT;
    let upstream = Upstream::play([Script::silence(), Script::stream().hold()]).await;
    let model = hasty(Dialect::Openai, &upstream, total);
    assert_eq!(ask(&model).await.err(), Some(ModelError::Total(MOMENT)));
    assert_eq!(whole(ask(&model).await.unwrap()).await.1, Err(ModelError::Total(MOMENT)));
    upstream.is_left(2).await;
}

/// Or a service that is never out of words would never be asked for the time.
#[tokio::test]
async fn what_is_there_when_the_time_is_over_is_not_waited_for_but_too_late() {
    let dialect = Dialect::Openai;
    let upstream = Upstream::play([Script::stream().say(text(dialect, "one") + &text(dialect, "two")).hold()]).await;
    let model = hasty(dialect, &upstream, |options| options.patience.total = MOMENT);
    let mut reply = ask(&model).await.unwrap();
    assert_eq!(reply.next().await, Ok(Delta::Text("one".to_owned())));
    tokio::time::sleep(MOMENT).await;
    assert_eq!(reply.next().await, Err(ModelError::Total(MOMENT)));
}

#[tokio::test]
async fn who_drops_a_reply_hangs_up() {
    for dialect in DIALECTS {
        let upstream = Upstream::play([Script::stream().say(text(dialect, "half")).hold()]).await;
        let mut reply = ask(&model(dialect, &upstream)).await.unwrap();
        assert_eq!(reply.next().await, Ok(Delta::Text("half".to_owned())));
        drop(reply);
        upstream.is_left(1).await;
    }
}

#[tokio::test]
async fn who_drops_the_question_hangs_up() {
    let upstream = Upstream::play([Script::silence()]).await;
    let model = model(Dialect::Openai, &upstream);
    let asking = tokio::spawn(async move { model.ask(&prompt()).await.err() });
    upstream.is_asked(1).await;
    asking.abort();
    upstream.is_left(1).await;
}

#[tokio::test]
async fn a_service_that_refuses_for_now_is_asked_once_more() {
    for dialect in DIALECTS {
        for status in ["429 Too Many Requests", "503 Service Unavailable", "529 Overloaded"] {
            let upstream = Upstream::play([refusing(status, "0"), answering(dialect)]).await;
            let (said, end) = whole(ask(&model(dialect, &upstream)).await.unwrap()).await;
            assert_eq!((&*said, end, upstream.asked().len()), ("yes", Ok(STOPPED), 2));
            let asked = upstream.asked();
            assert_eq!((&asked[0].head, &asked[0].body), (&asked[1].head, &asked[1].body));
            // And no third time.
            let upstream = Upstream::play([refusing(status, "0")]).await;
            let error = ask(&model(dialect, &upstream)).await.err().unwrap();
            assert_eq!((error.retry_after(), upstream.asked().len()), (Some(Duration::ZERO), 2), "{error}");
        }
    }
}

#[tokio::test]
async fn a_service_that_says_when_is_asked_then() {
    let upstream = Upstream::play([refusing("429 Too Many Requests", "1"), answering(Dialect::Openai)]).await;
    let begun = Instant::now();
    ask(&model(Dialect::Openai, &upstream)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // In whole seconds, this is one second from now, or a little more.
    let begun = Instant::now();
    let date = (Utc::now() + Duration::from_secs(2)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let upstream = Upstream::play([refusing("529 Overloaded", &date), answering(Dialect::Anthropic)]).await;
    ask(&model(Dialect::Anthropic, &upstream)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(990), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_service_that_wants_to_be_left_alone_for_long_is() {
    let upstream = Upstream::play([refusing("429 Too Many Requests", "6"), answering(Dialect::Openai)]).await;
    let error = ask(&model(Dialect::Openai, &upstream)).await.err().unwrap();
    assert_eq!((error.kind(), error.retry_after()), ("rate_limited", Some(Duration::from_secs(6))));
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn a_reply_that_has_begun_is_never_asked_for_again() {
    for dialect in DIALECTS {
        for begun in [Script::stream(), Script::stream().say(text(dialect, "half"))] {
            let upstream = Upstream::play([begun, answering(dialect)]).await;
            let (_, end) = whole(ask(&model(dialect, &upstream)).await.unwrap()).await;
            assert_eq!((end, upstream.asked().len()), (Err(ModelError::Broken), 1));
        }
        // It took the question, and nobody knows what it did with it.
        let upstream = Upstream::play([Script::default(), answering(dialect)]).await;
        assert_eq!(ask(&model(dialect, &upstream)).await.err(), Some(ModelError::Broken));
        assert_eq!(upstream.asked().len(), 1);
    }
}
