//! Settings: every mistake is told at once, in a sentence that names the setting, and no secret is repeated.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStringExt,
    process::{Output, Stdio},
};

use tokio::io::AsyncReadExt;

use crate::support::{Node, World, soon};

const SECRET: &str = "hunter2";

/// Runs `rowcast serve` to its end: with these variables and arguments, and no others.
async fn serve<V: AsRef<OsStr>>(variables: &[(&str, V)], arguments: &[&str]) -> Output {
    let mut command = Node::command("serve");
    command.envs(variables.iter().map(|(name, value)| (name, value))).args(arguments).kill_on_drop(true);
    soon("the program ends", command.output()).await.unwrap()
}

/// What was written to standard error, by a program that said nothing else and no secret, and ended with this status.
fn complaint(output: Output, status: i32) -> String {
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(output.stdout.is_empty());
    assert!(!said.contains(SECRET), "{said}");
    said
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let wrong = [
        ("DATABASE_URL", "mysql://root:hunter2@localhost/db"),
        ("DIRECT_DATABASE_URL", "hunter2"),
        ("REDIS_URL", "http://:hunter2@localhost"),
        ("HOST", "nowhere"),
        ("PORT", "99999"),
        ("MAX_CONTENT", "0"),
        ("CORS_ORIGINS", "https://app.example/"),
        ("COMPRESS_FROM", "some"),
        ("OTLP_SAMPLE", "2"),
        ("OTLP_QUEUE", "0"),
        ("MAX_STREAMS", "-1"),
        ("PROXY_HEADER", "via"),
        ("RATE_READ", "often"),
        ("RATE_WRITE", "0/1s"),
        ("RATE_STREAM", "200001/2s"),
        ("RATE_WITHOUT_REDIS", "maybe"),
        ("KEEP_ALIVE", "soon"),
        ("RELAY_STALLED", "1s"),
        ("PAGE_CHANGES", "0"),
        ("DATABASE_CONNECTIONS", "0"),
        ("TICK_CHANGES", "many"),
        ("JWT_COOKIE", "a\"b"),
        ("LLM_DIALECT", "eliza"),
        ("LLM_BASE_URL", "ftp://:hunter2@localhost"),
        ("LLM_SENDER_ID", "me"),
        ("LOG", "rowcast=nonsense"),
        ("LOG_FORMAT", "xml"),
    ];
    let said = complaint(serve(&wrong, &[]).await, 2);
    assert_eq!(said.lines().count(), wrong.len(), "{said}");
    for (name, value) in wrong {
        let flag = format!("--{}", name.to_lowercase().replace('_', "-"));
        let line = said.lines().find(|line| line.starts_with(&format!("rowcast: {name} ({flag})")));
        let line = line.unwrap_or_else(|| panic!("nothing of {name} in {said}"));
        let secret = name.ends_with("_URL");
        assert!(secret || line.contains(&format!("`{value}`")), "{line}");
    }
}

