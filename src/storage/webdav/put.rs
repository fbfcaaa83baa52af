//! Uploads to a WebDAV server: under a temporary name first, then compared, then moved.

use super::WebDav;
use super::compare::{compare, is_there};
use super::publish::publish;
use crate::digest::Md5;
use crate::error::named;
use crate::parallel::lock;
use crate::storage::intake::Intake;
use crate::storage::retry::may_pass;
use crate::storage::runtime::block_on;
use crate::storage::store::{Body, Put};
use crate::storage::{traffic, tree, web};
use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Request, Response, StatusCode};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;
use tokio::sync::mpsc;

/// The number of bytes of a piece of a stream; at most four pieces wait to be sent.
const PIECE: usize = 256 << 10;

/// The size in bytes up to which contents are held in memory. Longer ones go to a temporary file. Both can be sent again.
const SMALL: usize = 4 << 20;

/// Does what [`crate::storage::Store::put`] promises, within the limits of [`WebDav`].
pub fn put(dav: &WebDav, key: &str, body: Body<'_>, how: &Put) -> io::Result<bool> {
    // Some servers remove control characters, others replace them by symbols.
    if key.contains(char::is_control) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "WebDAV servers take no names with control characters"));
    }
    let path = dav.path(key);
    let is_there = match dav.found(&path)? {
        // A MOVE would replace the folder and all that is in it.
        Some(there) if there.is_folder == Some(true) => {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "there is a folder of that name"));
        }
        Some(_) if how.if_absent => return Ok(false),
        there => there.is_some(),
    };
    let mut intake = Intake::new(body);
    let first = intake.next(SMALL)?;
    // If another client has deleted a known folder, the upload fails once, and the folder is then created.
    make_folder(dav, tree::folder_of(&path))?;
    let temp = tree::temp_beside(&path);
    let content = match first.len() < SMALL {
        true => Upload::Small(first.into()),
        false => Upload::File(spooled(&first, &mut intake)?),
    };
    let (md5, size) = intake.check(how)?;
    if dav.moves.are_refused() {
        return put_directly(dav, &path, &content, (md5, size), is_there, how);
    }
    let done = upload(dav, &temp, &content, size, how).and_then(|()| {
        compare(dav, &temp, md5, size)?;
        publish(dav, &temp, &path, how.if_absent, is_there, (md5, size))
    });
    if !matches!(done, Ok(true)) {
        // If this fails, the name still shows that the file is a leftover.
        drop(dav.remove(&temp));
    }
    match done {
        Err(_) if dav.moves.are_refused() => put_directly(dav, &path, &content, (md5, size), is_there, how),
        done => done,
    }
}

/// Puts an upload under its name, on a server that can't move it there. The name was looked up just before.
fn put_directly(
    dav: &WebDav,
    path: &str,
    content: &Upload,
    (md5, size): (Md5, u64),
    is_there_now: bool,
    how: &Put,
) -> io::Result<bool> {
    let done = upload(dav, path, content, size, how)
        .and_then(|()| compare(dav, path, md5, size))
        .and_then(|()| is_there(dav, path, size, "to have put it there"));
    if done.is_err() && !is_there_now {
        // What is there now is not whole.
        drop(dav.remove(path));
    }
    done.map(|()| true)
}

/// Creates a folder and the folders above it.
fn make_folder(dav: &WebDav, folder: &str) -> io::Result<()> {
    let known = || lock(&dav.folders);
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
        // 405: there is a folder already.
        200 | 201 | 204 | 405 => {
            dav.made(status)?;
            known().insert(folder.to_string());
            Ok(())
        }
        // If the server's root is below this folder, the server refuses to create the folder, although it exists.
        _ if dav.found(&path)?.is_some_and(|found| found.is_folder == Some(true)) => {
            known().insert(folder.to_string());
            Ok(())
        }
        _ => Err(dav.refused(&status)),
    }
}

/// A content that can be sent again.
enum Upload {
    Small(Bytes),
    File(File),
}

