//! `rowcast token` makes tokens that a server with the same key accepts.

use jsonwebtoken::Algorithm;
use reqwest::StatusCode;

use crate::support::{
    Node, SENDER, World, message_in, soon,
    tokens::{Issuer, SECRET, challenge, guarded},
};

/// Runs `rowcast token` with these arguments; what it prints.
async fn mint(arguments: &[&str], secret: Option<&str>) -> Result<String, String> {
    let mut command = Node::command("token");
    command.args(arguments).envs(secret.map(|secret| ("JWT_SECRET", secret)));
    let output = soon("a token", command.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout).trim().to_owned()) } else { Err(text(output.stderr)) }
}

#[tokio::test]
async fn the_program_mints_tokens_that_do_what_they_say() {
    let (_world, node) = guarded(&[("JWT_AUDIENCE", "here"), ("JWT_ISSUER", "me")]).await;
    let names = ["--audience", "here", "--issuer", "me"];
    let rights = ["--sub", SENDER, "--read", "a", "team-*", "--write", "team-1"];
    let token = mint(&[&rights[..], &names].concat(), Some(SECRET)).await.unwrap();
    assert_eq!(node.post_as(&token, &message_in("team-1", "x")).await.status, StatusCode::CREATED);
    assert_eq!(node.post_as(&token, &message_in("a", "x")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(node.get_as(&token, "/message?room=team-2").await.status, StatusCode::OK);
    challenge(&node.get_as(&mint(&rights, Some(SECRET)).await.unwrap(), "/message?room=a").await);
    let world = World::new().await;
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
        let issuer = Issuer::new(algorithm);
        let files = tempfile::tempdir().unwrap();
        let [private, public] = ["private", "public"].map(|name| files.path().join(name).to_str().unwrap().to_owned());
        std::fs::write(&private, &issuer.private).unwrap();
        std::fs::write(&public, &issuer.public).unwrap();
        let node = world.node_with(&[("JWT_PUBLIC_KEY", &public)]).await;
        let token = mint(&["--sub", SENDER, "--read", "*", "--key", &private, "--kid", "one"], None).await.unwrap();
        assert_eq!(node.get_as(&token, "/message").await.status, StatusCode::OK, "{algorithm:?}");
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.as_deref(), Some("one"));
        let error = mint(&["--sub", SENDER, "--key", &public], None).await.unwrap_err();
        assert!(error.contains("is no private key"), "{error}");
    }
    assert!(mint(&["--sub", SENDER], None).await.unwrap_err().contains("JWT_SECRET"));
    assert!(mint(&["--sub", SENDER], Some("short")).await.unwrap_err().contains("32 bytes"));
    let error = mint(&["--sub", SENDER, "--read", "no/room"], Some(SECRET)).await.unwrap_err();
    assert!(error.contains("names of rooms"), "{error}");
}
