//! The model that replies are asked of: a service that speaks one of two dialects, or `echo`, which is built in.
//!
//! A reply costs money from its first word on, and a service says in five ways that something went wrong: by a status,
//! by an event among the words, by silence, by the end of the connection, and by what nobody can read. So a request is
//! sent again only while nothing has come of it, and once. A reply is whole only if the service said that it is: the
//! end of its bytes alone says nothing. And nothing is read without a bound.
//!
//! The libraries for this were not taken. Those for server-sent events know no bound, and ask again by themselves when
//! a stream ends; those for a service know one service, and much more of it than is needed here. The price is a decoder
//! of our own ([`sse`]), and two small readers of JSON.

mod address;
mod answer;
mod anthropic;
mod echo;
mod error;
mod key;
mod openai;
mod service;
mod speech;
pub mod sse;

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::time::{Instant, timeout_at};

pub use address::BaseUrl;
use answer::Answer;
use echo::Echo;
pub use error::{ModelError, SetupError};
pub use key::ApiKey;
use service::Service;
use speech::Speech;

/// What `echo` is called where a model is named.
const ECHO: &str = "echo";

/// How a model is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// OpenAI's chat completions, which most services and servers speak.
    Openai,
    /// Anthropic's messages.
    Anthropic,
    /// Nobody is asked: the last words come back, one by one.
    Echo,
}

impl Dialect {
    /// The name, as settings and requests have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Echo => ECHO,
        }
    }
}

/// Which model is asked, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// How it is spoken to.
    pub dialect: Dialect,
    /// Where it is, if not where the dialect's inventor has it.
    pub base_url: Option<BaseUrl>,
    /// What it knows us by.
    pub key: Option<ApiKey>,
    /// The model that is asked where none is named.
    pub model: Option<String>,
    /// Further models that may be named.
    pub models: Vec<String>,
    /// The most tokens of a reply.
    pub max_tokens: usize,
    /// What is said before every prompt.
    pub system: Option<String>,
    /// How long is waited for what.
    pub patience: Patience,
    /// The most bytes of an event.
    pub event_bytes: usize,
    /// How long `echo` takes for a word.
    pub echo_pace: Duration,
}

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte.
    pub idle: Duration,
    /// For a whole reply, from the question on.
    pub total: Duration,
    /// For a service that refuses for now, before it is asked once more.
    pub retry: Duration,
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// The model; none is the one that the settings name.
    pub model: Option<String>,
    /// The conversation, oldest first.
    pub turns: Vec<Turn>,
}

/// What one side of a conversation said.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    /// Who.
    pub role: Role,
    /// What.
    pub content: String,
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who says what the model is to be like.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// A piece of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// More of its text; never empty.
    Text(String),
    /// It is whole.
    Done {
        /// How many tokens it was, if that was told.
        tokens: Option<u64>,
        /// Why it ends here.
        reason: Reason,
    },
}

/// Why a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// All was said.
    Stop,
    /// It has its most tokens.
    Length,
    /// The service holds back the rest, or all.
    Filtered,
    /// For another reason, or for none that was told.
    Other,
}

/// A question as every dialect needs it.
struct Question<'a> {
    model: &'a str,
    system: Option<&'a str>,
    turns: &'a [Turn],
    max_tokens: usize,
}

/// A model; a cheap handle.
#[derive(Clone)]
pub struct Model(Arc<Asked>);

struct Asked {
    options: Options,
    /// What the model is called where none is named.
    usual: String,
    /// There is none behind `echo`.
    service: Option<Arc<Service>>,
}

/// A reply under way. When it is dropped, the service is told no more, and stops.
pub struct Reply {
    source: Source,
    deadline: Instant,
    total: Duration,
}

enum Source {
    Echo(Echo),
    Service(Box<Answer>),
}

impl Model {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the options contradict one another.
    pub fn new(options: Options) -> Result<Self, SetupError> {
        let speech = match options.dialect {
            Dialect::Openai => Speech::openai(options.base_url.as_ref()),
            Dialect::Anthropic => Speech::Anthropic,
            Dialect::Echo => {
                SetupError::for_nobody(&options)?;
                return Ok(Self(Arc::new(Asked { options, usual: ECHO.to_owned(), service: None })));
            }
        };
        let usual = options.model.clone().ok_or(SetupError::NoModel)?;
        let service = Some(Arc::new(Service::new(speech, &options)?));
        Ok(Self(Arc::new(Asked { options, usual, service })))
    }

    /// What it is called where a prompt names none.
    pub fn name(&self) -> &str {
        &self.0.usual
    }

    /// How it is spoken to.
    pub fn dialect(&self) -> Dialect {
        self.0.options.dialect
    }

    /// Whether a prompt may name this model: who asks must not choose what someone else pays.
    pub fn serves(&self, model: &str) -> bool {
        self.0.usual == model || self.0.options.models.iter().any(|other| other == model)
    }

    /// Asks; the reply has begun when this returns, though nothing of it may have come. Dropping it takes the question
    /// back.
    ///
    /// # Errors
    /// [`ModelError`].
    pub async fn ask(&self, prompt: &Prompt) -> Result<Reply, ModelError> {
        let Asked { options, usual, service } = &*self.0;
        let model = prompt.model.as_deref().unwrap_or(usual);
        if !self.serves(model) {
            return Err(ModelError::NotServed);
        }
        let (total, turns) = (options.patience.total, &prompt.turns);
        let deadline = Instant::now() + total;
        let source = match service {
            None => Source::Echo(Echo::new(turns, options.echo_pace)),
            Some(service) => {
                let (system, max_tokens) = (options.system.as_deref(), options.max_tokens);
                let question = Question { model, system, turns, max_tokens };
                let answer =
                    timeout_at(deadline, service.ask(&question)).await.map_err(|_| ModelError::Total(total))??;
                Source::Service(Box::new(answer))
            }
        };
        Ok(Reply { source, deadline, total })
    }
}

impl Reply {
    /// What comes next; after [`Delta::Done`], and after an error, nothing does. It may be dropped while it waits, and
    /// nothing is lost: neither text nor the count of the time.
    ///
    /// # Errors
    /// [`ModelError`].
    pub async fn next(&mut self) -> Result<Delta, ModelError> {
        loop {
            // A step that has to wait for nothing would never be asked for the time.
            if Instant::now() >= self.deadline {
                return Err(ModelError::Total(self.total));
            }
            let step = timeout_at(self.deadline, self.source.step());
            if let Some(delta) = step.await.map_err(|_| ModelError::Total(self.total))?? {
                return Ok(delta);
            }
        }
    }
}

impl Source {
    /// Waits for one thing to happen: that may bring a piece, or nothing.
    async fn step(&mut self) -> Result<Option<Delta>, ModelError> {
        match self {
            Self::Echo(echo) => Ok(Some(echo.next().await)),
            Self::Service(answer) => answer.step().await,
        }
    }
}
