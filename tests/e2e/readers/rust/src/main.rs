//! Reads a stream with `eventsource-client`, and prints a JSON object a line for all that it is told.
//!
//! The library reconnects by itself, with the last id. The loop adds what it does not do: it ends at an answer that is
//! no stream, as the standard has it. With `AS_IT_IS` set it does not, which shows what the library does by itself.

use std::{env, error::Error, time::Duration};

use eventsource_client::{Client, ClientBuilder, Error as Failed, Event, ReconnectOptions, SSE};
use futures_util::StreamExt;
use launchdarkly_sdk_transport::HyperTransport;
use serde_json::{Value, json};

/// It does not take the server's `retry:`, which comes as an event without data: so this is the wait.
const WAIT: Duration = Duration::from_millis(100);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("no URL")?;
    let as_it_is = env::var_os("AS_IT_IS").is_some();
    let reconnect = ReconnectOptions::reconnect(true).retry_initial(true).delay(WAIT).backoff_factor(1).build();
    let client = ClientBuilder::for_url(&url)?.reconnect(reconnect).build_with_transport(HyperTransport::new()?);
    let mut stream = client.stream();
    while let Some(told) = stream.next().await {
        let status = status(&told);
        println!("{}", line(told)?);
        if !as_it_is && status.is_some_and(|status| status != 200) {
            return Ok(());
        }
    }
    Ok(())
}

/// What the server has answered, if this tells it.
fn status(told: &Result<SSE, Failed>) -> Option<u16> {
    match told {
        Ok(SSE::Connected(connection)) => Some(connection.response().status()),
        Err(Failed::UnexpectedResponse(response, _)) => Some(response.status()),
        _ => None,
    }
}

fn line(told: Result<SSE, Failed>) -> serde_json::Result<Value> {
    Ok(match told {
        Ok(SSE::Connected(_)) => json!({ "type": "open" }),
        Ok(SSE::Comment(_)) => json!({ "type": "comment" }),
        Ok(SSE::Event(Event { event_type, id, data, .. })) => {
            json!({ "type": event_type, "id": id, "data": serde_json::from_str::<Value>(&data)? })
        }
        Err(error) => json!({ "type": "error", "why": error.to_string() }),
    })
}
