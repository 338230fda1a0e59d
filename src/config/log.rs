//! What is logged, and how.

use clap::{Args, ValueEnum};

use super::values::log_filter;
use crate::telemetry;

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

impl LogSettings {
    /// What is logged; nothing is traced.
    pub fn options(&self) -> telemetry::Options {
        telemetry::Options { log: self.log.clone(), json: self.log_format == LogFormat::Json, traces: None }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
