//! What is logged, and how.

use clap::{Args, ValueEnum};

use super::values::log_filter;

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// What is logged, like `info` or `rowcast=debug,warn`; what the database driver warns of, our own lines say better
    #[arg(long, env, default_value = "info,sqlx=error", value_parser = log_filter)]
    pub log: String,

    /// How it is written, to standard error
    #[arg(long, env, default_value = "text")]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
