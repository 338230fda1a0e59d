//! A collector of traces, as far as a test needs it: it takes what is sent, and keeps the spans.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use super::until;

/// Where traces go.
pub struct Collector {
    pub url: String,
    spans: Arc<watch::Sender<Vec<Span>>>,
    /// While it is false, no answer is given.
    pub answers: watch::Sender<bool>,
}

impl Collector {
    pub async fn start() -> Self {
        Self::listen("http://127.0.0.1", None).await
    }

    /// One that is `localhost`, and has this certificate.
    pub async fn with_tls(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        Self::listen("https://localhost", Some(Arc::new(config).into())).await
    }

    async fn listen(name: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{name}:{}", listener.local_addr().unwrap().port());
        let (spans, answers) = (Arc::<watch::Sender<Vec<Span>>>::default(), watch::Sender::new(true));
        let (kept, answering) = (Arc::clone(&spans), answers.subscribe());
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (kept, answering, tls) = (Arc::clone(&kept), answering.clone(), tls.clone());
                let take = service_fn(move |request| take(request, Arc::clone(&kept), answering.clone()));
                tokio::spawn(async move {
                    // How a connection ends is no matter.
                    let _ = match tls {
                        None => http1::Builder::new().serve_connection(TokioIo::new(socket), take).await,
                        Some(tls) => {
                            let socket = tls.accept(socket).await.expect("the certificate is trusted");
                            http1::Builder::new().serve_connection(TokioIo::new(socket), take).await
                        }
                    };
                });
            }
        });
        Self { url, spans, answers }
    }

    /// All that it was sent.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.borrow().clone()
    }

    /// The first span with this name, as soon as it is there.
    pub async fn span(&self, name: &str) -> Span {
        let find = || self.spans().into_iter().find(|span| span.name == name);
        until("the span is there", async || find().is_some()).await;
        find().unwrap()
    }
}

async fn take(
    request: Request<Incoming>,
    spans: Arc<watch::Sender<Vec<Span>>>,
    mut answers: watch::Receiver<bool>,
) -> hyper::Result<Response<Empty<Bytes>>> {
    assert_eq!((request.method(), request.uri().path()), (&hyper::Method::POST, "/v1/traces"));
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await?.to_bytes();
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    answers.wait_for(|answers| *answers).await.unwrap();
    for resource in sent.resource_spans {
        let service = resource.resource.unwrap().attributes.into_iter().find(|pair| pair.key == "service.name");
        assert_eq!(service.unwrap().value.unwrap().value, Some(Value::StringValue("rowcast".to_owned())));
        let new = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.send_modify(|spans| spans.extend(new));
    }
    Ok(Response::new(Empty::new()))
}
