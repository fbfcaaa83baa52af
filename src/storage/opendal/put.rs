//! Contents into a bucket, in parts where they are long.

use super::{Bucket, Kind};
use crate::digest::Md5;
use crate::etag;
use crate::storage::intake::{Intake, altered};
use crate::storage::runtime::block_on;
use crate::storage::store::{Attributes, Body, Put};
use crate::storage::web::base64_md5;
use opendal::options::WriteOptions;
use opendal::raw::OpWrite;
use opendal::raw::oio::{WriteDyn, Writer};
use opendal::{Buffer, ErrorKind, Metadata};
use sha2::Digest;
use std::io;

/// The least bytes of a part.
const PART: usize = 8 << 20;
/// A service takes so many parts.
const PARTS: u64 = 10_000;

/// Does what [`crate::storage::Store::put`] promises. An upload in parts that fails is taken back, and so is an object that turns
/// out to be not what was sent.
pub fn put(bucket: &Bucket, name: &str, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
    let mut intake = Intake::new(body);
    let mut sizes = part_sizes(how.size);
    let first = intake.next(sizes.next().unwrap_or(PART))?;
    let second = intake.next(sizes.next().unwrap_or(PART))?;
    let in_parts = !second.is_empty();
    if first.is_empty() && name.ends_with('/') {
        let reason = "a name that ends with / is that of a folder where it has no content";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let mut options = options(&how.attributes)?;
    options.if_not_exists = how.if_absent;
    if in_parts {
        // Before all of it is sent in vain; and where GCS is to replace an object in parts, it keeps an md5 of it only if it is
        // told which one.
        let there = bucket.service.stat_dyn(&bucket.context, name, Default::default());
        match block_on(there)? {
            Ok(_) if how.if_absent => return Ok(false),
            Ok(there) if bucket.kind == Kind::Gcs => {
                options.if_version_match = there.into_metadata().version().map(str::to_string);
            }
            Err(e) if e.kind() == ErrorKind::NotFound && bucket.kind == Kind::Gcs => options.if_not_exists = true,
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(bucket.failed(&e)),
            _ => {}
        }
    }
    let (args, _) = OpWrite::from_options(&bucket.service.capability_dyn(), options).map_err(|e| bucket.failed(&e))?;
    let mut writer = bucket.service.write_dyn(&bucket.context, name, args).map_err(|e| bucket.failed(&e))?;
    let mut etags = Etags::default();
    let sent = send(bucket, &mut writer, &mut intake, [first, second], sizes, &mut etags).and_then(|()| intake.check(how));
    let (md5, size) = match sent {
        Ok(told) => told,
        Err(e) => {
            abort(&mut writer);
            return Err(e);
        }
    };
    let told = match block_on(writer.close_dyn())? {
        Ok(told) => Some(told),
        Err(e) if e.kind() == ErrorKind::ConditionNotMatch && how.if_absent => {
            abort(&mut writer);
            return Ok(false);
        }
        // Two finish at once. If that lasts, the other has won or will.
        Err(e) if e.kind() == ErrorKind::Conflict && how.if_absent && bucket.stat_name(name, key)?.is_some() => {
            abort(&mut writer);
            return Ok(false);
        }
        // The answer to an upload that was finished may be lost, and then there is none to be finished again. Or there is no
        // bucket.
        Err(e) if e.kind() == ErrorKind::NotFound && in_parts && bucket.stat_name(name, key)?.is_some() => None,
        Err(e) => {
            abort(&mut writer);
            let e = bucket.failed_whole(&e);
            // The service has taken what it should not have: the transport has seen the etag.
            if e.kind() == io::ErrorKind::InvalidData && !in_parts {
                bucket.delete_names(&[name])?;
            }
            return Err(e);
        }
    };
    let expected = Expected { md5, size, etag: in_parts.then(|| etags.whole()) };
    verify(bucket, name, key, told.as_ref(), &expected)
}

/// Sends all parts but what [`WriteDyn::close_dyn`] sends.
fn send(
    bucket: &Bucket,
    writer: &mut Writer,
    intake: &mut Intake<'_>,
    begun: [Vec<u8>; 2],
    mut sizes: impl Iterator<Item = usize>,
    etags: &mut Etags,
) -> io::Result<()> {
    let mut begun = begun.into_iter();
    loop {
        let part = match begun.next() {
            Some(part) => part,
            None => intake
                .next(sizes.next().ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "too long for this storage"))?)?,
        };
        if part.is_empty() {
            return Ok(());
        }
        etags.add(&part);
        block_on(writer.write_dyn(Buffer::from(part)))?.map_err(|e| bucket.failed_whole(&e))?;
    }
}

fn abort(writer: &mut Writer) {
    // What can't be taken back is not visible, and the service drops it by its own rules.
    drop(block_on(writer.abort_dyn()));
}

