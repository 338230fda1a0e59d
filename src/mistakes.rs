//! All mistakes in the settings at once.
//!
//! clap stops at the first one; a person who sets thirty variables wants the list. So each argument that was found wrong
//! is noted, excused (its value is then not looked at), and the rest is read again.

use std::ffi::OsString;

use clap::{
    ArgMatches, Command,
    builder::ValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Reads the command line and the environment.
///
/// # Errors
/// Every mistake in them, one sentence each. No sentence repeats the value of a secret.
pub(crate) fn read(mut command: Command, arguments: &[OsString]) -> Result<ArgMatches, Vec<String>> {
    let mut mistakes = Vec::new();
    loop {
        let error = match command.clone().try_get_matches_from(arguments) {
            Ok(matches) if mistakes.is_empty() => return Ok(matches),
            Ok(_) => return Err(mistakes),
            // Help and version are no mistakes.
            Err(error) if !error.use_stderr() => error.exit(),
            Err(error) => error,
        };
        let excused = blamed(&error).into_iter().filter_map(|usage| excuse(&mut command, &usage, &error));
        let found: Vec<String> = excused.collect();
        if found.is_empty() || found.iter().any(|sentence| mistakes.contains(sentence)) {
            mistakes.push(error.to_string().trim().trim_start_matches("error: ").to_owned());
            return Err(mistakes);
        }
        mistakes.extend(found);
    }
}

/// The arguments an error is about, as clap writes them: `--port <PORT>`.
fn blamed(error: &clap::Error) -> Vec<String> {
    let known = [ErrorKind::ValueValidation, ErrorKind::InvalidValue, ErrorKind::MissingRequiredArgument];
    match error.get(ContextKind::InvalidArg) {
        _ if !known.contains(&error.kind()) => Vec::new(),
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(several)) => several.clone(),
        _ => Vec::new(),
    }
}

/// Makes the argument accept anything, wherever it is among the commands, and says what was wrong.
fn excuse(command: &mut Command, usage: &str, error: &clap::Error) -> Option<String> {
    let flag = usage.split(' ').next()?.strip_prefix("--")?;
    let mut said = None;
    let found = command.get_arguments().find(|arg| arg.get_long() == Some(flag));
    if let Some(id) = found.map(|arg| arg.get_id().clone()) {
        *command = std::mem::take(command).mut_arg(id, |arg| {
            said = Some(sentence(&arg, error));
            arg.value_parser(ValueParser::os_string()).required(false)
        });
    }
    let below = command.get_subcommands_mut().filter_map(|command| excuse(command, usage, error)).last();
    said.or(below)
}

fn sentence(arg: &clap::Arg, error: &clap::Error) -> String {
    let flag = arg.get_long().map_or_else(|| arg.get_id().to_string(), |long| format!("--{long}"));
    let name = match arg.get_env() {
        Some(variable) => format!("{} ({flag})", variable.to_string_lossy()),
        None => flag,
    };
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if !arg.is_hide_env_values_set() => format!(" `{value}`"),
        _ => String::new(),
    };
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.kind(), source) {
        (ErrorKind::MissingRequiredArgument, _) => format!("{name} is missing"),
        (_, Some(why)) => format!("{name}{value}: {why}"),
        (_, None) => format!("{name}{value} is not one of {}", choices(arg)),
    }
}

fn choices(arg: &clap::Arg) -> String {
    let names = arg.get_possible_values().into_iter().map(|value| value.get_name().to_owned());
    names.collect::<Vec<_>>().join(", ")
}
