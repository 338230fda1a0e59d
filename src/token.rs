//! `rowcast token`: a token for whoever has the key, to try things out or to give to a program.

use std::{io::Write, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use uuid::Uuid;

use crate::{
    auth::{Grant, Pattern, Signer},
    config::{Secret, pattern, secret, span},
};

/// What the token is to say, and who signs it.
#[derive(Args)]
pub(crate) struct TokenArgs {
    /// Who has it: the sender_id of what is written with it
    #[arg(long, value_name = "UUID")]
    sub: Uuid,

    /// The rooms to read, like `lobby team-*`
    #[arg(long, num_args = 1.., value_name = "PATTERN", value_parser = pattern)]
    read: Vec<Pattern>,

    /// The rooms to write to
    #[arg(long, num_args = 1.., value_name = "PATTERN", value_parser = pattern)]
    write: Vec<Pattern>,

    /// Let it change and delete what others have written, in the rooms it may write to
    #[arg(long)]
    moderate: bool,

    /// How long it is valid
    #[arg(long = "for", default_value = "1h", value_parser = span)]
    lifetime: Duration,

    /// Who it is meant for
    #[arg(long, env = "JWT_AUDIENCE")]
    audience: Option<String>,

    /// Who it comes from
    #[arg(long, env = "JWT_ISSUER")]
    issuer: Option<String>,

    /// The secret that signs it, with HS256
    #[arg(long, env, hide_env_values = true, value_name = "SECRET", value_parser = secret)]
    jwt_secret: Option<Secret>,

    /// A private key in a PEM file that signs it instead: RSA, P-256, P-384 or Ed25519
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// What the key is called where its public half is published
    #[arg(long)]
    kid: Option<String>,
}

impl TokenArgs {
    /// Prints the token.
    pub(crate) fn run(self) -> Result<()> {
        let signer = self.signer()?.named(self.kid);
        let token = signer.sign(Grant {
            sub: self.sub,
            read: self.read,
            write: self.write,
            moderate: self.moderate,
            lifetime: self.lifetime,
            audience: self.audience,
            issuer: self.issuer,
        })?;
        writeln!(std::io::stdout(), "{token}").context("standard output")
    }

    fn signer(&self) -> Result<Signer> {
        let Some(path) = &self.key else {
            let secret = self.jwt_secret.as_ref().context("JWT_SECRET (--jwt-secret) or --key is missing")?;
            return Ok(Signer::secret(secret.expose()));
        };
        let pem = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Signer::private(&pem).with_context(|| format!("{} is no private key that can sign", path.display()))
    }
}
