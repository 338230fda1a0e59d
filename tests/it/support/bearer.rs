//! Requests with a token.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{Answer, Events, Node, soon};

impl Node {
    /// Any request with a token and a JSON body, and its answer.
    pub async fn send_as(&self, token: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request).await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send_as(token, Method::GET, path, None).await
    }

    pub async fn post_as(&self, token: &str, body: &Value) -> Answer {
        self.send_as(token, Method::POST, "/message", Some(body)).await
    }

    /// Posts a message that must be taken; its id.
    pub async fn say_as(&self, token: &str, message: Value) -> i64 {
        let answer = self.post_as(token, &message).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.body["id"].as_i64().unwrap()
    }

    /// Opens `/stream` with this query, which must be allowed; nothing of it has been read.
    pub async fn open_as(&self, token: &str, query: &str) -> Events {
        let request = self.http.get(format!("{}/stream{query}", self.url)).bearer_auth(token);
        let response = soon("the stream opens", request.send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Events::new(response)
    }

    /// Follows `/stream` with this query, attached when this returns.
    pub async fn stream_as(&self, token: &str, query: &str) -> Events {
        let mut events = self.open_as(token, query).await;
        let first = events.next().await;
        assert_eq!(first.kind(), "connected", "{first:?}");
        events
    }
}
