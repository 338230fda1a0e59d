//! What every answer says to browsers, and in how many bytes.

use bytesize::ByteSize;
use clap::Args;

use super::values::{bytes, size};
use crate::api::{FrontOptions, Origins};

/// What every answer says to browsers, and in how many bytes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Browsers")]
pub struct FrontSettings {
    /// Pages of these origins may call, like `https://app.example,https://admin.example`; `*` lets in all, but never
    /// with their user's cookies
    #[arg(long, env, default_value = "", value_name = "ORIGINS")]
    pub cors_origins: Origins,

    /// Answers of this size and more are compressed, if the client likes that: a smaller one fits a packet as it is
    #[arg(long, env, default_value = "1KiB", value_parser = bytes)]
    pub compress_from: ByteSize,
}

impl FrontSettings {
    /// The origins whose pages may send their user's cookies, beside our own.
    pub fn trusted_origins(&self) -> Vec<String> {
        match &self.cors_origins {
            Origins::Any => Vec::new(),
            Origins::Only(origins) => {
                origins.iter().filter_map(|origin| origin.to_str().ok().map(str::to_owned)).collect()
            }
        }
    }

    /// How answers are dressed.
    pub fn options(&self) -> FrontOptions {
        FrontOptions { origins: self.cors_origins.clone(), compress_from: size(self.compress_from) }
    }
}
