//! `/chat`: somebody says something, and a model replies.
//!
//! Who asks twice under one id, since the first answer was lost or from two tabs, finds the session there, and says
//! nothing again.

use chrono::{DateTime, Utc};
use poem::{
    IntoResponse, Request, Response,
    http::{StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    payload::Payload,
    registry::{MetaMediaType, MetaResponses, Registry},
    types::Type,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use validator::ValidateArgs;

use super::{
    Tag,
    caller::Caller,
    failed::{BODY, CALLER, CONFLICT, Failed, UNAVAILABLE},
    front::RequestId,
    problem::ApiError,
    rights,
    session::{Following, Refusal, SessionApi, producer, too_many},
    stream::answer,
    wire::{Wire, check},
};
use crate::{
    chat::{
        Asked, Chat, NotAsked, Question,
        model::{Prompt, Role, Turn},
    },
    message::{DEFAULT_ROOM, Limits, NewMessage},
    reply::Opening,
};

/// What somebody says to the model.
#[derive(Deserialize, Object)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct NewChat {
    /// The id of the session that the reply will be, if you choose it: one that was never used before. Then the call
    /// can be repeated, and the model is asked once.
    #[oai(nullable)]
    #[serde(default)]
    session_id: Option<Uuid>,
    /// Who says it.
    user_id: Uuid,
    /// What: it becomes a message.
    #[oai(validator(min_length = 1, max_length = 1048576, pattern = "^[^\\u0000]*$"))]
    message: String,
    /// The conversation that both are messages of.
    #[oai(default = "default_room", validator(pattern = "^[A-Za-z0-9_.:@-]{1,64}$"))]
    #[serde(default = "default_room")]
    room: String,
    /// Who is asked, if it must be a certain one: `openai`, `anthropic` or `echo`, as the server is set.
    #[oai(nullable)]
    #[serde(default)]
    ai_provider: Option<String>,
    /// Which model, of those that the server serves.
    #[oai(nullable)]
    #[serde(default)]
    model: Option<String>,
    /// What was said before, oldest first. It is told to the model, and written nowhere.
    #[oai(default)]
    #[serde(default)]
    messages: Vec<ChatTurn>,
}

fn default_room() -> String {
    DEFAULT_ROOM.to_owned()
}

/// What one side of a conversation said.
#[derive(Deserialize, Object)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct ChatTurn {
    /// Who.
    role: ChatRole,
    /// What.
    #[oai(validator(min_length = 1))]
    content: String,
}

/// Who speaks.
#[derive(Deserialize, Enum)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum ChatRole {
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// That the model is asked.
#[derive(Serialize, Object)]
struct ChatAccepted {
    /// The session that the reply is: follow it at `stream_url`.
    session_id: Uuid,
    /// Where.
    stream_url: String,
    /// The number of the message that the reply becomes: not known yet.
    #[oai(nullable)]
    message_id: Option<i64>,
    /// The number of the message that was said; null where this is a repeat.
    #[oai(nullable)]
    user_message_id: Option<i64>,
    /// What has become of the request.
    status: ChatStatus,
    /// When.
    #[serde(with = "crate::timestamp")]
    timestamp: DateTime<Utc>,
    /// The request's `X-Request-Id`, under which logs tell of it.
    correlation_id: String,
}

/// What has become of a request.
#[derive(Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum ChatStatus {
    /// The model is asked.
    Accepted,
}

/// The answer: where the reply is to be followed, or the reply itself.
enum Chatted {
    /// The model is asked now.
    Accepted(Wire<ChatAccepted>),
    /// It was asked before.
    There(Wire<ChatAccepted>),
    /// The events of the session.
    Events(Following),
}

/// The calls to the model.
pub(super) struct ChatApi {
    /// Who makes replies.
    pub chat: Chat,
    /// Where sessions are opened and followed.
    pub session: SessionApi,
    /// How large a message may be.
    pub limits: Limits,
    /// The most turns that a request may bring.
    pub turns: usize,
}

