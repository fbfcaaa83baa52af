//! Reading and writing files over SFTP.

use super::{STALL, Session, Sftp, is, reason, resumed};
use crate::storage::intake::{Intake, altered};
use crate::storage::runtime::block_on;
use crate::storage::store::{Body, Put};
use crate::storage::{traffic, tree};
use bytes::{Buf, BytesMut};
use openssh_sftp_client::error::{Error, SftpErrorKind};
use openssh_sftp_client::file::{File, TokioCompatFile};
use openssh_sftp_client::metadata::MetaData;
use std::io::{self, Read, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// The number of bytes of one request; servers accept no more.
const PIECE: u32 = 255 << 10;

/// Does what [`crate::storage::Store::open`] promises. After a broken connection, the file must have the same size and time.
pub fn open(root: &Sftp, path: String, from: u64, len: Option<u64>) -> io::Result<Box<dyn Read + Send>> {
    let (reader, found) = begin(root, &path, from)?;
    let size = found.len().ok_or_else(|| root.failed(io::ErrorKind::Unsupported, "the server does not say the file's size"))?;
    let end = len.map_or(size, |len| from.saturating_add(len).min(size));
    if from >= end {
        return Ok(Box::new(io::empty()));
    }
    // The reader has its own connection, because it can outlive the root.
    let reopening = Sftp { policy: root.policy.clone(), ..Sftp::new(root.url.clone(), root.root.clone(), root.login.clone()) };
    let policy = root.policy.clone();
    Ok(Box::new(resumed(reader, from, Some(end), policy, move |at| {
        let (reader, now) = begin(&reopening, &path, at)?;
        let time = |meta: &MetaData| meta.modified().map(|time| time.into_raw());
        match now.len() == found.len() && time(&now) == time(&found) {
            true => Ok(reader),
            false => Err(reopening.failed(io::ErrorKind::Other, "it has changed")),
        }
    })))
}

/// Returns a reader that starts at byte `from`, and the metadata of the open file.
fn begin(root: &Sftp, path: &str, from: u64) -> io::Result<(Box<dyn Read + Send>, MetaData)> {
    let opened = root.run(async |session| {
        let mut file = session.sftp.open(path).await?;
        let meta = file.metadata().await?;
        Ok((file, meta))
    })?;
    let (file, meta) = opened.map_err(|kind| root.refused(kind))?;
    if !is(&meta, |kind| kind.is_file()) {
        return Err(root.refused(SftpErrorKind::NoSuchFile));
    }
    let session = root.session()?;
    Ok((Box::new(Arriving { file, at: from, piece: BytesMut::new(), _session: session }), meta))
}

struct Arriving {
    file: File,
    at: u64,
    piece: BytesMut,
    _session: Arc<Session>,
}

impl Read for Arriving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let (file, at, buffer) = (&mut self.file, self.at, std::mem::take(&mut self.piece));
            let read = block_on(async {
                traffic::turn(0).await;
                // After a short piece, the library's position is that after a full piece.
                file.seek(SeekFrom::Start(at)).await?;
                let read = tokio::time::timeout(STALL, file.read(traffic::piece(PIECE as usize) as u32, buffer)).await;
                read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map_err(|e| io::Error::other(reason(&e)))
            })??;
            match read {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
            traffic::moved(self.piece.len());
            self.at += self.piece.len() as u64;
        }
        let n = into.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}

/// Does what [`crate::storage::Store::put`] promises, within the limits of [`Sftp`].
pub fn put(root: &Sftp, path: &str, body: Body<'_>, how: &Put) -> io::Result<bool> {
    refuse_folder(root, path)?;
    if how.if_absent && root.metadata(path)?.is_some() {
        return Ok(false);
    }
    let temp = tree::temp_beside(path);
    let done = write(root, &temp, &mut Intake::new(body), how).and_then(|size| publish(root, &temp, path, how.if_absent, size));
    if !matches!(done, Ok(true)) || how.if_absent {
        // If this fails, the name still shows that the file is a leftover.
        drop(root.run(async |session| session.sftp.fs().remove_file(&temp).await));
    }
    done
}

