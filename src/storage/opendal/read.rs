//! Contents of a bucket as blocking readers.

use super::Bucket;
use crate::display::printable;
use crate::etag;
use crate::storage::resume::resumed;
use crate::storage::retry::Policy;
use crate::storage::runtime::block_on;
use opendal::options::ReadOptions;
use opendal::raw::oio::{ReadDyn, ReadStreamDyn};
use opendal::raw::{OpRead, OpReader};
use opendal::{Buffer, BytesRange, ErrorKind};
use std::io::{self, Read};

/// Opens what [`crate::storage::Store::open`] promises. What is read after a break is that of the same version.
pub fn open(bucket: &Bucket, name: String, from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
    if len == Some(0) {
        return Ok(Box::new(io::empty()));
    }
    let end = len.map(|len| from.saturating_add(len));
    let Some((reader, found)) = begin(bucket, &name, from, end, etag)? else { return Ok(Box::new(io::empty())) };
    let bucket = bucket.clone();
    Ok(Box::new(resumed(reader, from, None, Policy::default(), move |at| {
        let Some(found) = &found else { return Err(io::Error::other("the connection broke")) };
        if end.is_some_and(|end| at >= end) {
            return Ok(Box::new(io::empty()));
        }
        match begin(&bucket, &name, at, end, Some(found))? {
            Some((reader, _)) => Ok(reader),
            None => Ok(Box::new(io::empty())),
        }
    })))
}

type Begun = (Box<dyn Read + Send>, Option<String>);

/// One request, and the etag of what it reads; None behind the end.
fn begin(bucket: &Bucket, name: &str, from: u64, end: Option<u64>, etag: Option<&str>) -> io::Result<Option<Begun>> {
    let range = match end {
        Some(end) => BytesRange::from(from..end),
        None => BytesRange::from(from..),
    };
    let options = ReadOptions { if_match: etag.and_then(etag::condition), ..ReadOptions::default() };
    let (_, args, _): (BytesRange, OpRead, OpReader) = options.into();
    let opened = block_on(async {
        let reader = bucket.plain.read_dyn(&bucket.context, name, args)?;
        reader.open_dyn(range).await
    })?;
    match opened {
        Ok((told, stream)) => {
            let found = told.metadata().and_then(|meta| meta.etag()).map(str::to_string);
            // A condition that can't be asked for, or was not heard.
            if etag.is_some_and(|etag| !found.as_deref().is_some_and(|found| etag::same(found, etag))) {
                return Err(etag::changed(&printable(bucket.url.as_bytes())));
            }
            Ok(Some((Box::new(Arriving { bucket: bucket.clone(), stream, chunk: Buffer::new() }), found)))
        }
        Err(e) if e.kind() == ErrorKind::RangeNotSatisfied => Ok(None),
        Err(e) => Err(bucket.failed(&e)),
    }
}

struct Arriving {
    bucket: Bucket,
    stream: Box<dyn ReadStreamDyn>,
    chunk: Buffer,
}

impl Read for Arriving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            self.chunk = block_on(self.stream.read_dyn())?.map_err(|e| self.bucket.failed(&e))?;
        }
        let n = into.len().min(self.chunk.len());
        let mut at = 0;
        for piece in self.chunk.slice(..n) {
            into[at..at + piece.len()].copy_from_slice(&piece);
            at += piece.len();
        }
        self.chunk = self.chunk.slice(n..);
        Ok(n)
    }
}
