//! Other names: paths under which clients of other chat servers look for the same calls. They are not in the document.

use poem::{
    Request,
    http::{HeaderValue, Uri, header, uri::PathAndQuery},
};

/// Turns a request under another name into what it means.
pub(super) fn resolve(mut request: Request) -> Request {
    let query = request.uri().query().unwrap_or_default();
    let path = match request.uri().path() {
        "/api/chat" => "/chat".to_owned(),
        "/api/chat/stream" => {
            request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
            "/chat".to_owned()
        }
        "/api/sse" => format!("/session/{}/stream?{query}", parameter(query, "session_id")),
        "/api/messages" => messages(query),
        _ => return request,
    };
    // What a client makes of it that cannot be a path is not found under its own name.
    if let Ok(path) = path.parse::<PathAndQuery>() {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// The messages of a room, where one is named.
fn messages(query: &str) -> String {
    let known = query.split('&').filter_map(|pair| match pair.split_once('=')? {
        ("roomId", room) => Some(format!("room={room}")),
        ("limit" | "cursor", _) => Some(pair.to_owned()),
        _ => None,
    });
    format!("/message?{}", known.collect::<Vec<_>>().join("&"))
}

/// The value of a query's parameter, as it is written there.
fn parameter<'a>(query: &'a str, name: &str) -> &'a str {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter_map(|(key, value)| (key == name).then_some(value));
    // No other session has an id, and nothing else may come into the path.
    found.next().filter(|value| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')).unwrap_or("-")
}
