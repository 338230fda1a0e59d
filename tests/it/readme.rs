//! What the README tells people to type works: its marked blocks are run, against a real node.
//!
//! A block is marked by a comment before it, `<!-- test: name -->`. Its lines that call `curl` or `psql` are run, since
//! those are what speaks to a node; the address in them is that of the test's node.

use std::process::Stdio;

use crate::support::{Node, World, soon};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// Where the README says that the server is.
const ADDRESS: &str = "localhost:8000";

/// An answer that is an error must fail; a stream never ends, so it is cut off, which is no failure.
const CURL: &str = r#"
curl() {
    local result=0
    command curl --fail-with-body --max-time "$([[ " $* " == *" -N "* ]] && echo 3 || echo 30)" "$@" || result=$?
    [[ " $* " == *" -N "* && $result == 28 ]] || return $result
}
"#;

/// A marked block: its name and its commands, each on one line.
struct Block {
    name: String,
    commands: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let marked = text.split("<!-- test: ").skip(1);
    let each = marked.map(|rest| {
        let (name, rest) = rest.split_once(" -->").expect("a marker ends");
        let body = rest.trim_start().strip_prefix("```sh\n").unwrap_or_else(|| panic!("no block follows `{name}`"));
        let (body, _) = body.split_once("\n```").expect("a block ends");
        let commands = body.replace("\\\n", " ");
        let run = commands.lines().filter(|line| line.starts_with("curl ") || line.starts_with("psql "));
        Block { name: name.to_owned(), commands: run.map(str::to_owned).collect() }
    });
    each.collect()
}

/// What a reader keeps of the answer that opens a session.
#[derive(Default)]
struct Kept {
    session: String,
    token: String,
}

impl Kept {
    fn keep(&mut self, printed: &str) {
        let Ok(answer) = serde_json::from_str::<serde_json::Value>(printed) else { return };
        if let (Some(session), Some(token)) = (answer["id"].as_str(), answer["producer_token"].as_str()) {
            (self.session, self.token) = (session.to_owned(), token.to_owned());
        }
    }
}

/// Runs a command as a reader's shell would, but strictly; what it printed.
async fn run(world: &World, node: &Node, kept: &Kept, block: &str, command: &str) -> String {
    let command = command.replace(ADDRESS, node.url.strip_prefix("http://").unwrap());
    let mut shell = tokio::process::Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &format!("{CURL}{command}")]).env("DATABASE_URL", &world.database_url);
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_rowcast")).parent().unwrap().to_str().unwrap();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    shell.env("SESSION", &kept.session).env("TOKEN", &kept.token);
    shell.env("PATH", path).env("JWT_SECRET", "a secret of the README, long enough");
    let output = soon("the command ends", shell.stdin(Stdio::null()).kill_on_drop(true).output()).await.unwrap();
    assert!(output.status.success(), "block `{block}`: {command}\n{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_marked_commands_of_the_readme_work() {
    let blocks = blocks(&std::fs::read_to_string(README).unwrap());
    assert!(blocks.len() >= 3, "the README shows how to post, to read and to write with psql");
    let (world, node) = World::with_node().await;
    let mut kept = Kept::default();
    for Block { name, commands } in &blocks {
        assert!(!commands.is_empty(), "the block `{name}` calls neither curl nor psql");
        for command in commands {
            let printed = run(&world, &node, &kept, name, command).await;
            assert!(!printed.is_empty(), "block `{name}`: {command} printed nothing");
            let ends = ["finish", "chat"].contains(&name.as_str()) && command.contains("curl -N");
            assert!(!ends || printed.contains("event: message_complete"), "block `{name}`: {printed}");
            kept.keep(&printed);
        }
    }
}

#[test]
fn blocks_are_found_by_their_marker() {
    let text = "```sh\ncurl no\n```\n<!-- test: a -->\n```sh\n# why\ncurl x \\\n  -d y\nmake z\npsql w\n```\n";
    let [block] = &blocks(text)[..] else { panic!("one block") };
    assert_eq!(
        (block.name.as_str(), &block.commands[..]),
        ("a", &["curl x    -d y".to_owned(), "psql w".to_owned()][..])
    );
}
