//! The caller: who it is, where it calls from, and whether it may call just now.
//!
//! Every operation on messages, streams and sessions takes a [`Caller`]. There is one other way in: the producer of a
//! session has a token for that alone.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use futures_util::FutureExt;
use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};

use super::{
    budget,
    carriers::{COOKIE, Carriers, QUERY},
    client::Proxies,
    problem::ApiError,
    wire,
};
use crate::{
    auth::{Auth, AuthError, Principal},
    limit::{Limiter, Who},
};

/// What decides who is let in.
#[derive(Clone)]
pub struct Gate {
    /// Who checks tokens.
    pub auth: Auth,
    /// Where they are looked for.
    pub carriers: Arc<Carriers>,
    /// Who may say where a request comes from.
    pub proxies: Proxies,
    /// How often each caller may ask.
    pub limiter: Limiter,
}

/// Who calls, and from where. A caller of a stream may have its token in the query.
pub(super) struct Caller<const STREAM: bool = false> {
    /// Who it is, and what it may do.
    pub principal: Principal,
    /// Where it calls from, as far as trusted proxies tell.
    pub address: IpAddr,
}

impl<'a, const STREAM: bool> ApiExtractor<'a> for Caller<STREAM> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = |ty, description, name, key_in| MetaSecurityScheme {
            ty,
            description: Some(description),
            name,
            key_in,
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        let header = scheme(
            "http",
            "A JWT in the `Authorization` header. A server without a key to check it by asks for none, and takes no \
             notice of one.",
            None,
            None,
        );
        let header = MetaSecurityScheme { scheme: Some("bearer"), bearer_format: Some("JWT"), ..header };
        registry.create_security_scheme("bearer", header);
        let words = "The same in a cookie, if the server is not set to another name; what writes must come from the \
                     server's own site.";
        registry.create_security_scheme("cookie", scheme("apiKey", words, Some(COOKIE), Some("cookie")));
        if STREAM {
            let words = "The same in the query, if the server is set to take it: for an `EventSource` of another site.";
            registry.create_security_scheme("query", scheme("apiKey", words, Some(QUERY), Some("query")));
        }
    }

    fn security_schemes() -> Vec<&'static str> {
        if STREAM { vec!["bearer", "cookie", "query"] } else { vec!["bearer", "cookie"] }
    }

    /// A server may be open.
    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let admitted = Self::admit(request).await;
        if admitted.is_err() {
            wire::forget(body).await;
        }
        Ok(admitted?)
    }
}

impl<const STREAM: bool> Caller<STREAM> {
    /// As it is counted.
    pub(super) fn who(&self) -> Who {
        Who::of(self.principal.subject.as_deref(), self.address)
    }

    async fn admit(request: &Request) -> Result<Self, ApiError> {
        // Without a gate nobody comes in.
        let gate = request.data::<Gate>().ok_or_else(|| ApiError::from(AuthError::KeysAway))?;
        let address = gate.proxies.client(request).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let identified = gate.identify(request, STREAM).await;
        // Who is refused is counted too, by its address: to try one token after the other is not for free.
        let subject = identified.as_ref().ok().and_then(|principal| principal.subject.as_deref());
        budget::spend(&gate.limiter, request, || Who::of(subject, address)).await?;
        Ok(Self { principal: identified?, address })
    }
}

impl Gate {
    async fn identify(&self, request: &Request, stream: bool) -> Result<Principal, ApiError> {
        // Nobody is asked for a token: one that comes says nothing, since there is nothing to check it by.
        if self.auth.is_open() {
            return Ok(Principal::anyone());
        }
        let token = self.carriers.token(request, stream)?;
        self.auth.identify(token).boxed().await.map_err(ApiError::from)
    }
}
