//! All mistakes in the settings at once.
//!
//! clap stops at the first one; a person who sets thirty variables wants the list. So each argument that was found
//! wrong is noted, excused (its value is then not looked at), and the rest is read again.

use std::ffi::OsString;

use clap::{
    Arg, ArgMatches, Command,
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
        let found = match error.kind() {
            ErrorKind::InvalidUtf8 => excuse(&mut command, &|arg| no_text(arg), &error),
            _ => blamed(&error)
                .iter()
                .flat_map(|flag| excuse(&mut command, &|arg| arg.get_long() == Some(flag), &error))
                .collect(),
        };
        if found.is_empty() || found.iter().any(|sentence| mistakes.contains(sentence)) {
            mistakes.push(error.to_string().trim().trim_start_matches("error: ").to_owned());
            return Err(mistakes);
        }
        mistakes.extend(found);
    }
}

/// The flags an error is about; clap writes them like `--port <PORT>`.
fn blamed(error: &clap::Error) -> Vec<String> {
    let known = [ErrorKind::ValueValidation, ErrorKind::InvalidValue, ErrorKind::MissingRequiredArgument];
    let usages = match error.get(ContextKind::InvalidArg) {
        _ if !known.contains(&error.kind()) => &[],
        Some(ContextValue::String(one)) => std::slice::from_ref(one),
        Some(ContextValue::Strings(several)) => several.as_slice(),
        _ => &[],
    };
    let flags = usages.iter().filter_map(|usage| usage.split(' ').next()?.strip_prefix("--"));
    flags.map(str::to_owned).collect()
}

/// Whether an argument's variable holds what is no text; the error does not say which one it is.
fn no_text(arg: &Arg) -> bool {
    arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.to_str().is_none())
}

/// Makes such arguments accept anything, wherever they are among the commands, and says what was wrong with each.
fn excuse(command: &mut Command, blamed: &dyn Fn(&Arg) -> bool, error: &clap::Error) -> Vec<String> {
    let mut said = Vec::new();
    *command = std::mem::take(command).mut_args(|arg| {
        if !blamed(&arg) {
            return arg;
        }
        said.push(sentence(&arg, error));
        arg.value_parser(ValueParser::os_string()).required(false).num_args(0..=1)
    });
    for command in command.get_subcommands_mut() {
        said.extend(excuse(command, blamed, error));
    }
    said.sort();
    said.dedup();
    said
}

fn sentence(arg: &Arg, error: &clap::Error) -> String {
    let flag = arg.get_long().map_or_else(|| arg.get_id().to_string(), |long| format!("--{long}"));
    let name = match arg.get_env() {
        Some(variable) => format!("{} ({flag})", variable.to_string_lossy()),
        None => flag,
    };
    let given = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => "",
    };
    let value = if arg.is_hide_env_values_set() { String::new() } else { format!(" `{given}`") };
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.kind(), source) {
        (ErrorKind::MissingRequiredArgument, _) => format!("{name} is missing"),
        (ErrorKind::InvalidUtf8, _) => format!("{name} is not UTF-8 text"),
        (_, Some(why)) => format!("{name}{value}: {why}"),
        (_, None) if given.is_empty() => format!("{name} has no value"),
        (_, None) => format!("{name}{value} is not one of {}", choices(arg)),
    }
}

fn choices(arg: &Arg) -> String {
    let names = arg.get_possible_values().into_iter().map(|value| value.get_name().to_owned());
    names.collect::<Vec<_>>().join(", ")
}