#[OpenApi(tag = "Tag::Chat")]
impl ChatApi {
    /// Say something to the model
    ///
    /// Both what is said and the reply become messages. The reply is a session, whose owner is the caller. With
    /// `Accept: text/event-stream` the answer is the stream of that session; who loses it goes on at
    /// `/session/{id}/stream`. Who stops reading stops nothing: only `DELETE /session/{id}` does.
    #[oai(path = "/chat", method = "post", operation_id = "postChat")]
    async fn chat(
        &self,
        request: &Request,
        caller: Caller,
        new: Wire<NewChat>,
    ) -> Result<Chatted, Failed<{ BODY | CALLER | CONFLICT | UNAVAILABLE }>> {
        let (said, prompt, chosen) = self.judge(new.0)?;
        rights::post(&caller.principal, &said.room, ("sender_id", said.sender_id))?;
        // Before anything is said and paid.
        let place = wants_events(request).then(|| self.session.enter(&caller)).transpose()?;
        let owner = caller.principal.subject.clone().unwrap_or_default();
        let id = chosen.unwrap_or_else(Uuid::new_v4);
        let counted = caller.who().to_string();
        let opening = Opening { id, owner, caller: counted, sender: self.chat.sender(), room: said.room.clone() };
        let question = Question { opening, chosen: chosen.is_some(), token: producer::token(), said, prompt };
        let asked = self.chat.ask(question).await.map_err(ApiError::from)?;
        if let Some(place) = place {
            return Ok(Chatted::Events(self.session.events(&caller, place, id, None).await?));
        }
        Ok(match asked {
            Asked::Now(said) => Chatted::Accepted(Wire(accepted(request, id, Some(said)))),
            Asked::Before => Chatted::There(Wire(accepted(request, id, None))),
        })
    }
}

impl ChatApi {
    /// What is said, what the model is asked, and the session's id if it was chosen.
    fn judge(&self, new: NewChat) -> Result<(NewMessage, Prompt, Option<Uuid>), ApiError> {
        let NewChat { session_id, user_id, message, room, ai_provider, model, messages } = new;
        let said = NewMessage { content: message, file: None, sender_id: user_id, room };
        check(said.validate_with_args(&self.limits)).map_err(|error| error.renamed("content", "message"))?;
        let asked = self.chat.model();
        if ai_provider.is_some_and(|provider| provider != asked.dialect().name()) {
            return Err(ApiError::field(
                "ai_provider",
                format!("must be {}, as the server is set", asked.dialect().name()),
            ));
        }
        if model.as_deref().is_some_and(|model| !asked.serves(model)) {
            return Err(ApiError::field("model", "is none of those that the server serves"));
        }
        if messages.len() > self.turns {
            let (most, given) = (self.turns, messages.len());
            return Err(ApiError::field("messages", format!("must be at most {most}, is {given}")));
        }
        if let Some(place) = messages.iter().position(|turn| turn.content.is_empty()) {
            return Err(ApiError::field(&format!("messages[{place}].content"), "must not be empty"));
        }
        let mut turns: Vec<Turn> = messages.into_iter().map(Turn::from).collect();
        turns.push(Turn { role: Role::User, content: said.content.clone() });
        Ok((said, Prompt { model, turns }, session_id))
    }
}

impl From<NotAsked> for ApiError {
    fn from(error: NotAsked) -> Self {
        match error {
            NotAsked::Many => too_many(),
            NotAsked::Taken => Self::NotTaken { reason: Refusal::Taken, head: None },
            NotAsked::Busy | NotAsked::Leaving | NotAsked::Full => Self::Unavailable(error.into()),
            NotAsked::Session(error) => error.into(),
            NotAsked::Lost(_) => Self::Internal(error.into()),
        }
    }
}

impl IntoResponse for Chatted {
    fn into_response(self) -> Response {
        match self {
            Self::Accepted(accepted) => accepted.with_status(StatusCode::ACCEPTED).into_response(),
            Self::There(accepted) => accepted.into_response(),
            Self::Events(events) => events.into_response(),
        }
    }
}

impl ApiResponse for Chatted {
    fn meta() -> MetaResponses {
        let json =
            || MetaMediaType { content_type: Wire::<ChatAccepted>::CONTENT_TYPE, schema: ChatAccepted::schema_ref() };
        let there = "With `Accept: text/event-stream`, the events of the session, as `/session/{id}/stream` has them. Else \
                     the model was asked before, under this `session_id`: nothing is said again.";
        let accepted = answer(202, "The model is asked: follow the session.", vec![json()]);
        let events = Following::meta().responses.into_iter().flat_map(|response| response.content);
        MetaResponses { responses: vec![accepted, answer(200, there, std::iter::once(json()).chain(events).collect())] }
    }

    fn register(registry: &mut Registry) {
        ChatAccepted::register(registry);
        Following::register(registry);
    }
}

impl From<ChatTurn> for Turn {
    fn from(ChatTurn { role, content }: ChatTurn) -> Self {
        let role = match role {
            ChatRole::User => Role::User,
            ChatRole::Assistant => Role::Assistant,
        };
        Self { role, content }
    }
}

fn accepted(request: &Request, session_id: Uuid, user_message_id: Option<i64>) -> ChatAccepted {
    ChatAccepted {
        session_id,
        stream_url: format!("/session/{session_id}/stream"),
        message_id: None,
        user_message_id,
        status: ChatStatus::Accepted,
        timestamp: Utc::now(),
        correlation_id: request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default(),
    }
}

/// Whether the client names the type of an event stream, as `EventSource` and its like do.
fn wants_events(request: &Request) -> bool {
    let accept = request.headers().get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|value| value.split(',')).any(|kind| {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream")
    })
}
