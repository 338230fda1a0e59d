//! The caller: who it is, where it calls from, and whether it may call just now.
//!
//! Every operation that reads or writes messages takes a [`Caller`]; there is no other way in.

use std::net::{IpAddr, Ipv4Addr};

use poem::{Request, RequestBody, Result};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::{budget, client::Proxies, problem::ApiError, wire};
use crate::{auth::Principal, limit::Limiter};

/// What decides who is let in.
#[derive(Clone)]
pub struct Gate {
    /// Who may say where a request comes from.
    pub proxies: Proxies,
    /// How often each caller may ask.
    pub limiter: Limiter,
}

/// Who calls, and from where.
pub(super) struct Caller {
    /// Who it is, and what it may do.
    pub principal: Principal,
    /// Where it calls from, as far as trusted proxies tell.
    pub address: IpAddr,
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

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

impl Caller {
    async fn admit(request: &Request) -> Result<Self, ApiError> {
        let gate = request.data::<Gate>().ok_or_else(|| ApiError::Internal(anyhow::anyhow!("a route has no gate")))?;
        let address = gate.proxies.client(request).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let caller = Self { principal: Principal::anyone(), address };
        budget::spend(&gate.limiter, request, &caller).await?;
        Ok(caller)
    }
}
