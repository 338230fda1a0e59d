//! Rooms: a page of them by name, each with the number of its messages and the last one; and how the numbers are kept.
//!
//! The numbers are exact, and cost writers nothing. A counter that triggers move is a row for which all writers of a
//! room wait until the one before has committed; an insert of +1 beside each change is a second log. So there are the
//! counts that a snapshot saw, and the changes that it did not see are summed when somebody asks: both are read in one
//! statement, that is one snapshot, so it does not matter when which was written. The price is that asking costs some
//! 0.4 µs for each change that was not folded into the counts; the leader does that every second.
//!
//! A fold is not cut into pieces, as ticks are: it holds nothing that anybody waits for, takes no longer than to read
//! its changes once, and a part of a difference of snapshots is not a difference of snapshots.
//!
//! Where the log has lost what the counts lack, the messages themselves are counted, until the leader has done so once
//! for all (`feed.counts_hold`, in the migration, says when that is).

use sqlx::{FromRow, Row as _, postgres::PgRow};

use super::{Store, StoreError};
use crate::message::Message;

/// Which rooms a page is made of.
#[derive(Debug, Clone)]
pub struct RoomQuery {
    /// Only rooms whose names match one of these, in which `*` stands for any characters; none for all rooms.
    pub patterns: Option<Vec<String>>,
    /// Only rooms whose names come after this one.
    pub after: Option<String>,
    /// Only rooms whose names begin so.
    pub prefix: Option<String>,
    /// The most rooms.
    pub limit: usize,
    /// The most bytes of content, if it is not one message that has more.
    pub bytes: usize,
}

/// A page of rooms.
#[derive(Debug)]
pub struct RoomPage {
    /// The rooms, by name, in the order of its bytes.
    pub rooms: Vec<Room>,
    /// Whether there are more.
    pub has_more: bool,
}

/// A room that holds messages.
#[derive(Debug)]
pub struct Room {
    /// How many.
    pub messages: i64,
    /// The newest, which says the room's name.
    pub last: Message,
}

impl FromRow<'_, PgRow> for Room {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self { messages: row.try_get("messages")?, last: Message::from_row(row)? })
    }
}

impl RoomPage {
    fn of(rows: Vec<PgRow>, limit: usize) -> sqlx::Result<Self> {
        let chosen: i64 = rows.first().map(|row| row.try_get("chosen")).transpose()?.unwrap_or_default();
        let rooms: Vec<_> = rows.iter().take(limit).map(Room::from_row).collect::<sqlx::Result<_>>()?;
        let has_more = chosen > rooms.len() as i64;
        Ok(Self { rooms, has_more })
    }
}

/// Patterns as SQL has them, and the range of names in which the matches of each are: every character that may be in a
/// name comes before `~`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ranges {
    low: Vec<String>,
    high: Vec<String>,
    like: Vec<String>,
}

impl<'a> FromIterator<&'a str> for Ranges {
    fn from_iter<T: IntoIterator<Item = &'a str>>(patterns: T) -> Self {
        let mut ranges = Self::default();
        for pattern in patterns {
            let begin = pattern.split_once('*').map(|(begin, _)| begin);
            ranges.low.push(begin.unwrap_or(pattern).to_owned());
            ranges.high.push(begin.map_or_else(|| pattern.to_owned(), |begin| format!("{begin}~")));
            ranges.like.push(pattern.replace('_', r"\_").replace('*', "%"));
        }
        ranges
    }
}

/// Whether there is anything to fold, or all must be counted.
const DUE: &str = "select not coalesce(feed.counts_hold(), false) or t.first_position + t.count - 1 > c.position
       from feed.counted c, (select * from feed.tick order by tick desc limit 1) t";

/// Whoever else counts just now does it as well. The statements after it see what that one has done.
const LOCK: &str = "select from feed.counted for update skip locked";

impl Store {
    /// The rooms that match and hold messages, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rooms(&self, query: &RoomQuery) -> Result<RoomPage, StoreError> {
        let all = [String::from("*")];
        let patterns = query.patterns.as_deref().unwrap_or(&all);
        let Ranges { low, high, like } = patterns.iter().map(String::as_str).collect();
        let rows = sqlx::query(include_str!("page.sql")).bind(low).bind(high).bind(like);
        let rows = rows.bind(query.after.as_deref().unwrap_or_default());
        let rows = rows.bind(query.prefix.as_deref().unwrap_or_default());
        // One more than is wanted, only to know that it is there.
        let rows = rows.bind(query.limit as i64 + 1).bind(i64::try_from(query.bytes).unwrap_or(i64::MAX));
        let page = async { RoomPage::of(rows.fetch_all(&self.http).await?, query.limit) };
        self.in_time(page).await
    }

    /// Folds what was written since into the counts of rooms, or counts anew where the log does not tell that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_rooms(&self) -> Result<(), StoreError> {
        if !sqlx::query_scalar(DUE).fetch_one(&self.log).await? {
            return Ok(());
        }
        let mut turn = self.log.begin().await?;
        if sqlx::query(LOCK).fetch_optional(&mut *turn).await?.is_none() {
            return Ok(());
        }
        let folded = sqlx::query(include_str!("fold.sql")).execute(&mut *turn).await?;
        if folded.rows_affected() == 0 {
            tracing::info!("counting the messages of all rooms");
            sqlx::query(include_str!("recount.sql")).execute(&mut *turn).await?;
        }
        turn.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_becomes_a_range_and_a_pattern_of_sql() {
        let ranges: Ranges = ["*", "a_b", "team-*", "x*y_*"].into_iter().collect();
        assert_eq!(ranges.low, ["", "a_b", "team-", "x"]);
        assert_eq!(ranges.high, ["~", "a_b", "team-~", "x~"]);
        assert_eq!(ranges.like, ["%", r"a\_b", "team-%", r"x%y\_%"]);
    }
}
