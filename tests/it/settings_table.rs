//! The README's table of settings says what the program's `--help` says.

use std::fmt::Write;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BEGIN: &str = "<!-- settings -->\n";
const END: &str = "<!-- /settings -->";

/// The table, from the settings themselves.
fn table() -> String {
    let command = rowcast::cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    let mut table = "| variable and flag | default | what it is, and why |\n|---|---|---|\n".to_owned();
    for setting in serve.get_arguments().filter(|setting| setting.get_env().is_some()) {
        let variable = setting.get_env().unwrap().to_string_lossy();
        let flag = setting.get_long().unwrap();
        let defaults: Vec<_> = setting.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = match defaults.join(" ") {
            default if default.is_empty() => String::new(),
            default => format!("`{default}`"),
        };
        let help = setting.get_help().unwrap().to_string();
        writeln!(table, "| `{variable}` `--{flag}` | {default} | {help} |").unwrap();
    }
    table
}

/// Run with `UPDATE_GOLDEN=1` to write the table.
#[test]
fn the_readme_has_every_setting_with_its_default() {
    let readme = std::fs::read_to_string(README).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the README has a place for the table");
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(README, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(written, table(), "write it with UPDATE_GOLDEN=1");
}
