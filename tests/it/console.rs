//! The console's files: what they are served as, and where. What they do is tried in a browser (`tests/e2e`).

use std::{fs, path::Path};

use reqwest::{Method, Response, StatusCode};

use crate::support::{Node, World, soon};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/console/page");

async fn ask(node: &Node, method: Method, url: &str, header: (&str, &str)) -> Response {
    soon("an answer", node.http.request(method, url).header(header.0, header.1).send()).await.unwrap()
}

async fn get(node: &Node, path: &str) -> Response {
    ask(node, Method::GET, &format!("{}{path}", node.url), ("Accept-Encoding", "identity")).await
}

fn said<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// The files of the page but the page itself, as they are asked for.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| match path.is_dir() {
        true => files(&path),
        false => vec![path.strip_prefix(FILES).unwrap().to_str().unwrap().to_owned()],
    });
    files.filter(|name| name != "index.html").collect()
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').unwrap().1 {
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "js" => "text/javascript; charset=utf-8",
        other => panic!("{other} files are served as what?"),
    }
}

#[tokio::test]
async fn the_page_and_each_of_its_files_are_served_for_what_they_are() {
    let (_world, node) = World::with_node().await;
    let files = files(Path::new(FILES));
    assert!(
        files.iter().any(|name| name == "room/room.js") && files.iter().any(|name| name == "style.css"),
        "{files:?}"
    );
    let served = files
        .iter()
        .map(|name| (format!("/console/{name}"), kind(name), fs::read_to_string(format!("{FILES}/{name}"))));
    for (path, kind, text) in served {
        let answer = get(&node, &path).await;
        assert_eq!((answer.status(), said(&answer, "content-type")), (StatusCode::OK, kind), "{path}");
        assert_policy(&path, &answer);
        assert_eq!(answer.text().await.unwrap(), text.unwrap(), "{path}");
    }
    let page = get(&node, "/").await;
    assert_eq!((page.status(), said(&page, "content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    assert_policy("/", &page);
}

fn assert_policy(path: &str, answer: &Response) {
    let policy = said(answer, "content-security-policy");
    for rule in
        ["default-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "base-uri 'none'"]
    {
        assert!(policy.split("; ").any(|said| said == rule), "{path}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
}

/// The page loads nothing by an address that begins with `/` or a host: it may be behind a prefix.
#[tokio::test]
async fn the_page_asks_for_its_files_where_it_is_and_for_no_other() {
    let (_world, node) = World::with_node().await;
    let page = get(&node, "/").await.text().await.unwrap();
    let asked = ["src=\"", "href=\""].iter().flat_map(|name| page.split(name).skip(1));
    let asked: Vec<&str> =
        asked.map(|rest| rest.split('"').next().unwrap()).filter(|url| !url.starts_with('#')).collect();
    assert!(asked.len() > 5, "{asked:?}");
    for url in asked {
        assert!(!url.starts_with('/') && !url.contains("//"), "{url}");
        assert_eq!(get(&node, &format!("/{url}")).await.status(), StatusCode::OK, "{url}");
    }
}

#[tokio::test]
async fn who_has_a_file_already_is_told_so_and_sent_nothing() {
    let (_world, node) = World::with_node().await;
    for path in ["/", "/console/main.js"] {
        let url = format!("{}{path}", node.url);
        let tag = said(&get(&node, path).await, "etag").to_owned();
        // A server between may have taken away that it is weak.
        for known in [&format!("\"old\", {tag}"), tag.trim_start_matches("W/"), "*"] {
            let answer = ask(&node, Method::GET, &url, ("If-None-Match", known)).await;
            assert_eq!((answer.status(), said(&answer, "etag")), (StatusCode::NOT_MODIFIED, &*tag), "{path} {known}");
            assert_eq!(said(&answer, "cache-control"), "no-cache");
            assert!(answer.bytes().await.unwrap().is_empty());
        }
        let answer = ask(&node, Method::GET, &url, ("If-None-Match", "\"old\"")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn the_page_is_compressed_and_can_be_asked_for_its_head() {
    let (_world, node) = World::with_node().await;
    for path in ["/", "/console/style.css"] {
        let url = format!("{}{path}", node.url);
        let whole = get(&node, path).await.bytes().await.unwrap().len();
        let packed = ask(&node, Method::GET, &url, ("Accept-Encoding", "gzip")).await;
        assert_eq!(said(&packed, "content-encoding"), "gzip", "{path}");
        assert!(packed.bytes().await.unwrap().len() < whole, "{path}");
        let head = ask(&node, Method::HEAD, &url, ("Accept-Encoding", "identity")).await;
        assert_eq!(head.status(), StatusCode::OK, "{path}");
        let wrong = ask(&node, Method::POST, &url, ("Accept-Encoding", "identity")).await;
        assert_eq!((wrong.status(), said(&wrong, "allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET"), "{path}");
    }
}

#[tokio::test]
async fn the_page_knows_the_cookie_and_the_views_of_its_server() {
    let world = World::new().await;
    let node = world.node_with(&[("JWT_COOKIE", "rowcast_here"), ("ADMIN_PORT", "0")]).await;
    let page = get(&node, "/").await.text().await.unwrap();
    assert!(page.contains("data-cookie=\"rowcast_here\" data-views=\"room\""));
    let admin = format!("{}/", node.admin.as_ref().unwrap());
    let page = ask(&node, Method::GET, &admin, ("Accept-Encoding", "identity")).await.text().await.unwrap();
    assert!(page.contains("data-views=\"monitor\""));
    let alone = world.node().await;
    let page = get(&alone, "/").await.text().await.unwrap();
    assert!(page.contains("data-cookie=\"__Secure-rowcast_token\" data-views=\"room monitor\""));
}

#[tokio::test]
async fn without_a_console_there_is_nothing_at_its_paths() {
    let world = World::new().await;
    let node = world.node_with(&[("CONSOLE", "false"), ("ADMIN_PORT", "0")]).await;
    let admin = node.admin.clone().unwrap();
    for url in
        [&node.url, &admin].into_iter().flat_map(|url| ["/", "/console/main.js"].map(|path| format!("{url}{path}")))
    {
        let answer = ask(&node, Method::GET, &url, ("Accept-Encoding", "identity")).await;
        assert_eq!(
            (answer.status(), said(&answer, "content-type")),
            (StatusCode::NOT_FOUND, "application/problem+json")
        );
    }
    assert_eq!(get(&node, "/message").await.status(), StatusCode::OK);
}
