//! Uploads in parts.

use super::odd::Oddities;
use super::{Held, State, error, xml};
use crate::storages::emulators::httpd::{Answer, Request};
use std::collections::BTreeMap;

/// An upload: its parts, and their etags.
#[derive(Default)]
pub struct Upload {
    parts: BTreeMap<usize, (Vec<u8>, String)>,
}

type Query = BTreeMap<String, String>;

/// Takes a part.
pub fn part(odd: &Oddities, state: &mut State, request: &Request, query: &Query) -> Answer {
    let etag = odd.etags.of(&request.body, &mut state.count);
    let Some(upload) = state.uploads.get_mut(&query["uploadId"]) else { return error(404, "NoSuchUpload", "no upload") };
    let number = query["partNumber"].parse().expect("a number");
    upload.parts.insert(number, (request.body.clone(), etag.clone()));
    Answer::new(200, "").with("etag", etag)
}

/// Begins an upload, or ends it.
pub fn end(odd: &Oddities, state: &mut State, request: &Request, name: &str, query: &Query) -> Answer {
    let Some(id) = query.get("uploadId") else {
        let id = format!("upload-{}", state.uploads.len());
        state.uploads.insert(id.clone(), Upload::default());
        let id = format!("<UploadId>{id}</UploadId>");
        return xml(200, format!("<InitiateMultipartUploadResult>{id}</InitiateMultipartUploadResult>"));
    };
    if let Some(refused) = odd.conditions.refused(request, state.objects.contains_key(name)) {
        return refused;
    }
    let Some(upload) = state.uploads.remove(id) else { return error(404, "NoSuchUpload", "no upload") };
    let asked = String::from_utf8_lossy(&request.body);
    if !upload.parts.values().all(|(_, etag)| asked.contains(etag.trim_matches('"'))) {
        return error(400, "InvalidPart", "another etag");
    }
    let mut content: Vec<u8> = upload.parts.values().flat_map(|(part, _)| part.clone()).collect();
    if odd.corrupts {
        content[0] ^= 1;
    }
    let etag = odd.etags.of(&content, &mut state.count).replace('"', "") + "-2";
    state.objects.insert(name.to_string(), Held { content, etag: format!("\"{etag}\"") });
    xml(200, format!("<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"))
}