/// Refuses to replace a folder. A link to one can be replaced.
fn refuse_folder(root: &Sftp, path: &str) -> io::Result<()> {
    match root.run(async |session| session.sftp.fs().symlink_metadata(path).await)? {
        Ok(there) if is(&there, |kind| kind.is_dir()) => {
            Err(root.failed(io::ErrorKind::IsADirectory, "there is a folder of that name"))
        }
        Ok(_) | Err(SftpErrorKind::NoSuchFile) => Ok(()),
        Err(kind) => Err(root.refused(kind)),
    }
}

/// Does what [`crate::storage::Store::put_link`] promises.
pub fn put_link(root: &Sftp, path: &str, target: &[u8]) -> io::Result<()> {
    let not_utf8 = |_| io::Error::new(io::ErrorKind::InvalidInput, "the target is not UTF-8, and can't be used over SFTP");
    let text = std::str::from_utf8(target).map_err(not_utf8)?;
    refuse_folder(root, path)?;
    let temp = tree::temp_beside(path);
    let make = async |session: &Session| session.sftp.fs().symlink(text, &temp).await;
    let mut made = root.run(make)?;
    // Many servers only say that it failed if there is no such folder.
    if made.is_err() {
        make_folder(root, tree::folder_of(path))?;
        made = root.run(make)?;
    }
    made.map_err(|kind| root.refused(kind))?;
    let placed = rename(root, &temp, path).and_then(|()| match root.target(path)? {
        Ok(there) if there == target => Ok(()),
        _ => {
            let reason = "the server claims to have put the link in its place, but it is not there";
            Err(root.failed(io::ErrorKind::InvalidData, reason))
        }
    });
    if placed.is_err() {
        drop(root.run(async |session| session.sftp.fs().remove_file(&temp).await));
    }
    placed
}

/// Renames a link, and replaces the one that is there.
fn rename(root: &Sftp, temp: &str, path: &str) -> io::Result<()> {
    let rename = async |session: &Session| session.sftp.fs().rename(temp, path).await;
    let mut renamed = root.run(rename)?;
    // Without the extension of OpenSSH, renaming never replaces anything.
    if renamed.is_err() && !root.session()?.sftp.support_posix_rename() {
        // If there is nothing to remove, it fails again.
        let _ = root.run(async |session| session.sftp.fs().remove_file(path).await)?;
        renamed = root.run(rename)?;
    }
    renamed.map_err(|kind| root.refused(kind))
}

/// Writes and syncs a new file. Returns its size.
fn write(root: &Sftp, temp: &str, intake: &mut Intake<'_>, how: &Put) -> io::Result<u64> {
    let create = async |session: &Session| session.sftp.options().write(true).create_new(true).open(temp).await;
    let mut created = root.run(create)?;
    if matches!(created, Err(SftpErrorKind::NoSuchFile)) {
        make_folder(root, tree::folder_of(temp))?;
        created = root.run(create)?;
    }
    let session = root.session()?;
    let file = created.map_err(|kind| root.refused(kind))?;
    match session.sftp.support_fsync() {
        true => send_ahead(root, file, intake)?,
        false => send_and_close(root, file, intake)?,
    }
    let (_, count) = intake.check(how)?;
    match root.metadata(temp)?.and_then(|there| there.len()) {
        Some(size) if size == count => Ok(size),
        _ => Err(altered("what arrived is not what was sent")),
    }
}

/// Waits for work that may take the server a long time.
fn finished(root: &Sftp, work: impl Future<Output = Result<(), Error>>) -> io::Result<()> {
    let failed = |text: String| root.failed(io::ErrorKind::Other, &text);
    let done = block_on(async { tokio::time::timeout(STALL * 5, work).await })?;
    done.map_err(|_| failed("no answer".to_string()))?.map_err(|e| failed(reason(&e)))
}

/// Sends a content without waiting for each answer, and syncs the file. The library closes it some time later, which is good
/// enough, because a synced file is complete.
fn send_ahead(root: &Sftp, file: File, intake: &mut Intake<'_>) -> io::Result<()> {
    let mut file = Box::pin(TokioCompatFile::new(file));
    loop {
        let piece = intake.next(traffic::piece(PIECE as usize))?;
        let last = piece.is_empty();
        block_on(async {
            traffic::turn(piece.len()).await;
            let send = async {
                match last {
                    true => file.flush().await,
                    false => file.write_all(&piece).await,
                }
            };
            tokio::time::timeout(STALL, send).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        })??;
        if last {
            return finished(root, async { file.as_mut().as_mut_file().sync_all().await });
        }
    }
}

