//! Trusted certificates: those of the system (or of `SSL_CERT_FILE` and `SSL_CERT_DIR`, if these are set), and those of the
//! variables that other tools for a service read.

use super::variable;
use crate::error::named;
use reqwest::{Certificate, ClientBuilder};
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// Adds the certificates that these variables name: a file of certificates in PEM, or a folder of such files.
///
/// # Errors
/// If a variable is set, and it names no certificates.
pub(super) fn trusting(mut builder: ClientBuilder, variables: &[&str]) -> io::Result<ClientBuilder> {
    for name in variables {
        let Some(path) = variable(name) else { continue };
        let certificates = certificates(&path).map_err(|e| {
            let path = crate::display::printable(path.as_encoded_bytes());
            named(&format!("{name}: {path}"), &e)
        })?;
        builder = builder.tls_certs_merge(certificates);
    }
    Ok(builder)
}

fn certificates(path: &OsStr) -> io::Result<Vec<Certificate>> {
    let path = Path::new(path);
    let none = || io::Error::new(io::ErrorKind::InvalidData, "no certificates in PEM");
    let read = |path: &Path| Certificate::from_pem_bundle(&std::fs::read(path)?).map_err(|_| none());
    let mut all = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            // Folders of certificates contain other files as well, such as lists of revoked certificates.
            all.extend(read(&entry?.path()).unwrap_or_default());
        }
    } else {
        all = read(path)?;
    }
    if all.is_empty() { Err(none()) } else { Ok(all) }
}

/// Returns the message for a refused certificate, or None for another failure. `text` is the message of the library.
pub(super) fn refused(text: &str) -> Option<String> {
    let cause = text.strip_prefix("invalid peer certificate: ")?;
    let advice = "name a file with the right one in SSL_CERT_FILE, or for S3 in AWS_CA_BUNDLE";
    let why = match cause {
        _ if cause.contains("UnknownIssuer") => format!("no authority that this machine trusts has signed it; {advice}"),
        _ if cause.contains("CaUsedAsEndEntity") => {
            "it is that of an authority, which no server may use; make one for the server (basicConstraints=CA:FALSE)".to_string()
        }
        _ if cause.contains("not valid for name") || cause.contains("NotValidForName") => "it is for another name".to_string(),
        _ if cause.contains("not valid yet") || cause.contains("NotValidYet") => {
            "it is not valid yet; is the clock right?".to_string()
        }
        _ if cause.contains("expired") || cause.contains("Expired") => "it has expired; is the clock right?".to_string(),
        _ if cause.contains("evoked") => "it was revoked".to_string(),
        _ => "it is not valid".to_string(),
    };
    Some(format!("the certificate is not trusted: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_of_the_library_is_shown() {
        for (text, part) in [
            ("invalid peer certificate: UnknownIssuer", "AWS_CA_BUNDLE"),
            ("invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))", "CA:FALSE"),
            ("invalid peer certificate: certificate not valid for name \"h\"; certificate is only valid for x", "another name"),
            ("invalid peer certificate: certificate expired: verification time 1 (UNIX)", "expired"),
            ("invalid peer certificate: BadEncoding", "not valid"),
        ] {
            let said = refused(text).unwrap();
            assert!(said.starts_with("the certificate is not trusted: ") && said.contains(part), "{said}");
            assert!(!said.contains("Other") && !said.contains("Issuer"), "{said}");
        }
        assert_eq!(refused("Connection refused"), None);
    }
}