/// Writes a large content to a temporary file: servers require its length first, and after a broken connection it is sent again.
fn spooled(first: &[u8], intake: &mut Intake<'_>) -> io::Result<File> {
    let what = |e: io::Error| named(&crate::files::temporaries(), &e);
    let mut file = tempfile::tempfile().map_err(what)?;
    file.write_all(first).map_err(what)?;
    loop {
        let piece = intake.next(PIECE)?;
        if piece.is_empty() {
            return Ok(file);
        }
        file.write_all(&piece).map_err(what)?;
    }
}

fn upload(dav: &WebDav, path: &str, content: &Upload, size: u64, how: &Put) -> io::Result<()> {
    let content_type = how.attributes.content_type.as_deref().unwrap_or("application/octet-stream");
    let content_type = HeaderValue::from_str(content_type)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a content type that is no header"))?;
    let send = || {
        let mut request = dav.request("PUT", path)?;
        request.headers_mut().insert("content-type", content_type.clone());
        match content {
            Upload::Small(bytes) => {
                *request.body_mut() = Some(bytes.clone().into());
                dav.ask(request)
            }
            Upload::File(file) => {
                request.headers_mut().insert("content-length", HeaderValue::from(size));
                stream(dav, &request, file)
            }
        }
    };
    let mut answer = send()?;
    if matches!(answer.status().as_u16(), 404 | 409) {
        forget(dav);
        make_folder(dav, tree::folder_of(path))?;
        answer = send()?;
    }
    match answer.status().as_u16() {
        200 | 201 | 204 => dav.made(answer),
        _ => {
            forget(dav);
            Err(dav.refused(&answer))
        }
    }
}

fn forget(dav: &WebDav) {
    lock(&dav.folders).clear();
}

/// Sends a file, and sends it again as long as that may help.
fn stream(dav: &WebDav, request: &Request, mut file: &File) -> io::Result<Response> {
    let mut tries = dav.policy.begin();
    let mut rounds = 0;
    loop {
        file.seek(SeekFrom::Start(0))?;
        // The request has no body yet.
        let mut signed = request.try_clone().ok_or_else(|| io::Error::other("a request that can't be sent again"))?;
        let sent = dav.login.sign(&mut signed)?;
        let (asked, failed) = match stream_once(dav, signed, file) {
            Ok(answer) if dav.login.learns(&answer, &sent, rounds) => {
                rounds += 1;
                continue;
            }
            Ok(answer) if !may_pass(answer.status().as_u16()) && answer.status() != StatusCode::LOCKED => return Ok(answer),
            Ok(answer) => (web::asked_wait(&answer), Ok(answer)),
            Err(e) => (None, Err(e)),
        };
        match tries.again(asked) {
            Some(wait) => std::thread::sleep(wait),
            None => return failed,
        }
    }
}

fn stream_once(dav: &WebDav, mut request: Request, file: &File) -> io::Result<Response> {
    let (pieces, arriving) = mpsc::channel::<io::Result<Bytes>>(4);
    let body = futures_util::stream::unfold(arriving, |mut arriving| async { Some((arriving.recv().await?, arriving)) });
    *request.body_mut() = Some(reqwest::Body::wrap_stream(body));
    let (client, host, policy) = (dav.client, dav.host.clone(), dav.policy.clone());
    let (stall, finish) = (policy.stall + Duration::from_secs(30), policy.finish);
    block_on(async move {
        let request = tokio::spawn(async move { web::fetch(client, request, &policy, &host).await });
        loop {
            let mut piece = Vec::new();
            file.take(traffic::piece(PIECE) as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                break;
            }
            traffic::turn(piece.len()).await;
            match tokio::time::timeout(stall, pieces.send(Ok(piece.into()))).await {
                Ok(Ok(())) => {}
                // The server has answered before it received the whole body. Its answer counts.
                Ok(Err(_)) => break,
                Err(_) => {
                    request.abort();
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the server accepts no more data"));
                }
            }
        }
        drop(pieces);
        let abort = request.abort_handle();
        // The server may send the upload to another server first.
        match tokio::time::timeout(finish, request).await {
            Ok(answer) => answer.map_err(io::Error::other)?,
            Err(_) => {
                abort.abort();
                Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to an upload"))
            }
        }
    })?
}
