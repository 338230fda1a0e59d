//! The record: what any subscriber was told, by position; and the audit that it is held against.
//!
//! The audit is kept by row triggers in a table beside the feed, in the writer's own transaction: it has what was
//! committed, no less and no more, and each row's changes in their order.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard},
};

use chrono::{DateTime, Utc};
use rowcast::change::EventId;
use sqlx::{Executor, PgPool};

/// A change: its transaction, its kind (the first letter of its operation), its row, its content.
pub type Deed = (String, String, i64, String);

/// What was told, by whom first.
#[derive(Default)]
pub struct Record(Mutex<Told>);

#[derive(Default)]
struct Told {
    events: HashMap<EventId, Event>,
    /// Where the marks are, by their content.
    marks: HashMap<String, EventId>,
}

/// An event: its hash, and what it told.
#[derive(Clone)]
struct Event {
    hash: u64,
    deed: Deed,
    room: Option<String>,
    at: DateTime<Utc>,
}

/// A change that was told.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub id: EventId,
    /// Its room; none where it is of all.
    pub room: Option<&'a str>,
    /// When it was captured.
    pub at: DateTime<Utc>,
    pub deed: &'a Deed,
}

/// What the audit says of the record.
#[derive(Debug, Default)]
pub struct Finding {
    /// Changes that were told.
    pub changes: usize,
    /// Committed, and never told.
    pub lost: usize,
    /// Told, and never committed; or told at two positions.
    pub extra: usize,
    /// Rows whose changes were told in another order than they were made.
    pub disordered: usize,
}

/// A content that says where a test has come to.
pub const MARK: &str = "mark ";

/// Contents longer than this are compared by their length.
const SHORT: usize = 200;

const AUDIT: &str = "
    create table audit (seq bigint generated always as identity, xid text default pg_current_xact_id()::text,
                        op text, id bigint, content text);
    create function audit() returns trigger language plpgsql as $$
    declare
        changed messages := case when tg_op = 'DELETE' then old else new end;
    begin
        insert into audit (op, id, content) values (lower(left(tg_op, 1)), changed.id,
            case when length(changed.content) > 200 then '#' || length(changed.content) else changed.content end);
        return null;
    end $$;
    create function audit_truncate() returns trigger language plpgsql as $$
    begin
        insert into audit (op, id, content) values ('t', 0, '');
        return null;
    end $$;
    create trigger audit after insert or delete on messages for each row execute function audit();
    create trigger audit_update after update on messages for each row
        when (old.* is distinct from new.*) execute function audit();
    create trigger audit_truncate after truncate on messages execute function audit_truncate()";

/// Begins the audit.
pub async fn audit(pool: &PgPool) {
    pool.execute(AUDIT).await.unwrap();
}

impl Record {
    /// Notes an event; whether it is the same that others were told under this id.
    pub fn note(&self, id: EventId, text: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        let told = &mut *self.told();
        match told.events.entry(id) {
            Entry::Occupied(known) => known.get().hash == hash,
            Entry::Vacant(place) => {
                let event = place.insert(Event::read(hash, text));
                if event.deed.3.starts_with(MARK) {
                    told.marks.insert(event.deed.3.clone(), id);
                }
                true
            }
        }
    }

    /// Adds another record; how many events differ.
    pub fn add(&self, other: &Self) -> usize {
        let (mut told, other) = (self.told(), other.told());
        let mut differences = 0;
        for (id, event) in &other.events {
            let known = told.events.entry(*id).or_insert_with(|| event.clone());
            differences += usize::from(known.hash != event.hash);
        }
        differences
    }

    /// Where a mark is, once anyone was told.
    pub fn mark(&self, content: &str) -> Option<EventId> {
        self.told().marks.get(content).copied()
    }

    /// How many changes were told.
    pub fn len(&self) -> usize {
        self.told().events.len()
    }

    /// Shows all that was told, in order.
    pub fn ordered<T>(&self, look: impl FnOnce(&[Known<'_>]) -> T) -> T {
        let told = self.told();
        let known = told.events.iter().map(|(id, Event { room, at, deed, .. })| Known {
            id: *id,
            room: room.as_deref(),
            at: *at,
            deed,
        });
        let mut known: Vec<Known<'_>> = known.collect();
        known.sort_unstable_by_key(|known| known.id);
        look(&known)
    }

    /// Holds what was told against the audit. What was told in `forgotten` and is not in the audit, is left out: a
    /// failover may lose what was told, if it says so.
    pub async fn judge(&self, pool: &PgPool, forgotten: Option<i32>) -> Finding {
        let query = "select xid, op, id, content from audit order by seq";
        let audit: Vec<Deed> = sqlx::query_as(query).fetch_all(pool).await.unwrap();
        let told = self.told();
        // What a failover forgets may be told again by whom it leaves: that counts first.
        let mut events: Vec<_> = told.events.iter().collect();
        events.sort_unstable_by_key(|(id, _)| (Some(id.generation) == forgotten, **id));

        let mut counts: HashMap<&Deed, i64> = HashMap::new();
        for deed in &audit {
            *counts.entry(deed).or_default() += 1;
        }
        let mut kept = Vec::new();
        let mut extra = 0;
        for (id, Event { deed, .. }) in events {
            let count = counts.entry(deed).or_default();
            *count -= 1;
            match *count {
                0.. => kept.push((id, deed)),
                _ if Some(id.generation) == forgotten => *count += 1,
                _ => extra += 1,
            }
        }
        let lost = counts.values().filter(|count| **count > 0).sum::<i64>() as usize;
        kept.sort_unstable_by_key(|(id, _)| **id);
        let kept: Vec<&Deed> = kept.into_iter().map(|(_, deed)| deed).collect();
        // Where changes are missing, the histories differ anyway.
        let disordered = if lost + extra == 0 { disordered(&audit, &kept) } else { 0 };
        Finding { changes: kept.len(), lost, extra, disordered }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }
}

/// How many rows have another history in one than in the other.
fn disordered(audit: &[Deed], told: &[&Deed]) -> usize {
    fn by_row<'a>(deeds: impl Iterator<Item = &'a Deed>) -> BTreeMap<i64, Vec<&'a Deed>> {
        let mut rows: BTreeMap<i64, Vec<&Deed>> = BTreeMap::new();
        for deed in deeds {
            rows.entry(deed.2).or_default().push(deed);
        }
        rows
    }
    let (truth, told) = (by_row(audit.iter()), by_row(told.iter().copied()));
    truth.iter().filter(|(row, deeds)| told.get(row) != Some(deeds)).count()
}

impl Event {
    fn read(hash: u64, text: &str) -> Self {
        let event: serde_json::Value = serde_json::from_str(text).expect("an event is JSON");
        let (data, kind) = (&event["data"], event["type"].as_str().expect("an event has a type"));
        let kind = match kind {
            "new_message" => "i",
            "updated_message" => "u",
            "deleted_message" => "d",
            "truncated" => "t",
            other => panic!("no event of a change: {other}"),
        };
        let content = short(data["content"].as_str().unwrap_or_default());
        let (row, transaction) = (data["id"].as_i64().unwrap_or(0), data["transaction"].as_str().unwrap().to_owned());
        let room = data["room"].as_str().map(str::to_owned);
        let at = data["at"].as_str().expect("a change has its time").parse().expect("a time");
        Self { hash, deed: (transaction, kind.to_owned(), row, content), room, at }
    }
}

/// A content as it is compared.
pub fn short(content: &str) -> String {
    match content.chars().count() {
        long if long > SHORT => format!("#{long}"),
        _ => content.to_owned(),
    }
}
