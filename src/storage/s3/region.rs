//! The region of a bucket. If it is not the one that was given, the service tells it, and requests are sent there.

use super::is_amazon;
use crate::parallel::lock;
use crate::storage::web::auth::Regions;
use crate::storage::web::service::{Call, Failed, Head, Service};
use crate::storage::{bucket, xml};
use http::uri::{Authority, Parts as Address};
use http::{Uri, request};
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, Result, SignRequest};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The region that requests are signed for: the one that was given, and the one that the service has told, once.
#[derive(Debug)]
pub struct Region {
    given: String,
    told: Mutex<Option<String>>,
}

impl Region {
    /// Returns the region that was given.
    pub fn new(given: &str) -> Region {
        Region { given: given.to_string(), told: Mutex::default() }
    }

    fn now(&self) -> String {
        lock(&self.told).clone().unwrap_or_else(|| self.given.clone())
    }
}

impl Regions for Region {
    fn move_to(&self, region: &str) -> bool {
        let mut told = lock(&self.told);
        match &*told {
            None if region != self.given => *told = Some(region.to_string()),
            // Requests that were under way at that time are refused, too.
            now => return now.as_deref() == Some(region),
        }
        true
    }
}

/// Signs requests for a region.
#[derive(Debug)]
pub struct Regional(pub Arc<Region>);

impl SignRequest for Regional {
    type Credential = Credential;

    async fn sign_request(
        &self,
        context: &Context,
        request: &mut request::Parts,
        credential: Option<&Credential>,
        expires_in: Option<Duration>,
    ) -> Result<()> {
        let region = self.0.now();
        if let Some(moved) = moved(&request.uri, &self.0.given, &region) {
            request.uri = moved;
        }
        RequestSigner::new("s3", &region).sign_request(context, request, credential, expires_in).await
    }
}

/// Returns the address at Amazon's server for another region; None if the server is that for all regions, or not Amazon's.
fn moved(address: &Uri, given: &str, region: &str) -> Option<Uri> {
    let authority = address.authority().filter(|authority| given != region && is_amazon(authority.as_str()))?;
    let other = authority.as_str().replace(&format!("s3.{given}."), &format!("s3.{region}."));
    let mut parts: Address = address.clone().into_parts();
    parts.authority = Some(other.parse::<Authority>().ok()?);
    Uri::from_parts(parts).ok()
}

/// Does what [`bucket::refusal`] does. If the bucket is in another region, the next try is made there.
pub fn refusal(service: &Service, call: &Call, head: &Head, body: &[u8]) -> Failed {
    let refused = bucket::refusal(service, call, head, body);
    let is_about_regions = matches!(head.status.as_u16(), 301 | 400 | 403);
    let Some(region) = told(head, body).filter(|_| is_about_regions) else { return refused };
    let moved = service.auth.move_to(&region);
    if !moved && head.status.as_u16() != 301 && refused.code != "AuthorizationHeaderMalformed" {
        return refused;
    }
    let reason = format!("{}: the bucket is in the region {region}: set AWS_REGION, or the option region", service.host);
    Failed { passes: moved, ..Failed::new(head.status, &refused.code, io::Error::other(reason)) }
}

/// Returns the region that an answer tells.
fn told(head: &Head, body: &[u8]) -> Option<String> {
    let in_body = || {
        let error = xml::parse(std::str::from_utf8(body).ok()?.trim_start()).ok().filter(|root| root.name == "Error")?;
        error.value("Region").map(str::to_string)
    };
    let region = head.text("x-amz-bucket-region").map(str::to_string).or_else(in_body)?;
    // It becomes a part of addresses.
    let is_region = !region.is_empty() && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    is_region.then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_of_one_region_change() {
        let moved = |address: &str| moved(&address.parse().unwrap(), "us-east-1", "eu-1").map(|uri| uri.to_string());
        for (from, to) in [
            ("https://s3.us-east-1.amazonaws.com/b/a?x=1", Some("https://s3.eu-1.amazonaws.com/b/a?x=1")),
            ("https://b.s3.us-east-1.amazonaws.com/a", Some("https://b.s3.eu-1.amazonaws.com/a")),
            ("https://s3.us-east-1.example.com/b", None),
        ] {
            assert_eq!(moved(from).as_deref(), to, "{from}");
        }
    }

    #[test]
    fn a_region_is_told_once() {
        let region = Region::new("a");
        assert!(!region.move_to("a") && region.now() == "a");
        assert!(region.move_to("b") && region.move_to("b") && region.now() == "b");
        assert!(!region.move_to("c") && !region.move_to("a") && region.now() == "b");
    }
}
