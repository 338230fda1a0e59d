//! What the files set, the program knows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{deployment, files, manifest, read, words, yaml};

/// Settings of other programs.
const OTHERS: [&str; 7] = [
    "APP_PASSWORD",
    "ON_ERROR_STOP",
    "OWNER_PASSWORD",
    "POSTGRES_PASSWORD",
    "REDISCLI_AUTH",
    "REDIS_PASSWORD",
    "ROWCAST_PASSWORD",
];

fn settings(subcommand: &str) -> BTreeSet<String> {
    let command = rowcast::cli::command();
    let arguments = command.find_subcommand(subcommand).unwrap().get_arguments();
    arguments.filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned())).collect()
}

/// What a container is given by name.
fn environment(container: &Value) -> Vec<&str> {
    container["env"].as_array().unwrap().iter().map(|variable| variable["name"].as_str().unwrap()).collect()
}

#[track_caller]
fn assert_known<'a>(given: impl IntoIterator<Item = &'a str>, subcommand: &str) {
    let known = settings(subcommand);
    let unknown: Vec<_> = given.into_iter().filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "`{subcommand}` knows no {unknown:?}");
}

#[test]
fn a_pod_is_given_settings_that_the_program_knows() {
    let deployment = deployment();
    assert_known(environment(&deployment["spec"]["template"]["spec"]["containers"][0]), "serve");
    let job = manifest("deploy/kubernetes/migrate/job.yaml", "Job");
    assert_known(environment(&job["spec"]["template"]["spec"]["initContainers"][0]), "migrate");
}

#[test]
fn docker_compose_gives_settings_that_the_program_knows() {
    for file in ["docker-compose.yml", "deploy/compose/production.yml"] {
        let compose = &yaml(file)[0];
        let given = compose["services"]["server"]["environment"].as_object().unwrap();
        assert_known(given.keys().map(String::as_str), "serve");
    }
}

/// A runbook that names a setting which is not there sends people astray at night.
#[test]
fn settings_that_the_files_speak_of_are_there() {
    let known = settings("serve");
    for file in files() {
        let text = read(&file);
        let names =
            words(&text, |c| c.is_ascii_uppercase() || c == '_').filter(|word| word.trim_matches('_').contains('_'));
        let unknown: Vec<_> = names.filter(|name| !known.contains(*name) && !OTHERS.contains(name)).collect();
        assert!(unknown.is_empty(), "{file} speaks of {unknown:?}");
    }
}

/// What strangers could guess is no secret.
#[test]
fn production_has_no_default_passwords() {
    let text = read("deploy/compose/production.yml");
    let secrets: Vec<_> = text.lines().filter(|line| line.contains("PASSWORD}") || line.contains("${")).collect();
    assert!(secrets.len() >= 6, "{secrets:?}");
    assert!(secrets.iter().all(|line| line.matches("${").count() == line.matches(":?").count()), "{secrets:?}");
    let example = read("deploy/compose/.env.example");
    let filled = example.lines().filter(|line| line.contains("PASSWORD=") || line.contains("SECRET="));
    assert!(filled.clone().count() == 4 && filled.clone().all(|line| line.ends_with('=')), "a secret in the example");
}
