//! Whether a request comes from a page of another site.
//!
//! Any page may send `text/plain` to any server, even to one on its reader's own machine, without
//! asking first. Browsers say where a request comes from; clients that are not browsers are let
//! through.

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};

pub(crate) fn is_cross_site(head: &Parts) -> bool {
    let by_fetch = head.headers.get("sec-fetch-site");
    let mut origins = head.headers.get_all(ORIGIN).iter();
    by_fetch.is_some_and(|site| site == "cross-site")
        || origins.any(|origin| !is_this_host(origin, head))
}

/// Whether an origin, `http://HOST[:PORT]`, is the host that the request was sent to. `null`, the
/// origin of sandboxed frames and local files, is none.
fn is_this_host(origin: &HeaderValue, head: &Parts) -> bool {
    let Ok(origin) = Uri::try_from(origin.as_bytes()) else {
        return false;
    };
    let (Some(scheme), Some(origin)) = (origin.scheme(), origin.authority()) else {
        return false;
    };
    // HTTP/2 has no Host; its authority is in the URI.
    let host = head.headers.get(HOST).map(HeaderValue::as_bytes);
    let host = host.and_then(|host| Authority::try_from(host).ok());
    let Some(host) = host.as_ref().or(head.uri.authority()) else {
        return false;
    };
    origin.host().eq_ignore_ascii_case(host.host()) && port(origin, scheme) == port(host, scheme)
}

fn port(authority: &Authority, scheme: &Scheme) -> u16 {
    let default = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    authority.port_u16().unwrap_or(default)
}
