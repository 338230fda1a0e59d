//! What a caller may do with messages and sessions, in the words of an answer.

use uuid::Uuid;

use super::problem::ApiError;
use crate::auth::{Principal, Reads};

fn refuse(why: impl Into<String>) -> ApiError {
    ApiError::Forbidden(why.into())
}

/// May it read this room?
pub(super) fn read(caller: &Principal, room: &str) -> Result<(), ApiError> {
    if caller.may_read(room) {
        Ok(())
    } else {
        Err(refuse(format!("the token does not allow to read the room {room}")))
    }
}

/// The rooms to read where the request names none; none for all of them.
pub(super) fn rooms(caller: &Principal) -> Result<Option<Vec<String>>, ApiError> {
    match caller.reads() {
        Reads::Everything => Ok(None),
        Reads::Rooms(rooms) if rooms.is_empty() => Err(refuse("the token does not allow to read any room")),
        Reads::Rooms(rooms) => Ok(Some(rooms)),
        Reads::Patterns => Err(refuse("the token does not allow to read all rooms: name one with `room`")),
    }
}

/// The patterns of the rooms to list; none for all of them.
pub(super) fn patterns(caller: &Principal) -> Result<Option<Vec<String>>, ApiError> {
    match caller.patterns() {
        Some(patterns) if patterns.is_empty() => Err(refuse("the token does not allow to read any room")),
        patterns => Ok(patterns),
    }
}

/// May it write to this room, in this sender's name, which its client calls `field`?
pub(super) fn post(caller: &Principal, room: &str, (field, sender): (&str, Uuid)) -> Result<(), ApiError> {
    write(caller, room)?;
    if caller.is_sender(sender) { Ok(()) } else { Err(refuse(format!("{field} must be the `sub` of the token"))) }
}

/// May it change or delete what this sender has written in this room?
pub(super) fn change(caller: &Principal, room: &str, sender: Uuid) -> Result<(), ApiError> {
    write(caller, room)?;
    if caller.is_sender(sender) || caller.may_moderate() {
        Ok(())
    } else {
        Err(refuse("the message is another sender's, and the token does not allow to moderate"))
    }
}

/// Has it opened the session that this one owns?
pub(super) fn own(caller: &Principal, owner: &str) -> Result<(), ApiError> {
    // Where nobody was asked who they are, the owner is nobody.
    if caller.is_anyone() || !owner.is_empty() && caller.subject.as_deref() == Some(owner) {
        Ok(())
    } else {
        Err(refuse("the session is another's"))
    }
}

/// May it write the text of the session that this one owns, in this sender's name?
pub(super) fn produce(caller: &Principal, owner: &str, sender: Uuid) -> Result<(), ApiError> {
    own(caller, owner)?;
    // Who asks a model owns the reply, and must not be able to put words into the model's mouth.
    if caller.is_sender(sender) { Ok(()) } else { Err(refuse("the session is written in another's name")) }
}

/// May it cancel the session that this one owns in this room?
pub(super) fn cancel(caller: &Principal, owner: &str, room: &str) -> Result<(), ApiError> {
    if own(caller, owner).is_ok() || caller.may_moderate() && write(caller, room).is_ok() {
        Ok(())
    } else {
        Err(refuse("the session is another's, and the token does not allow to moderate in its room"))
    }
}

/// As whom is it in the rooms of its stream? Where nobody is asked who they are, as whoever it says; none is a looker-on.
/// Its client calls the user `field`.
pub(super) fn present(caller: &Principal, (field, said): (&str, Option<Uuid>)) -> Result<Option<String>, ApiError> {
    match said {
        Some(user) if caller.is_sender(user) => Ok(Some(user.to_string())),
        Some(_) => Err(refuse(format!("{field} must be the `sub` of the token, or be left out"))),
        // The same user has the same name, however the token writes it, and the one that its messages have.
        None => {
            let subject = caller.subject.clone().filter(|subject| !subject.is_empty());
            Ok(caller.sender.map(|sender| sender.to_string()).or(subject))
        }
    }
}

fn write(caller: &Principal, room: &str) -> Result<(), ApiError> {
    if !caller.is_anyone() && caller.sender.is_none() {
        return Err(refuse("the token's `sub` is not a UUID: it may read, but not write"));
    }
    if caller.may_write(room) {
        Ok(())
    } else {
        Err(refuse(format!("the token does not allow to write to the room {room}")))
    }
}
