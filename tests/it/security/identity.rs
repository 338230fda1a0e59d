//! Nobody is taken for someone else: tokens that are bent, forged or out of time open nothing.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use reqwest::Method;
use serde_json::json;

use crate::support::{
    Node, SENDER, World, message,
    tokens::{Issuer, SECRET, challenge, claims, guarded, in_seconds, token, with},
};

const ALL: [&str; 1] = ["*"];

fn part(json: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json)
}

/// A token that no library would sign: any header and any claims, under a good signature of this secret.
fn bent(header: &str, claims: &str, secret: &str) -> String {
    let text = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    format!("{text}.{}", crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap())
}

/// The token opens nothing, to read or to write.
async fn assert_closed(world: &World, node: &Node, what: &str, token: &str) {
    for (method, path) in [(Method::GET, "/message"), (Method::POST, "/message"), (Method::GET, "/stream")] {
        let body = (method == Method::POST).then(|| message("forged"));
        let answer = node.send_as(token, method.clone(), path, body.as_ref()).await;
        assert_eq!(answer.status, 401, "{what}: {method} {path}: {}", answer.body);
        challenge(&answer);
    }
    assert_eq!(world.number("select count(*) from messages").await, 0, "{what}");
}

#[tokio::test]
async fn cwe_347_no_header_makes_a_signature_good() {
    let (issuer, mine) = (Issuer::new(Algorithm::ES256), Issuer::new(Algorithm::ES256));
    let (world, node) = guarded(&[("JWT_PUBLIC_KEY", &issuer.public), ("JWT_ALGORITHMS", "HS256,ES256")]).await;
    let said = claims(&ALL, &ALL);
    let text = said.to_string();
    assert_eq!(node.get_as(&bent(r#"{"alg":"HS256"}"#, &text, SECRET), "/message").await.status, 200);
    let own_key = json!({ "alg": "ES256", "jwk": mine.jwk("mine"), "kid": "mine" }).to_string();
    let of_mine = mine.sign(None, &said);
    let (_, signature) = of_mine.rsplit_once('.').unwrap();
    let good = token(&said);
    let (signed, of_good) = good.rsplit_once('.').unwrap();
    let mut cases = vec![
        ("the public key as a secret", bent(r#"{"alg":"HS256"}"#, &text, &issuer.public)),
        ("the same, trimmed", bent(r#"{"alg":"HS256"}"#, &text, issuer.public.trim())),
        ("an empty secret", bent(r#"{"alg":"HS256","kid":"../../../dev/null"}"#, &text, "")),
        ("a secret that the header names", bent(r#"{"alg":"HS256","kid":"' union select 'k"}"#, &text, "k")),
        ("another issuer's key", of_mine.clone()),
        ("a key in the header", format!("{}.{}.{signature}", part(&own_key), part(&text))),
        ("a key from the header's address", bent(r#"{"alg":"HS256","jku":"http://127.0.0.1:1/"}"#, &text, "x")),
        ("the good secret under another name", bent(r#"{"alg":"ES256"}"#, &text, SECRET)),
        ("what must be understood", bent(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, &text, SECRET)),
        ("nothing that must be", bent(r#"{"alg":"HS256","crit":[]}"#, &text, SECRET)),
        ("two algorithms", bent(r#"{"alg":"none","alg":"HS256"}"#, &text, SECRET)),
        ("no algorithm", bent(r"{}", &text, SECRET)),
        ("no signature", format!("{signed}.")),
        ("half a signature", format!("{signed}.{}", &of_good[..of_good.len() / 2])),
        ("a padded signature", format!("{good}=")),
        ("a signature of zeroes", format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode([0; 32]))),
        ("five parts", format!("{good}.{signed}")),
    ];
    for none in ["none", "None", "nOnE", "NONE", "", "HS0"] {
        let header = json!({ "alg": none }).to_string();
        cases.push(("no algorithm", format!("{}.{}.", part(&header), part(&text))));
        cases.push(("no algorithm, signed", bent(&header, &text, SECRET)));
    }
    for (what, token) in cases {
        assert_closed(&world, &node, what, &token).await;
    }
}

#[tokio::test]
async fn cwe_287_claims_that_mean_nothing_open_nothing() {
    let (world, node) = guarded(&[]).await;
    let (past, far) = (in_seconds(-1), in_seconds(3600));
    let rights = r#""rooms":["*"]"#;
    for times in [
        format!(r#""exp":{past}"#),
        format!(r#""exp":{past},"exp":{far}"#),
        format!(r#""exp":{far},"exp":{past}"#),
        format!(r#""exp":"{far}""#),
        format!(r#""exp":[{far}]"#),
        format!(r#""exp":{far},"nbf":{}"#, in_seconds(60)),
        format!(r#""exp":{far},"nbf":1e308"#),
        format!(r#""exp":{far},"nbf":"never""#),
        r#""iat":0"#.to_owned(),
        r#""exp":null"#.to_owned(),
        r#""exp":true"#.to_owned(),
        r#""exp":NaN"#.to_owned(),
        r#""exp":Infinity"#.to_owned(),
        r#""exp":1e999"#.to_owned(),
        r#""exp":-1e308"#.to_owned(),
        r#""exp":-0.0"#.to_owned(),
        r#""exp":-9223372036854775808"#.to_owned(),
    ] {
        let claims = format!(r#"{{"sub":"{SENDER}",{times},{rights}}}"#);
        assert_closed(&world, &node, &times, &bent(r#"{"alg":"HS256"}"#, &claims, SECRET)).await;
    }
    for claims in ["null", "[]", "\"a\"", "", "{", "\u{feff}{}", &"[".repeat(4000)] {
        assert_closed(&world, &node, claims, &bent(r#"{"alg":"HS256"}"#, claims, SECRET)).await;
    }
    for (claim, value) in
        [("sub", json!(7)), ("sub", json!({})), ("rooms", json!("*")), ("rooms", json!({ "read": "*" }))]
    {
        let odd = token(&with(claims(&ALL, &ALL), claim, value.clone()));
        assert_closed(&world, &node, &format!("{claim}: {value}"), &odd).await;
    }
}

#[tokio::test]
async fn cwe_613_nothing_is_done_with_a_token_whose_time_is_over() {
    let (_world, node) = guarded(&[]).await;
    let id = node.say_as(&token(&claims(&ALL, &ALL)), message("there")).await;
    let (one, over) = (format!("/message/{id}"), token(&with(claims(&ALL, &ALL), "exp", in_seconds(-1))));
    let patch = json!({ "content": "changed" });
    for (method, path, body) in [
        (Method::GET, "/message", None),
        (Method::HEAD, "/message", None),
        (Method::GET, &*one, None),
        (Method::POST, "/message", Some(message("late"))),
        (Method::PATCH, &*one, Some(patch)),
        (Method::DELETE, &*one, None),
        (Method::GET, "/stream", None),
        (Method::GET, "/stream?last_event_id=1-0", None),
    ] {
        let answer = node.send_as(&over, method.clone(), path, body.as_ref()).await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
    }
    assert_eq!(node.get_as(&token(&claims(&ALL, &[])), &one).await.body["content"], "there");
}
