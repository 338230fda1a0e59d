//! How a setting's text is read: each reader says what it must be like.

use std::time::Duration;

use bytesize::ByteSize;
use sqlx::postgres::PgConnectOptions;

pub(super) fn size(bytes: ByteSize) -> usize {
    usize::try_from(bytes.as_u64()).unwrap_or(usize::MAX)
}

pub(super) fn postgres(text: &str) -> Result<PgConnectOptions, String> {
    let postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let options = postgres.then(|| text.parse().ok()).flatten();
    options.ok_or_else(|| "must be like postgres://user:password@host:port/database".to_owned())
}

pub(super) fn redis(text: &str) -> Result<String, String> {
    // The library's own message would repeat the password.
    crate::redis::Redis::new(text, "").map_err(|_| "must be like redis://:password@host:port/0".to_owned())?;
    Ok(text.to_owned())
}

pub(super) fn bytes(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size),
        _ => Err("must be a size like 64KiB or 1MiB".to_owned()),
    }
}

pub(super) fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(span) if !span.is_zero() => Ok(span),
        _ => Err("must be a time like 250ms, 15s or 3days".to_owned()),
    }
}

pub(super) fn patience(text: &str) -> Result<Duration, String> {
    match span(text)? {
        short if short < Duration::from_secs(2) => Err("must be 2s or more".to_owned()),
        enough => Ok(enough),
    }
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("must be a number, 1 or more".to_owned()),
    }
}

pub(super) fn collector(text: &str) -> Result<String, String> {
    let http = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    let address = text.parse::<hyper::Uri>().ok().filter(|address| http && address.query().is_none());
    address.map(|_| text.to_owned()).ok_or_else(|| "must be like http://collector:4318".to_owned())
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
