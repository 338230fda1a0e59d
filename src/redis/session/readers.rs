//! Who reads a session, on which node, as far as nodes have noted it.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use ::redis::Script;
use uuid::Uuid;

use super::{Logs, milliseconds};
use crate::redis::Away;

static READERS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("readers.lua")));

impl Logs {
    /// Notes how many readers a session has on a node, which is believed for `keep`.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn note_readers(&self, id: Uuid, node: &str, count: u64, keep: Duration) -> Result<(), Away> {
        let mut call = READERS.key(self.key(id, ":readers"));
        call.arg(node).arg(count).arg(milliseconds(keep));
        self.invoke(&call).await
    }
}

/// The nodes where a session is read, and by how many, of what was noted and is still believed.
pub(super) fn believed(noted: HashMap<String, String>, now: u64) -> Vec<(String, u64)> {
    let count = |noted: &str| {
        let (until, count) = noted.split_once(' ')?;
        (until.parse::<u64>().ok()? > now).then(|| count.parse().ok())?
    };
    noted.into_iter().filter_map(|(node, noted)| Some((node, count(&noted)?))).collect()
}
