//! Who is there, in each room: how long that is believed, and how it is told.

use std::time::Duration;

use clap::Args;

use super::values::{at_least_one, delay, span};
use crate::presence;

/// Who is there, in each room.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Presence")]
pub struct PresenceSettings {
    /// How long users are still there when their node has died; a node says three times as often that it lives
    #[arg(long, env, default_value = "30s", value_parser = span)]
    pub presence_ttl: Duration,

    /// How long users are still there when their last connection has ended: who reconnects has not been away
    #[arg(long, env, default_value = "5s", value_parser = delay)]
    pub presence_grace: Duration,

    /// How often each node looks for those whose time is over: they may go that much too late
    #[arg(long, env, default_value = "1s", value_parser = span)]
    pub presence_sweep: Duration,

    /// The most users of a room who are told one by one; where there are more, only how many is told
    #[arg(long, env, default_value_t = 1000)]
    pub presence_max_listed: u64,

    /// How long changes of a room are gathered at least: a node reads each room no more often
    #[arg(long, env, default_value = "100ms", value_parser = span)]
    pub presence_pace: Duration,

    /// The most changes of a room that are kept for those who watch; who is further behind is told anew who is there
    #[arg(long, env, default_value_t = 256, value_parser = at_least_one)]
    pub presence_buffer: usize,

    /// How long Redis may take: longer than REDIS_PATIENCE, since nothing else knows who is there
    #[arg(long, env, default_value = "1s", value_parser = span)]
    pub presence_patience: Duration,
}

impl PresenceSettings {
    /// How presence behaves.
    pub fn options(&self) -> presence::Options {
        presence::Options {
            ttl: self.presence_ttl,
            grace: self.presence_grace,
            sweep: self.presence_sweep,
            listed: self.presence_max_listed,
            pace: self.presence_pace,
            buffer: self.presence_buffer,
            patience: self.presence_patience,
        }
    }
}