/// Sends a content piece by piece, and closes the file. A server that can't sync may complete a file only when it is closed, and
/// can't move or delete it before.
fn send_and_close(root: &Sftp, mut file: File, intake: &mut Intake<'_>) -> io::Result<()> {
    let sent = loop {
        match intake.next(traffic::piece(PIECE as usize)) {
            Ok(piece) if piece.is_empty() => break Ok(()),
            Ok(piece) => match block_on(traffic::turn(piece.len())).and_then(|()| finished(root, file.write_all(&piece))) {
                Ok(()) => {}
                failed => break failed,
            },
            Err(e) => break Err(e),
        }
    };
    let closed = finished(root, file.close());
    sent.and(closed)
}

/// Creates a folder and the folders above it.
fn make_folder(root: &Sftp, folder: &str) -> io::Result<()> {
    if folder.is_empty() {
        return Ok(());
    }
    let make = async |session: &Session| session.sftp.fs().create_dir(folder).await;
    let mut made = root.run(make)?;
    if matches!(made, Err(SftpErrorKind::NoSuchFile)) {
        make_folder(root, tree::folder_of(folder))?;
        made = root.run(make)?;
    }
    match made {
        Ok(()) => Ok(()),
        // If the folder exists, servers only report a failure.
        Err(kind) => match root.metadata(folder)? {
            Some(found) if is(&found, |kind| kind.is_dir()) => Ok(()),
            _ => Err(root.refused(kind)),
        },
    }
}

/// Moves an upload to its place, and checks that it is there: some servers report success although they did nothing.
fn publish(root: &Sftp, temp: &str, path: &str, if_absent: bool, size: u64) -> io::Result<bool> {
    if if_absent {
        if let Some(done) = link(root, temp, path, size)? {
            return Ok(done);
        }
        if root.metadata(path)?.is_some() {
            return Ok(false);
        }
    }
    let rename = async |session: &Session| session.sftp.fs().rename(temp, path).await;
    let mut renamed = root.run(rename)?;
    // Without the extension of OpenSSH, renaming never replaces a file.
    if renamed.is_err() && !root.session()?.sftp.support_posix_rename() && root.metadata(path)?.is_some() {
        if if_absent {
            return Ok(false);
        }
        root.run(async |session| session.sftp.fs().remove_file(path).await)?.map_err(|kind| root.refused(kind))?;
        renamed = root.run(rename)?;
    }
    match renamed {
        Ok(()) => {}
        // Perhaps the answer to a successful request was lost: then the next request finds nothing to rename.
        Err(SftpErrorKind::NoSuchFile) if root.metadata(temp)?.is_none() => {}
        Err(kind) => return Err(root.refused(kind)),
    }
    match root.metadata(path)? {
        Some(there) if there.len() == Some(size) => Ok(true),
        // Another writer put its file there at the same moment.
        Some(_) if if_absent => Ok(false),
        _ => {
            let reason = "the server claims to have put the file in its place, but it is not there";
            Err(root.failed(io::ErrorKind::InvalidData, reason))
        }
    }
}

/// Makes a hard link to an upload under its name, if the name is free. None if the server does not support hard links.
fn link(root: &Sftp, temp: &str, path: &str, size: u64) -> io::Result<Option<bool>> {
    if root.lies_about_links.load(Ordering::Relaxed) || !root.session()?.sftp.support_hardlink() {
        return Ok(None);
    }
    match root.run(async |session| session.sftp.fs().hard_link(temp, path).await)? {
        Ok(()) if root.is_there(path, size)? => Ok(Some(true)),
        Ok(()) => {
            let is_none = root.metadata(path)?.is_none();
            root.lies_about_links.fetch_or(is_none, Ordering::Relaxed);
            Ok(None)
        }
        Err(_) if root.metadata(path)?.is_some() => Ok(Some(false)),
        // The file system has no hard links.
        Err(SftpErrorKind::Failure | SftpErrorKind::OpUnsupported) => Ok(None),
        Err(kind) => Err(root.refused(kind)),
    }
}