#[tokio::test]
async fn wrong_flags_and_wrong_variables_are_told_together() {
    let arguments = ["--port", "x", "--redis-url", "hunter2"];
    let said = complaint(serve(&[("KEEP_ALIVE", "never")], &arguments).await, 2);
    for name in [
        "PORT (--port)",
        "KEEP_ALIVE (--keep-alive)",
        "REDIS_URL (--redis-url)",
        "DATABASE_URL (--database-url) is missing",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[tokio::test]
async fn what_must_be_given_is_told_together() {
    let said = complaint(serve::<&str>(&[], &[]).await, 2);
    let expected = "rowcast: DATABASE_URL (--database-url) is missing\nrowcast: REDIS_URL (--redis-url) is missing\n";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn an_empty_variable_is_a_mistake_of_that_variable() {
    let said = complaint(serve(&[("DATABASE_URL", ""), ("REDIS_URL", ""), ("PORT", "")], &[]).await, 2);
    for name in ["DATABASE_URL", "REDIS_URL", "PORT"] {
        assert!(said.contains(&format!("rowcast: {name} (")), "{said}");
    }
}

#[tokio::test]
async fn a_secret_is_not_repeated_whatever_else_is_wrong() {
    let urls = [
        ("DATABASE_URL", "postgres://u:hunter2@h/db"),
        ("REDIS_URL", "redis://:hunter2@h"),
        ("DIRECT_DATABASE_URL", "postgres://u:hunter2@h/db"),
    ];
    for arguments in [
        &["--no-such-flag"][..],
        &["--port", "1", "--port", "2"],
        &["surplus"],
        &["--redis-url", "redis://:hunter2@h", "--redis-url", "redis://:hunter2@h"],
    ] {
        let said = complaint(serve(&urls, arguments).await, 2);
        assert!(said.starts_with("rowcast: ") && !said.contains("error:"), "{said}");
    }
    let said = complaint(serve(&urls, &["--no-such-flag"]).await, 2);
    assert!(said.contains("--no-such-flag"), "{said}");
    for argument in ["--help", "-h"] {
        let output = serve(&urls, &[argument]).await;
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(!String::from_utf8(output.stdout).unwrap().contains(SECRET));
    }
}

#[tokio::test]
async fn a_flag_without_its_value_is_a_mistake_of_that_flag() {
    for arguments in [&["--port"][..], &["--log-format"], &["--redis-url"], &["--port", "--host", "::1"]] {
        let said = complaint(serve::<&str>(&[], arguments).await, 2);
        assert!(said.contains(arguments[0]) && !said.contains("``"), "{said}");
    }
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_a_mistake() {
    let url = OsString::from_vec(b"postgres://u:hunter2@h/\xff".to_vec());
    let said = complaint(serve(&[("DATABASE_URL", url), ("REDIS_URL", "redis://h".into())], &[]).await, 2);
    assert!(said.contains("DATABASE_URL"), "{said}");
    let said = complaint(serve(&[("HOST", OsString::from_vec(vec![0xff]))], &[]).await, 2);
    assert!(said.contains("HOST"), "{said}");
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_sentence() {
    let world = World::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let settings = [
        ("DATABASE_URL", &*world.database_url),
        ("REDIS_URL", &*world.redis_url),
        ("HOST", "127.0.0.1"),
        ("PORT", &*port),
    ];
    let said = complaint(serve(&settings, &[]).await, 1);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&format!("port {port} is in use")) && said.contains("--port"), "{said}");
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_a_clear_error() {
    let redis = ("REDIS_URL", "redis://127.0.0.1:1");
    let settings = [redis, ("HOST", "127.0.0.1"), ("PORT", "0"), ("DATABASE_WAIT", "300ms"), ("LOG", "error")];
    // Nothing listens there; nobody has that name.
    for url in ["postgres://u:hunter2@127.0.0.1:1/db", "postgres://u:hunter2@no-such-host.invalid/db"] {
        let settings = [&settings[..], &[("DATABASE_URL", url)]].concat();
        let said = complaint(serve(&settings, &[]).await, 1);
        assert!(said.starts_with("rowcast: ") && said.contains("DATABASE_URL"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[tokio::test]
async fn a_database_that_refuses_is_not_waited_for() {
    let world = World::new().await;
    let (server, _) = world.database_url.rsplit_once('/').unwrap();
    let (_, address) = server.rsplit_once('@').unwrap();
    let wrong = format!("postgres://rowcast:{SECRET}@{address}/rowcast");
    for (url, why) in [(format!("{server}/nowhere"), "does not exist"), (wrong, "password")] {
        let settings = [
            ("DATABASE_URL", &*url),
            ("REDIS_URL", &*world.redis_url),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("DATABASE_WAIT", "1h"),
            ("LOG", "error"),
        ];
        let said = complaint(serve(&settings, &[]).await, 1);
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn the_loudest_log_repeats_no_password() {
    let world = World::new().await;
    let password = world.database_url.split([':', '@']).nth(2).unwrap();
    let mut command = Node::command("serve");
    command
        .env("DATABASE_URL", &world.database_url)
        .env("REDIS_URL", &world.redis_url)
        .env("REDIS_PREFIX", &world.prefix);
    command.env("HOST", "127.0.0.1").env("PORT", "0").env("LOG", "trace").env("LOG_FORMAT", "json");
    command.env("DRAIN", "50ms").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().unwrap();
    // It listens: by then it has spoken to the database.
    soon("the node listens", process.stdout.as_mut().unwrap().read_u8()).await.unwrap();
    let id = process.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
    let output = soon("the node ends", process.wait_with_output()).await.unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("shutting down") && !log.contains(password), "{log}");
    for line in log.lines() {
        assert!(
            line.is_empty() || serde_json::from_str::<serde_json::Value>(line).unwrap()["level"].is_string(),
            "{line}"
        );
    }
}

#[tokio::test]
async fn help_explains_every_setting_of_every_command() {
    for command in rowcast::cli::command().get_subcommands() {
        let output = soon("help", Node::command(command.get_name()).arg("--help").output()).await.unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let flag = argument.get_long().unwrap();
            let told = part_on(&help, &format!("--{flag}"));
            assert!(argument.get_help().is_some_and(|text| !text.to_string().is_empty()), "{flag}");
            if let Some(name) = argument.get_env() {
                assert!(told.contains(&format!("[env: {}", name.to_str().unwrap())), "{flag}: {told}");
            }
            for default in argument.get_default_values() {
                assert!(
                    default.is_empty() || told.contains(&format!("[default: {}]", default.to_str().unwrap())),
                    "{flag}: {told}"
                );
            }
        }
    }
}

/// What a help text says of a flag: from the line that begins with it up to the next flag.
fn part_on(help: &str, flag: &str) -> String {
    let begins = |line: &&str| line.split_whitespace().find(|word| word.starts_with("--")) == Some(flag);
    let next = |line: &&str| !["--", "-h,"].iter().any(|flag| line.trim_start().starts_with(flag));
    let mut lines = help.lines().skip_while(|line| !line.starts_with(' ') || !begins(line));
    let first = lines.next().unwrap_or_else(|| panic!("no help on {flag}"));
    [first].into_iter().chain(lines.take_while(next)).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_setting_of_serve_is_a_variable_too() {
    let command = rowcast::cli::command();
    for setting in command.find_subcommand("serve").unwrap().get_arguments() {
        let (flag, variable) = (setting.get_long().unwrap(), setting.get_env().unwrap().to_str().unwrap());
        assert_eq!(variable, flag.to_uppercase().replace('-', "_"));
    }
}
