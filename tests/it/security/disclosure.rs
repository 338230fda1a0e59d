//! What a stranger must not learn: from errors, headers, help texts, or files beside the program.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Node, SENDER, World, message,
    raw::exchange,
    soon,
    tokens::{self, GUARDED, challenge, claims, guarded, in_seconds, token, with},
};

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

/// Asks for everything with a token, in each place where one may be, and with something in the body that is nobody's
/// business.
async fn confide(node: &Node, token: &str) {
    let body = json!({ "content": SECRET, "sender_id": SENDER });
    let patch = json!({ "content": SECRET, "file": SECRET });
    for (method, path, body) in [
        (Method::GET, "/message", None),
        (Method::GET, "/message?cursor=x", None),
        (Method::POST, "/message", Some(&body)),
        (Method::PATCH, "/message/1", Some(&patch)),
        (Method::DELETE, "/message/1", None),
        (Method::HEAD, "/stream", None),
        (Method::HEAD, "/nowhere", None),
    ] {
        let query = if path.contains('?') { '&' } else { '?' };
        for place in 0..3 {
            let url = format!("{}{path}", node.url);
            let request = match place {
                0 => node.http.request(method.clone(), url).bearer_auth(token),
                1 => node.http.request(method.clone(), url).header("Cookie", format!("__Secure-rowcast_token={token}")),
                _ => node.http.request(method.clone(), format!("{url}{query}access_token={token}")),
            };
            let request = body.iter().fold(request, reqwest::RequestBuilder::json);
            Answer::of(request.header("Idempotency-Key", SECRET).header("X-Request-Id", "confided")).await;
        }
    }
}

#[tokio::test]
async fn cwe_532_the_log_holds_no_token_no_password_and_no_message() {
    let world = World::new().await;
    let url = format!("http://{SECRET}:{SECRET}@127.0.0.1:1");
    let settings = [("JWT_QUERY", "true"), ("JWT_JWKS_URL", &url), ("OTLP_ENDPOINT", &url), ("OTLP_SAMPLE", "1")];
    for format in ["json", "text"] {
        let log = [("LOG", "rowcast=trace,info"), ("LOG_FORMAT", format), ("RATE_WRITE", "30/1h")];
        let (mut node, log) = Node::start_logged(&world, &[&GUARDED[..], &settings, &log].concat()).await;
        let good = token(&claims(&["*"], &["*"]));
        let late = token(&with(claims(&["*"], &["*"]), "exp", in_seconds(-1)));
        let (body, signature) = good.rsplit_once('.').unwrap();
        let broken = format!("{body}.{}", signature.chars().rev().collect::<String>());
        for token in [&good, &late, &broken] {
            confide(&node, token).await;
        }
        // Trouble has more to say.
        world.sql("alter table messages rename to elsewhere").await;
        confide(&node, &good).await;
        world.sql("alter table elsewhere rename to messages").await;
        node.signal("TERM");
        soon("the end", node.process.wait()).await.unwrap();
        let text = log.text();
        assert!(text.contains("confided") && text.contains("the server failed"), "something is logged: {text}");
        let parts = |token: &str| token.split('.').skip(1).map(str::to_owned).collect::<Vec<_>>();
        for secret in [parts(&good), parts(&late), parts(&broken), vec![SECRET.into(), tokens::SECRET.into()]].concat()
        {
            assert!(!text.contains(&secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn cwe_209_what_is_wrong_with_a_token_tells_nothing_of_keys_or_claims() {
    let (_world, node) = guarded(&[("JWT_AUDIENCE", "the audience"), ("JWT_ISSUER", "the issuer")]).await;
    let said = async |token: String| {
        let answer = node.get_as(&token, "/message").await;
        let text = format!("{} {}", challenge(&answer), answer.body);
        for word in ["the audience", "the issuer", SENDER, SECRET, "HS256", "kid", "jwt", "hmac"] {
            assert!(!text.to_lowercase().contains(&word.to_lowercase()), "{word}: {text}");
        }
        text
    };
    let forged = |claims: &Value, kid: Option<&str>| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::default() };
        encode(&header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    };
    let good = claims(&["*"], &["*"]);
    // Claims are not looked at before the signature, and how near it was does not show.
    let plain = said(forged(&good, None)).await;
    assert!(plain.contains("signature is wrong"), "{plain}");
    let signed = token(&good);
    let (said_and_signed, signature) = signed.rsplit_once('.').unwrap();
    let mut near = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    near[31] ^= 1;
    let near = format!("{said_and_signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(near));
    for token in [
        forged(&with(good.clone(), "exp", in_seconds(-1)), None),
        forged(&with(good.clone(), "aud", "other"), None),
        forged(&with(good.clone(), "rooms", "wrong"), None),
        forged(&good, Some("a key")),
        near,
    ] {
        assert_eq!(said(token).await, plain);
    }
    said(signed).await;
    said(token(&with(good, "aud", "the audience"))).await;
}

/// Whether a setting of this name may hold a secret. The others name files, public keys, or servers that are asked.
fn is_secret(name: &str) -> bool {
    ["DATABASE_URL", "REDIS_URL", "SECRET", "PASSWORD"].iter().any(|part| name.contains(part))
}