struct Expected {
    md5: Md5,
    size: u64,
    /// What S3 calls an object of these parts.
    etag: Option<String>,
}

/// Compares what is there now with what was sent.
fn verify(bucket: &Bucket, name: &str, key: &[u8], told: Option<&Metadata>, expected: &Expected) -> io::Result<bool> {
    // The answer of GCS speaks of the object as it has it.
    if let Some(md5) = told.and_then(Metadata::content_md5).filter(|_| bucket.kind == Kind::Gcs).and_then(base64_md5) {
        if md5 == expected.md5 {
            return Ok(true);
        }
        bucket.delete_names(&[name])?;
        return Err(altered("what arrived is not what was sent"));
    }
    let Some(there) = bucket.stat_name(name, key)? else {
        return Err(altered("what was sent is not there"));
    };
    let same_md5 = there.md5.is_none_or(|md5| md5 == expected.md5);
    if there.size == expected.size && same_md5 {
        // Without an answer to the upload the object has to be this one, and not one that was there before.
        let is_ours = |etag: &str| expected.etag.as_deref().is_some_and(|ours| etag::same(ours, etag));
        if told.is_some() || there.etag.as_deref().is_some_and(is_ours) {
            return Ok(true);
        }
        return Err(io::Error::other("the upload was lost"));
    }
    if let Some(told) = told {
        // What others have put there since is not ours to judge, nor to delete.
        if let (Some(ours), Some(theirs)) = (told.etag(), there.etag.as_deref())
            && !etag::same(ours, theirs)
        {
            return Ok(true);
        }
        bucket.delete_names(&[name])?;
    }
    Err(altered("what arrived is not what was sent"))
}

/// The etag that S3 gives to an object of parts: the md5 of their md5s, and how many they are.
#[derive(Default)]
struct Etags {
    md5s: md5::Md5,
    count: u64,
}

impl Etags {
    fn add(&mut self, part: &[u8]) {
        self.md5s.update(crate::digest::md5_of(part).0);
        self.count += 1;
    }

    fn whole(self) -> String {
        format!("{}-{}", Md5(self.md5s.finalize().into()), self.count)
    }
}

/// The sizes of parts, in bytes: all the same where the size of all is known, else growing, so that they suffice for 472 GB.
fn part_sizes(size: Option<u64>) -> Box<dyn Iterator<Item = usize>> {
    const MIB: u64 = 1 << 20;
    match size {
        Some(size) => {
            let each = size.div_ceil(PARTS).next_multiple_of(MIB).max(PART as u64);
            let each = usize::try_from(each).unwrap_or(usize::MAX);
            Box::new(std::iter::repeat_n(each, PARTS as usize))
        }
        None => Box::new((0..PARTS).map(|n| match n {
            0..1000 => PART,
            1000..2000 => 2 * PART,
            2000..4000 => 4 * PART,
            _ => 8 * PART,
        })),
    }
}

/// What the library can send along. There is no way for `content-language`, nor for `content-disposition` to GCS.
fn options(attributes: &Attributes) -> io::Result<WriteOptions> {
    let header = |name: &str| attributes.headers.get(name).cloned();
    let metadata = &attributes.metadata;
    // More than any service takes; the library panics at 65,535.
    if metadata.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() > 16 << 10 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "metadata of more than 16 KiB"));
    }
    Ok(WriteOptions {
        content_type: Some(attributes.content_type.clone().unwrap_or_else(|| "application/octet-stream".to_string())),
        content_encoding: header("content-encoding"),
        content_disposition: header("content-disposition"),
        cache_control: header("cache-control"),
        user_metadata: (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect()),
        concurrent: 2,
        ..WriteOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_suffice_for_what_is_to_be_sent() {
        for size in [0, 1, 8 << 20, 80 << 30, 1 << 40, 5 << 40] {
            let sizes: Vec<_> = part_sizes(Some(size)).collect();
            assert!(sizes.iter().map(|s| *s as u64).sum::<u64>() >= size && sizes.len() <= 10_000);
            assert!(sizes.iter().all(|s| *s == sizes[0] && *s >= PART && *s <= 5 << 30));
        }
        assert_eq!(part_sizes(Some(80 << 30)).next(), Some(9 << 20));
        assert!(part_sizes(None).map(|s| s as u64).sum::<u64>() > 470_000_000_000);
        assert_eq!((part_sizes(None).next(), part_sizes(None).count()), (Some(PART), 10_000));
    }

    #[test]
    fn etags_of_parts_are_those_of_s3() {
        let mut etags = Etags::default();
        etags.add(&[0; 5 << 20]);
        etags.add(&[0; 1 << 20]);
        assert_eq!(etags.whole(), "b7992ce8540773fdfcab72bd0e8c4c64-2");
    }
}
