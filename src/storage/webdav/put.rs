//! Contents onto a WebDAV server: under another name first, then compared, then moved.

use super::WebDav;
use crate::record::Md5;
use crate::storage::intake::{Intake, altered};
use crate::storage::runtime::block_on;
use crate::storage::store::{Body, Put};
use crate::storage::{tree, web};
use bytes::Bytes;
use reqwest::Response;
use reqwest::header::HeaderValue;
use sha2::Digest;
use std::io::{self, Read};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::mpsc;

/// Bytes of a piece of a stream; four of them wait at most.
const PIECE: usize = 256 << 10;

/// How long a server may take to store what it has got, all of it: it may pass it on to somewhere else first.
const ANSWER: Duration = Duration::from_secs(600);

/// What is not longer is sent in one piece, and so can be sent again.
const SMALL: usize = 4 << 20;

/// Does what [`crate::storage::Store::put`] promises, as far as [`WebDav`] says.
pub fn put(dav: &WebDav, key: &str, body: Body<'_>, how: &Put) -> io::Result<bool> {
    // Some servers leave control characters out, others make pictures of them.
    if key.contains(char::is_control) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "WebDAV servers take no names with control characters"));
    }
    let path = dav.path(key);
    let is_there = match dav.propfind(&path, "0")?.unwrap_or_default().first() {
        // A MOVE onto it would delete all that is in it.
        Some(there) if there.is_folder => {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "there is a folder of that name"));
        }
        Some(_) if how.if_absent => return Ok(false),
        there => there.is_some(),
    };
    let mut intake = Intake::new(body);
    let first = intake.next(SMALL)?;
    // Folders are deleted by others; then what we know of them is wrong, once.
    make_folder(dav, tree::folder_of(&path))?;
    let temp = tree::temp_beside(&path);
    let done = upload(dav, &temp, first, &mut intake, how).and_then(|()| {
        let (md5, size) = intake.check(how)?;
        compare(dav, &temp, md5, size)?;
        let how = Publish { path: &path, if_absent: how.if_absent, is_there, md5, size };
        publish(dav, &temp, &how)
    });
    if !matches!(done, Ok(true)) {
        // Its name tells everybody that it is left over.
        drop(dav.remove(&temp));
    }
    done
}

/// Makes a folder and those above it.
fn make_folder(dav: &WebDav, folder: &str) -> io::Result<()> {
    let known = || dav.folders.lock().unwrap_or_else(PoisonError::into_inner);
    if folder.is_empty() || known().contains(folder) {
        return Ok(());
    }
    let path = format!("{folder}/");
    let mut status = dav.ask(dav.request("MKCOL", &path)?)?;
    if matches!(status.status().as_u16(), 404 | 409) {
        make_folder(dav, tree::folder_of(folder))?;
        status = dav.ask(dav.request("MKCOL", &path)?)?;
    }
    match status.status().as_u16() {
        // 405: it is there.
        200 | 201 | 204 | 405 => {
            known().insert(folder.to_string());
            Ok(())
        }
        // Servers whose root is above ours refuse to make what is there.
        _ if dav.propfind(&path, "0")?.is_some_and(|all| all.first().is_some_and(|found| found.is_folder)) => {
            known().insert(folder.to_string());
            Ok(())
        }
        _ => Err(dav.refused(&status)),
    }
}

fn upload(dav: &WebDav, temp: &str, first: Vec<u8>, intake: &mut Intake<'_>, how: &Put) -> io::Result<()> {
    let mut request = dav.request("PUT", temp)?;
    let content_type = how.attributes.content_type.as_deref().unwrap_or("application/octet-stream");
    let content_type = HeaderValue::from_str(content_type)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a content type that is no header"))?;
    request.headers_mut().insert("content-type", content_type);
    let answer = if first.len() < SMALL {
        let folder = tree::folder_of(temp);
        *request.body_mut() = Some(first.into());
        let again = request.try_clone();
        let answer = dav.ask(request)?;
        match again.filter(|_| matches!(answer.status().as_u16(), 404 | 409)) {
            Some(again) => {
                forget(dav);
                make_folder(dav, folder)?;
                dav.ask(again)?
            }
            None => answer,
        }
    } else {
        // Some servers take nothing without a length.
        if let Some(size) = how.size {
            request.headers_mut().insert("content-length", HeaderValue::from(size));
        }
        stream(dav, request, first, intake, how.size)?
    };
    match answer.status().as_u16() {
        200 | 201 | 204 => Ok(()),
        _ => {
            forget(dav);
            Err(dav.refused(&answer))
        }
    }
}

