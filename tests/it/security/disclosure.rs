//! What a stranger must not learn: from errors, headers, help texts, or files beside the program.

use crate::support::{Node, World, message, raw::exchange, soon};

const SECRET: &str = "hunter2hunter2hunter2hunter2hunter2";

#[tokio::test]
async fn cwe_22_no_path_leads_to_a_file() {
    let (_world, node) = World::with_node().await;
    let climbs = ["..", "%2e%2e", "%2e.", "..%00", "%c0%ae%c0%ae", "..\\..", "%5c..", "....//.."];
    let slashes = ["/", "%2f", "%252f", "//", "\\", "%5c"];
    for base in ["", "/docs", "/docs/", "/openapi.json", "/message"] {
        for climb in climbs {
            for slash in slashes {
                let path = format!("{base}/{}etc{slash}passwd", format!("{climb}{slash}").repeat(8));
                let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
                let answer = exchange(&node, request).await;
                assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer:.80}");
                assert!(!answer.contains("root:"), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn cwe_200_no_header_tells_what_serves() {
    let (_world, node) = World::with_node().await;
    for path in ["/message", "/message/1", "/docs", "/nothing", "/health"] {
        let headers = node.get(path).await.headers;
        for name in ["server", "x-powered-by", "via"] {
            assert!(!headers.contains_key(name), "{path} has {name}");
        }
    }
}

#[tokio::test]
async fn cwe_209_an_error_says_nothing_of_the_inside() {
    let (world, node) = World::with_node().await;
    world.sql("alter table messages add constraint hidden_rule check (content <> 'forbidden by hidden_rule')").await;
    let answer = node.post("/message", &message("forbidden by hidden_rule")).await;
    assert_eq!(answer.status, 422);
    assert!(!answer.body.to_string().contains("hidden_rule"), "{}", answer.body);
    world.sql("alter table messages rename to elsewhere").await;
    for path in ["/message", "/message/1"] {
        let answer = node.get(path).await;
        assert_eq!(answer.status, 500, "{path}");
        let text = answer.body.to_string().to_lowercase();
        for word in ["messages", "relation", "elsewhere", "select", "sql", "postgres", ".rs", "42p01"] {
            assert!(!text.contains(word), "{path} tells `{word}`: {text}");
        }
    }
}

#[tokio::test]
async fn cwe_214_no_help_text_repeats_a_secret_of_the_environment() {
    let command = rowcast::cli::command();
    for subcommand in command.get_subcommands() {
        let settings = subcommand.get_arguments().filter_map(|setting| setting.get_env()?.to_str());
        let secrets: Vec<&str> = settings.filter(|name| is_secret(name)).collect();
        let mut help = Node::command(subcommand.get_name());
        for name in &secrets {
            help.env(name, format!("postgres://{SECRET}:{SECRET}@{SECRET}/{SECRET}"));
        }
        let output = soon("help", help.arg("--help").output()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && secrets.iter().all(|name| text.contains(name)), "{secrets:?}: {text}");
        assert!(!text.contains(SECRET), "{}", subcommand.get_name());
    }
}

/// Whether a setting of this name may hold a secret. The others name files, public keys, or servers that are asked.
fn is_secret(name: &str) -> bool {
    ["DATABASE_URL", "REDIS_URL", "SECRET", "PASSWORD"].iter().any(|part| name.contains(part))
}
