//! How a setting's text is read: each reader says what it must be like.

use std::{num::NonZeroU32, time::Duration};

use bytesize::ByteSize;
use sqlx::postgres::PgConnectOptions;

use crate::limit::Rate;

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

pub(crate) fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(span) if !span.is_zero() => Ok(span),
        _ => Err("must be a time like 250ms, 15s or 3days".to_owned()),
    }
}

pub(super) fn delay(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "must be a time like 0s, 250ms or 15s".to_owned())
}

/// The length of a request's head: no less than the HTTP library can do with.
pub(super) fn head(text: &str) -> Result<ByteSize, String> {
    match bytes(text)? {
        short if short < ByteSize::kib(8) => Err("must be 8KiB or more".to_owned()),
        enough => Ok(enough),
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

/// The name of a cookie (a token, RFC 9110): another one would never be found, and the console's page has it in its HTML.
pub(super) fn cookie(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%'*+-.^_`|~".contains(&byte);
    let named = !text.is_empty() && text.bytes().all(plain);
    named.then(|| text.to_owned()).ok_or_else(|| "must be a name like rowcast_token, of ASCII".to_owned())
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

/// Redis counts in whole microseconds: with more than so many a second, it would give noticeably less than is asked
/// for.
const FASTEST: u32 = 100_000;

/// The longest time in which a rate is given: no counter of Redis overflows.
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let given = text.split_once('/').and_then(|(most, time)| Some((most.parse().ok()?, span(time).ok()?)));
    let given = given.filter(|(_, span)| *span <= MONTH);
    let (most, span): (NonZeroU32, Duration) =
        given.ok_or("must be a number in a time of 30days at most, like 100/1s or 600/1min")?;
    if span.as_secs_f64() * f64::from(FASTEST) < f64::from(most.get()) {
        return Err(format!("must be at most {FASTEST} a second"));
    }
    Ok(Rate { most, span })
}