fn forget(dav: &WebDav) {
    dav.folders.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Sends a body while it is read. An error of the reader breaks the request off, and so does a body that is not of the `size`
/// that was told.
fn stream(
    dav: &WebDav,
    mut request: reqwest::Request,
    first: Vec<u8>,
    intake: &mut Intake<'_>,
    size: Option<u64>,
) -> io::Result<Response> {
    let mut sent = 0;
    let mut sized = |piece: Vec<u8>| {
        sent += piece.len() as u64;
        match size {
            Some(size) if sent > size || (piece.is_empty() && sent < size) => {
                Err(altered("what was to be stored is not what it was said to be"))
            }
            _ => Ok(piece),
        }
    };
    let (pieces, arriving) = mpsc::channel::<io::Result<Bytes>>(4);
    let body = futures_util::stream::unfold(arriving, |mut arriving| async { Some((arriving.recv().await?, arriving)) });
    *request.body_mut() = Some(reqwest::Body::wrap_stream(body));
    let (client, host, policy) = (dav.client, dav.host.clone(), dav.policy.clone());
    let stall = policy.stall + Duration::from_secs(30);
    let has_length = request.headers().contains_key("content-length");
    block_on(async move {
        let request = tokio::spawn(async move { web::fetch(client, request, &policy, &host).await });
        let mut next = sized(first);
        let failed = loop {
            let piece = match next {
                Ok(piece) if piece.is_empty() => break None,
                Ok(piece) => piece,
                // Without a length it can end like any other, and then be deleted; else the server may finish it later.
                Err(e) if !has_length => break Some(e),
                Err(e) => {
                    drop(pieces.send(Err(io::Error::other("broken off"))).await);
                    return Err(e);
                }
            };
            match tokio::time::timeout(stall, pieces.send(Ok(piece.into()))).await {
                Ok(Ok(())) => {}
                // The server has answered before it had all; what it says counts.
                Ok(Err(_)) => break None,
                Err(_) => {
                    request.abort();
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the server takes nothing more"));
                }
            }
            next = intake.next(PIECE).and_then(&mut sized);
        };
        drop(pieces);
        let abort = request.abort_handle();
        let answer = tokio::time::timeout(ANSWER, request).await;
        match (failed, answer) {
            (Some(e), _) => Err(e),
            (None, Ok(answer)) => answer.map_err(io::Error::other)?,
            (None, Err(_)) => {
                abort.abort();
                Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to an upload"))
            }
        }
    })?
}

fn compare(dav: &WebDav, temp: &str, md5: Md5, size: u64) -> io::Result<()> {
    let there = dav.found(temp)?;
    if there.is_none_or(|there| there.size != Some(size)) {
        return Err(altered("what arrived is not what was sent"));
    }
    if dav.is_plain {
        let (mut content, mut digest) = (dav.content(temp, 0, None, None)?, md5::Md5::default());
        let mut buffer = vec![0; PIECE];
        loop {
            match content.read(&mut buffer)? {
                0 => break,
                n => digest.update(&buffer[..n]),
            }
        }
        if Md5(digest.finalize().into()) != md5 {
            return Err(altered("what arrived is not what was sent"));
        }
    }
    Ok(())
}

struct Publish<'a> {
    path: &'a str,
    if_absent: bool,
    is_there: bool,
    md5: Md5,
    size: u64,
}

/// Moves an upload to its place. Onto another object only where there is one under just that name: some servers take what stands
/// behind `?`, `#` or `;` in a name for something else, and would move it onto another one.
fn publish(dav: &WebDav, temp: &str, how: &Publish<'_>) -> io::Result<bool> {
    let target = dav.request("MOVE", how.path)?;
    let target = HeaderValue::from_str(target.url().as_str())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a name that no header can have"))?;
    let mut overwrite = how.is_there;
    let mut tries = dav.policy.begin();
    loop {
        let mut request = dav.request("MOVE", temp)?;
        request.headers_mut().insert("destination", target.clone());
        request.headers_mut().insert("overwrite", HeaderValue::from_static(if overwrite { "T" } else { "F" }));
        let answer = dav.ask(request)?;
        match answer.status().as_u16() {
            200 | 201 | 204 => break,
            412 if how.if_absent => return Ok(false),
            // Somebody else has put it there meanwhile.
            412 if !overwrite && dav.found(how.path)?.is_some() => overwrite = true,
            // Others move something there right now.
            423 => match tries.again(None) {
                Some(wait) => std::thread::sleep(wait),
                None => return Err(dav.refused(&answer)),
            },
            // The answer to a MOVE that was done may be lost, and then there is nothing to be moved again.
            404 if dav.found(temp)?.is_none() => return compare(dav, how.path, how.md5, how.size).map(|()| true),
            _ => return Err(dav.refused(&answer)),
        }
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "/-._~ ".contains(c);
    if !how.path.chars().all(is_plain) && dav.found(how.path)?.is_none_or(|there| there.size != Some(how.size)) {
        return Err(altered("the server has put it under another name"));
    }
    Ok(true)
}
