//! Small files are read before their turn, several at a time, so that their md5s are computed at once.

use super::Task;
use crate::digest::{Md5, md5_of_each};
use crate::heap::read_up_to;
use crate::record::{Kind, Record};
use crate::source::{Opened, Source};
use crate::time::Time;

/// The largest file to read ahead, in bytes. The md5s of larger ones are not computed together.
const SMALL: u64 = 128 << 10;
/// The bytes that a worker reads ahead, unless there are more than 16 workers.
const ROOM: usize = 1 << 20;

/// A content that was read before its turn.
pub struct Ahead {
    pub opened: Opened,
    /// When it was opened.
    pub started: Time,
    pub content: Vec<u8>,
    pub md5: Md5,
}

/// Reads the small files of a task that have to be read in any case. A file that can't be read, or is not small any more, is left
/// for its turn.
pub fn read(source: &dyn Source, task: &Task, jobs: usize) -> Vec<Option<Ahead>> {
    let mut ahead: Vec<Option<Ahead>> = Vec::new();
    ahead.resize_with(task.len(), || None);
    // Each request to another storage takes long, and has to run beside others.
    if !source.is_folder() {
        return ahead;
    }
    let mut room = ROOM.min(16 * ROOM / jobs.max(1));
    for (place, item) in ahead.iter_mut().zip(task) {
        let Ok((record, None)) = item else { continue };
        let Some(size) = small(record).filter(|size| *size <= room) else { continue };
        *place = open(source, record);
        room -= size;
    }
    let contents: Vec<&[u8]> = ahead.iter().flatten().map(|ahead| &ahead.content[..]).collect();
    let digests = md5_of_each(&contents);
    ahead.iter_mut().flatten().zip(digests).for_each(|(ahead, md5)| ahead.md5 = md5);
    ahead
}

/// Returns the size of a file that has to be read, if it is small.
fn small(record: &Record) -> Option<usize> {
    let fields = record.fields();
    let size = fields.size.filter(|size| *size <= SMALL && record.kind() == Kind::File && fields.md5.is_none())?;
    usize::try_from(size).ok()
}

fn open(source: &dyn Source, record: &Record) -> Option<Ahead> {
    let started = Time::now();
    let mut opened = source.open(record).ok()?;
    let content = read_up_to(&mut opened.content, SMALL + 1, record.fields().size?).ok()?;
    (content.len() as u64 <= SMALL).then_some(Ahead { opened, started, content, md5: Md5([0; 16]) })
}
