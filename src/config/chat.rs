//! Which model writes replies, and how long it is waited for.

use std::time::Duration;

use bytesize::ByteSize;
use clap::{ArgAction, Args};
use uuid::Uuid;

use super::values::{at_least_one, bytes, delay, size, span};
use crate::chat::{
    self,
    model::{ApiKey, BaseUrl, Dialect, Options, Patience},
};

/// Which model writes replies, and how long it is waited for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Chat")]
pub struct ChatSettings {
    /// How the model is spoken to: as OpenAI's, which most services and servers understand, as Anthropic's, or not at
    /// all: `echo` says the last message back, word by word
    #[arg(long, env, default_value = "echo")]
    pub llm_dialect: Dialect,

    /// Where the model's service is, up to where its paths begin [default: https://api.openai.com/v1 or
    /// https://api.anthropic.com/v1]
    #[arg(long, env, hide_env_values = true, value_name = "URL", value_parser = base_url)]
    pub llm_base_url: Option<BaseUrl>,

    /// The key that the service asks for
    #[arg(long, env, hide_env_values = true, value_name = "KEY", value_parser = api_key)]
    pub llm_api_key: Option<ApiKey>,

    /// The model that writes replies
    #[arg(long, env, value_name = "MODEL", value_parser = name)]
    pub llm_model: Option<String>,

    /// Further models that a request may name, like `small,large`: any other is refused, since who asks must not
    /// choose what you pay
    #[arg(long, env, value_name = "MODELS", value_delimiter = ',', action = ArgAction::Set, value_parser = name)]
    pub llm_models: Option<Vec<String>>,

    /// The most tokens of a reply: each is paid
    #[arg(long, env, default_value_t = 4096, value_parser = at_least_one)]
    pub llm_max_tokens: usize,

    /// What the model is told before every conversation
    #[arg(long, env, value_name = "TEXT", value_parser = name)]
    pub llm_system: Option<String>,

    /// The most turns of a conversation that a request may bring: all are paid for each reply
    #[arg(long, env, default_value_t = 100, value_parser = at_least_one)]
    pub llm_max_turns: usize,

    /// How long a connection to the service may take
    #[arg(long, env, default_value = "10s", value_parser = span)]
    pub llm_connect_timeout: Duration,

    /// How long the service may send nothing, before its first byte too; services send comments while a model thinks
    #[arg(long, env, default_value = "30s", value_parser = span)]
    pub llm_idle_timeout: Duration,

    /// How long a reply may take, from the question to its last word
    #[arg(long, env, default_value = "5min", value_parser = span)]
    pub llm_total_timeout: Duration,

    /// The longest wait before a service is asked once more that cannot be reached or refuses for now; if it wants a
    /// longer one, the reply fails. Who waits sees nothing yet
    #[arg(long, env, default_value = "5s", value_parser = delay)]
    pub llm_retry_wait: Duration,

    /// The most bytes of an event of the service: real ones have a few hundred
    #[arg(long, env, default_value = "1MiB", value_parser = bytes)]
    pub llm_event_bytes: ByteSize,

    /// The most replies that this node writes at once: each is a connection to the service, and money
    #[arg(long, env, default_value_t = 64, value_parser = at_least_one)]
    pub llm_concurrent: usize,

    /// How long replies under way have when the node is to stop; those that are not whole by then fail
    #[arg(long, env, default_value = "10s", value_parser = delay)]
    pub llm_grace: Duration,

    /// Who sends the messages that the model writes
    #[arg(long, env, value_name = "UUID", default_value = "b8e1a3b1-6666-456a-b6b4-eba074085360")]
    pub llm_sender_id: Uuid,

    /// How long `echo` takes for a word: about as long as a model
    #[arg(long, env, default_value = "30ms", value_parser = delay)]
    pub llm_echo_pace: Duration,
}

impl ChatSettings {
    /// How replies are made; `chunk_bytes` is the longest chunk of any session.
    pub fn options(&self, chunk_bytes: usize) -> chat::Options {
        chat::Options {
            sender: self.llm_sender_id,
            concurrent: self.llm_concurrent,
            grace: self.llm_grace,
            chunk_bytes,
        }
    }

    /// Which model is asked, and how.
    pub fn model(&self) -> Options {
        Options {
            dialect: self.llm_dialect,
            base_url: self.llm_base_url.clone(),
            key: self.llm_api_key.clone(),
            model: self.llm_model.clone(),
            models: self.llm_models.clone().unwrap_or_default(),
            max_tokens: self.llm_max_tokens,
            system: self.llm_system.clone(),
            patience: Patience {
                connect: self.llm_connect_timeout,
                idle: self.llm_idle_timeout,
                total: self.llm_total_timeout,
                retry: self.llm_retry_wait,
            },
            event_bytes: size(self.llm_event_bytes),
            echo_pace: self.llm_echo_pace,
        }
    }
}

fn base_url(text: &str) -> Result<BaseUrl, String> {
    BaseUrl::new(text).ok_or_else(|| "must be like https://api.openai.com/v1".to_owned())
}

fn api_key(text: &str) -> Result<ApiKey, String> {
    ApiKey::new(text).ok_or_else(|| "must be ASCII without spaces".to_owned())
}

fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".to_owned()),
        name => Ok(name.to_owned()),
    }
}
