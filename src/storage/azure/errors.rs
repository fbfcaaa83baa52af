//! Refusals of the service, as errors of one line without secrets.

use crate::display::printable;
use crate::storage::LoginRefused;
use crate::storage::answer::shortened;
use crate::storage::web::service::Failed;
use http::StatusCode;
use std::io::{self, ErrorKind};

/// Returns the error for an answer that reports a failure. `code` is from a header.
pub fn answered(status: StatusCode, code: Option<&str>, body: &[u8], container: &str) -> Failed {
    let said = super::xml::error(body);
    let (answer, status) = (status, status.as_u16());
    let code = code.map(shortened).or_else(|| said.code.as_deref().map(shortened)).unwrap_or_default();
    let text = said.detail.or(said.message).map(|t| shortened(&t).trim_end_matches('.').to_string()).filter(|t| !t.is_empty());
    let mut line = format!("status {status}");
    for (mark, part) in [(" ", Some(code.clone()).filter(|c| !c.is_empty())), (": ", text)] {
        if let Some(part) = part {
            line = line + mark + &part;
        }
    }
    if code == "ContainerNotFound" {
        line = format!("status 404 ContainerNotFound: the container {} does not exist", printable(container.as_bytes()));
    }
    if (300..400).contains(&status) {
        line += ": redirections are not followed";
    }
    let kind = match status {
        401 | 403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        _ if matches!(&*code, "Md5Mismatch" | "InvalidMd5" | "Crc64Mismatch") => ErrorKind::InvalidData,
        _ if matches!(&*code, "PublicAccessNotPermitted" | "NoAuthenticationInformation") => ErrorKind::PermissionDenied,
        _ => ErrorKind::Other,
    };
    if let Some(advice) = advice(status, &code) {
        line = line + "; " + advice;
    }
    // "Server failed to authenticate the request": all other requests would fail, too.
    let is_login = status == 401 || matches!(&*code, "AuthenticationFailed" | "InvalidAuthenticationInfo");
    let error = if is_login { LoginRefused(line).into() } else { io::Error::new(kind, line) };
    let failed = Failed::new(answer, &code, error);
    // A body that was changed on its way may arrive unchanged next time.
    Failed { passes: failed.passes || code == "Md5Mismatch", ..failed }
}

fn advice(status: u16, code: &str) -> Option<&'static str> {
    match code {
        "AuthenticationFailed" => Some("check the account key or SAS token, its times, and this machine's clock"),
        "AuthorizationFailure" => Some("check the credential and what it allows, and the network rules of the account"),
        "AuthorizationPermissionMismatch" | "InsufficientAccountPermissions" => {
            Some("check the permissions; an identity needs the role Storage Blob Data Contributor, or Reader to read")
        }
        "KeyBasedAuthenticationNotPermitted" => Some("the account takes no keys; use az login or another identity"),
        "PublicAccessNotPermitted" | "NoAuthenticationInformation" => Some("the container is not public; give a credential"),
        _ if matches!(status, 401 | 403) => Some("check the account and its credential"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_kinds_and_one_line() {
        let body = b"<Error><Code>AuthorizationFailure</Code><Message>Not allowed.\nRequestId:1\nTime:2</Message></Error>";
        let e = answered(StatusCode::FORBIDDEN, None, body, "box").error;
        assert_eq!(e.kind(), ErrorKind::PermissionDenied);
        assert!(e.to_string().starts_with("status 403 AuthorizationFailure: Not allowed; check the credential"), "{e}");
        for (status, code, kind, said) in [
            (404, "ContainerNotFound", ErrorKind::NotFound, "the container box does not exist"),
            (404, "BlobNotFound", ErrorKind::NotFound, "status 404 BlobNotFound"),
            (400, "Md5Mismatch", ErrorKind::InvalidData, "status 400 Md5Mismatch"),
            (409, "PublicAccessNotPermitted", ErrorKind::PermissionDenied, "not public"),
            (307, "", ErrorKind::Other, "status 307: redirections are not followed"),
            (500, "", ErrorKind::Other, "status 500"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let e = answered(status, Some(code).filter(|c| !c.is_empty()), b"<html>", "box").error;
            assert!(e.kind() == kind && e.to_string().contains(said), "{e}");
        }
    }
}
