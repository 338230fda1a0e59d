//! What must hold when all is at rest after a fault: who is there, how many messages each room has, and what sockets
//! were told until then.

use std::collections::BTreeMap;

use super::{Node, stage::Stage};

impl Stage {
    /// Holds all of it to its promise. The writers have stopped.
    pub(super) async fn rests(&mut self) {
        let mut nodes: Vec<&Node> = Vec::new();
        for wired in &mut self.nodes {
            let ended = wired.node.process.try_wait().unwrap().is_some();
            nodes.extend((!ended).then_some(&wired.node));
        }
        let mut wrong = self.guests.agree(&nodes).await;
        let counted =
            "select room, count(*), (array_agg(id order by created_date desc, id desc))[1] from messages group by room";
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(counted).fetch_all(&self.world.pool).await.unwrap();
        let rooms: BTreeMap<String, (i64, i64)> =
            rows.into_iter().map(|(room, count, last)| (room, (count, last))).collect();
        for node in nodes {
            let told = told(node).await;
            if told != rooms {
                wrong.push(format!("{} has {told:?}, where {rooms:?} are", node.url));
            }
        }
        let (told, verdict) = self.guests.judge(&self.record);
        wrong.extend(verdict.strange.into_iter().take(3));
        for (what, count) in
            [("lost", verdict.lost), ("repeated", verdict.repeated), ("out of order", verdict.disordered)]
        {
            wrong.extend((count > 0).then(|| format!("{count} {what} on sockets")));
        }
        if told.told * self.guests.one_in < told.most {
            wrong.push(format!("sockets were told {} of {} changes only", told.told, told.most));
        }
        if told.returns != told.cuts || self.guests.are_cut && told.cuts == 0 {
            wrong.push(format!("{} sockets were cut, {} came back", told.cuts, told.returns));
        }
        self.outcome.wrong.extend(wrong);
        self.outcome.told = told;
        self.note(told.to_string());
    }
}

/// How many messages each room has, and which is the last, as a node says.
async fn told(node: &Node) -> BTreeMap<String, (i64, i64)> {
    let (mut rooms, mut query) = (BTreeMap::new(), "/room?limit=100".to_owned());
    loop {
        let page = node.get(&query).await.body;
        let Some(listed) = page["rooms"].as_array() else { panic!("{} answered {page}", node.url) };
        rooms.extend(listed.iter().map(|room| {
            let number = |value: &serde_json::Value| value.as_i64().expect("a number");
            let name = room["room"].as_str().expect("a name").to_owned();
            (name, (number(&room["messages"]), number(&room["last_message"]["id"])))
        }));
        let Some(cursor) = page["next_cursor"].as_str() else { return rooms };
        query = format!("/room?limit=100&cursor={cursor}");
    }
}
