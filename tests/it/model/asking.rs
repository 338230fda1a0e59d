//! What a service is asked, and what must be set before it can be.

use rowcast::chat::model::SetupError;

use super::*;
use crate::support::{Node, World};

async fn asked(change: impl FnOnce(&mut Options), dialect: Dialect, prompt: &Prompt) -> (String, Value) {
    let upstream = Upstream::play([Script::stream().say(stop(dialect)).end()]).await;
    let mut options = options(dialect, &upstream.url);
    change(&mut options);
    soon("the reply", Model::new(options).unwrap().ask(prompt)).await.unwrap();
    let asked = upstream.asked().remove(0);
    let header = |name| asked.header(name).unwrap_or_default();
    assert_eq!(
        (header("user-agent"), header("accept"), header("content-type")),
        (concat!("rowcast/", env!("CARGO_PKG_VERSION")), "text/event-stream", "application/json")
    );
    (asked.head, asked.body)
}

fn conversation() -> Prompt {
    let turns = vec![
        turn(Role::System, "be kind"),
        turn(Role::User, "hello"),
        turn(Role::Assistant, "yes?"),
        turn(Role::User, "why?"),
    ];
    Prompt { model: None, turns }
}

#[tokio::test]
async fn openai_is_asked_in_its_words() {
    let system = |options: &mut Options| options.system = Some("be brief".to_owned());
    let (head, body) = asked(system, Dialect::Openai, &conversation()).await;
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nauthorization: Bearer {KEY}\r\n")), "{head}");
    let expected = json!({
        "model": "usual",
        "messages": [
            { "role": "system", "content": "be brief" },
            { "role": "system", "content": "be kind" },
            { "role": "user", "content": "hello" },
            { "role": "assistant", "content": "yes?" },
            { "role": "user", "content": "why?" },
        ],
        "stream": true,
        "stream_options": { "include_usage": true },
        "max_tokens": 4096,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn anthropic_is_asked_in_its_words() {
    let system = |options: &mut Options| options.system = Some("be brief".to_owned());
    let (head, body) = asked(system, Dialect::Anthropic, &conversation()).await;
    assert!(head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{head}");
    for header in [&*format!("x-api-key: {KEY}"), "anthropic-version: 2023-06-01"] {
        assert!(head.contains(&format!("\r\n{header}\r\n")), "{head}");
    }
    let expected = json!({
        "model": "usual",
        "system": "be brief\n\nbe kind",
        "messages": [
            { "role": "user", "content": "hello" },
            { "role": "assistant", "content": "yes?" },
            { "role": "user", "content": "why?" },
        ],
        "max_tokens": 4096,
        "stream": true,
    });
    assert_eq!(body, expected);
    // Without a system there is none, not an empty one.
    assert!(asked(|_| {}, Dialect::Anthropic, &prompt()).await.1.get("system").is_none());
}

#[tokio::test]
async fn a_service_of_ones_own_may_need_no_key() {
    for dialect in DIALECTS {
        let (head, _) = asked(|options| options.key = None, dialect, &prompt()).await;
        assert!(!head.contains("authorization") && !head.contains("x-api-key"), "{head}");
    }
}

#[tokio::test]
async fn an_address_may_have_a_user_and_a_query() {
    let upstream = Upstream::play([Script::stream().say(stop(Dialect::Openai)).end()]).await;
    let url = upstream.url.replace("http://", "http://user:word@") + "?version=2";
    for (key, header) in [(None, "Basic dXNlcjp3b3Jk".to_owned()), (ApiKey::new(KEY), format!("Bearer {KEY}"))] {
        ask(&Model::new(Options { key, ..options(Dialect::Openai, &url) }).unwrap()).await.unwrap();
        let asked = upstream.asked().pop().unwrap();
        assert!(asked.head.starts_with("POST /v1/chat/completions?version=2 HTTP/1.1\r\n"), "{}", asked.head);
        assert_eq!(asked.header("authorization"), Some(&*header));
        assert_eq!(asked.head.matches("authorization").count(), 1);
    }
}

#[tokio::test]
async fn only_models_that_are_served_can_be_chosen() {
    let upstream = Upstream::play([Script::stream().say(stop(Dialect::Openai)).end()]).await;
    let mut options = options(Dialect::Openai, &upstream.url);
    options.models = vec!["large".to_owned()];
    let model = Model::new(options).unwrap();
    assert_eq!(
        ["usual", "large", "larger", "", "echo"].map(|name| model.serves(name)),
        [true, true, false, false, false]
    );
    for (name, asked) in [(None, "usual"), (Some("usual"), "usual"), (Some("large"), "large")] {
        let prompt = Prompt { model: name.map(str::to_owned), ..prompt() };
        model.ask(&prompt).await.unwrap();
        assert_eq!(upstream.asked().pop().unwrap().body["model"], asked);
    }
    let refused = model.ask(&Prompt { model: Some("larger".to_owned()), ..prompt() }).await.err();
    assert_eq!((refused, upstream.asked().len()), (Some(ModelError::NotServed), 3));
}

#[test]
fn settings_that_contradict_one_another_are_mistakes() {
    let defaults = || Settings::defaults().unwrap().chat.model();
    let refused = |options| Model::new(options).err().unwrap();
    for dialect in DIALECTS {
        let no_model = Options { model: None, ..options(dialect, "http://h") };
        assert!(matches!(refused(no_model), SetupError::NoModel));
        let no_key = Options { dialect, model: Some("usual".to_owned()), ..defaults() };
        assert!(matches!(refused(no_key), SetupError::NoKey));
    }
    let (url, key) = (BaseUrl::new("http://h"), ApiKey::new(KEY));
    for (unused, name) in [
        (Options { base_url: url, ..defaults() }, "LLM_BASE_URL"),
        (Options { key, ..defaults() }, "LLM_API_KEY"),
        (Options { model: Some("usual".to_owned()), ..defaults() }, "LLM_MODEL"),
        (Options { models: vec!["other".to_owned()], ..defaults() }, "LLM_MODELS"),
    ] {
        assert!(matches!(refused(unused), SetupError::Unused(setting) if setting == name));
    }
}

#[tokio::test]
async fn a_node_whose_model_cannot_be_asked_does_not_start() {
    let world = World::new().await;
    for (settings, said) in [
        (&[("LLM_DIALECT", "openai"), ("LLM_API_KEY", KEY)][..], "LLM_MODEL"),
        (&[("LLM_API_KEY", KEY)], "LLM_DIALECT"),
        (&[("LLM_DIALECT", "anthropic"), ("LLM_API_KEY", "sk-hunter2 and more")], "LLM_API_KEY (--llm-api-key)"),
        (&[("LLM_BASE_URL", "ftp://user:hunter2@h")], "LLM_BASE_URL (--llm-base-url)"),
    ] {
        let mut command = Node::command("serve");
        command.env("DATABASE_URL", &world.database_url).env("REDIS_URL", &world.redis_url).env("LOG", "error");
        command.env("HOST", "127.0.0.1").env("PORT", "0").envs(settings.iter().copied()).kill_on_drop(true);
        let output = soon("the program ends", command.output()).await.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.lines().count() == 1 && told.contains(said), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
