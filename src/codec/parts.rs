//! The parts of a gzip file. Our own members are given as they stand in the file, so that several can be inflated at once.

use super::header::{Header, read_header};
use super::{inflate_slowly, inflate_whole, invalid};
use crate::parallel::{self, Tasks, Weigh};
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, Chain, Cursor, Read};

/// The largest member that is read as a whole, in bytes. Our own members are at most a sixteenth as long.
const MEMBER_LIMIT: u32 = 16 << 20;
/// The number of bytes that flate2 inflates at once.
const PIECE: usize = 256 << 10;
/// The number of members in a task, if they are small.
const TASK: usize = 64;

/// The parts of a gzip file with any number of members, in their order.
pub struct Parts<R> {
    state: State<R>,
    /// The header that was read last, if its member was not.
    header: Option<Header>,
}

/// Our own members are read as a whole. From the first member without our extra field on, flate2 reads the rest.
enum State<R> {
    Members(R),
    Stream(Box<MultiGzDecoder<Chain<Cursor<Vec<u8>>, R>>>),
    Done,
}

/// The next part of a gzip file.
pub enum Part {
    /// One of our own members, whole, and the length of its content.
    Member(Header, Vec<u8>, u32),
    /// The next bytes of the content of other members.
    Content(Vec<u8>),
}

/// The content of a part.
pub struct Inflated {
    /// The content.
    pub content: Vec<u8>,
    /// The header, if the part is one of our own members.
    pub header: Option<Header>,
}

impl<R: BufRead> Parts<R> {
    /// Reads the header of the first member.
    ///
    /// # Errors
    /// If the input is empty, not gzip or can't be read.
    pub fn new(mut input: R) -> io::Result<(Header, Parts<R>)> {
        let header = read_header(&mut input)?.ok_or_else(|| invalid("it is empty, not gzip"))?;
        Ok((header.clone(), Parts { state: State::Members(input), header: Some(header) }))
    }

    fn read(&mut self) -> io::Result<Option<Part>> {
        // After an error nothing follows.
        match std::mem::replace(&mut self.state, State::Done) {
            State::Members(mut input) => {
                let header = match self.header.take() {
                    None => read_header(&mut input)?,
                    header => header,
                };
                let Some(header) = header else { return Ok(None) };
                match header.lengths().filter(|(member, content)| *member.max(content) <= MEMBER_LIMIT) {
                    Some((member, content)) => {
                        let whole = whole(&mut input, &header, member as usize)?;
                        self.state = State::Members(input);
                        Ok(Some(Part::Member(header, whole, content)))
                    }
                    None => {
                        self.state = State::Stream(Box::new(MultiGzDecoder::new(Cursor::new(header.bytes).chain(input))));
                        // Also if the rest has no content, the last member of the file is none of ours.
                        Ok(Some(Part::Content(Vec::new())))
                    }
                }
            }
            State::Stream(decoder) => self.piece(decoder),
            State::Done => Ok(None),
        }
    }

    fn piece(&mut self, mut decoder: Box<MultiGzDecoder<Chain<Cursor<Vec<u8>>, R>>>) -> io::Result<Option<Part>> {
        let mut content = vec![0; PIECE];
        let n = decoder.read(&mut content)?;
        content.truncate(n);
        // The last piece is empty: it tells that the file does not end with one of our own members.
        if !content.is_empty() {
            self.state = State::Stream(decoder);
        }
        Ok(Some(Part::Content(content)))
    }
}

/// Reads the rest of a member of this length. Returns the whole.
fn whole(input: &mut impl BufRead, header: &Header, len: usize) -> io::Result<Vec<u8>> {
    let start = header.bytes.len();
    if len < start {
        return Err(invalid("a gzip member of a wrong length"));
    }
    let mut whole = header.bytes.clone();
    whole.resize(len, 0);
    // One read of all of it. Other ways to fill a vector begin with 8 KiB.
    input.read_exact(&mut whole[start..]).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(e.kind(), "it is cut off"),
        _ => e,
    })?;
    Ok(whole)
}

impl<R: BufRead> Iterator for Parts<R> {
    type Item = io::Result<Part>;

    fn next(&mut self) -> Option<io::Result<Part>> {
        self.read().transpose()
    }
}

impl Part {
    /// Inflates the part.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn inflate(self) -> io::Result<Inflated> {
        match self {
            Part::Member(header, whole, size) => {
                let size = size as usize;
                let content = inflate_whole(&whole, size).or_else(|| inflate_slowly(&whole, size));
                let content = content.ok_or_else(|| invalid("a damaged gzip member"))?;
                Ok(Inflated { content, header: Some(header) })
            }
            Part::Content(content) => Ok(Inflated { content, header: None }),
        }
    }
}

impl Weigh for Part {
    fn weight(&self) -> usize {
        match self {
            Part::Member(_, whole, size) => whole.len() + *size as usize,
            Part::Content(content) => content.len(),
        }
    }
}

/// Returns the contents of these parts, which this number of other threads inflate and another one reads.
pub fn ahead<R: BufRead + Send + 'static>(
    parts: Parts<R>,
    jobs: usize,
) -> impl Iterator<Item = io::Result<Inflated>> + Send + use<R> {
    let inflate = |task: Vec<io::Result<Part>>| task.into_iter().map(|part| part?.inflate()).collect::<Vec<_>>();
    parallel::ordered_map(Tasks::new(parts, TASK), jobs, jobs + 1, inflate).flatten()
}
