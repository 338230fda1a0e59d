//! `rowcast healthcheck`: asks a running server whether it is ready, for those who watch over a container.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{ArgAction, Args};

/// How long a server may take to say whether it is ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which server, and how it is asked.
#[derive(Args)]
pub(crate) struct HealthcheckArgs {
    /// The server
    #[arg(long, env = "ROWCAST_URL", default_value = "http://127.0.0.1:8000")]
    url: String,

    /// Take any certificate of the server: for one on this machine, which is asked by another name than the
    /// certificate's
    #[arg(
        long,
        env = "ROWCAST_INSECURE",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value_t = false,
        default_missing_value = "true"
    )]
    insecure: bool,
}

impl HealthcheckArgs {
    /// Prints what the server says.
    ///
    /// # Errors
    /// When it says that it is not ready, or nothing.
    pub(crate) async fn run(self) -> Result<()> {
        let Self { url, insecure } = self;
        let client = reqwest::Client::builder().timeout(PATIENCE).tls_danger_accept_invalid_certs(insecure).build()?;
        let answer = client.get(format!("{}/health/ready", url.trim_end_matches('/'))).send().await;
        let answer = answer.with_context(|| format!("{url} does not answer"))?;
        let (status, text) = (answer.status(), answer.text().await?);
        println!("{text}");
        if !status.is_success() {
            bail!("{url} is not ready");
        }
        Ok(())
    }
}
