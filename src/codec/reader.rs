//! Reading a gzip file from its start to its end.

use super::header::Header;
use super::parts::{self, Inflated, Part, Parts};
use crate::parallel;
use std::io::{self, BufRead, Read};

/// Reads a gzip file with any number of members. Garbage after the last member and a truncated file are errors.
pub struct GzipReader<R> {
    source: Source<R>,
    content: Vec<u8>,
    at: usize,
    first: Header,
    last: Option<Header>,
    /// The offsets of the member whose content is being read, and of the next member.
    starts: (u64, u64),
}

/// The thread that inflates.
enum Source<R> {
    Own(Parts<R>),
    Others(Box<dyn Iterator<Item = io::Result<Inflated>> + Send>),
}

impl<R: BufRead> GzipReader<R> {
    /// Starts to read: the header and the content of the first member.
    ///
    /// # Errors
    /// If the input is empty, not gzip or can't be read.
    pub fn new(input: R) -> io::Result<GzipReader<R>> {
        let (first, parts) = Parts::new(input)?;
        GzipReader::start(first, Source::Own(parts))
    }

    /// Does what [`GzipReader::new`] does, but other threads read the input and inflate its members.
    ///
    /// # Errors
    /// Those of [`GzipReader::new`].
    pub fn ahead(input: R) -> io::Result<GzipReader<R>>
    where
        R: Send + 'static,
    {
        let (first, parts) = Parts::new(input)?;
        GzipReader::start(first, Source::Others(Box::new(parts::ahead(parts, parallel::processors()))))
    }

    fn start(first: Header, source: Source<R>) -> io::Result<GzipReader<R>> {
        let mut reader = GzipReader { source, content: Vec::new(), at: 0, last: None, first, starts: (0, 0) };
        reader.enter()?;
        Ok(reader)
    }

    /// Returns the header of the first member.
    pub fn first(&self) -> &Header {
        &self.first
    }

    /// Returns the header of the last member, after everything was read; None if it is not one of ours.
    pub fn last(&self) -> Option<&Header> {
        self.last.as_ref()
    }

    /// Returns the offset of the member whose content [`BufRead::fill_buf`] returned; None if it is not one of ours.
    pub fn member_start(&self) -> Option<u64> {
        self.last.is_some().then_some(self.starts.0)
    }

    /// Goes on to the next part. Returns whether there is one.
    fn enter(&mut self) -> io::Result<bool> {
        self.content.clear();
        self.at = 0;
        let next = match &mut self.source {
            Source::Own(parts) => parts.next().map(|part| part.and_then(Part::inflate)),
            Source::Others(contents) => contents.next(),
        };
        let Some(next) = next else { return Ok(false) };
        self.last = None;
        let Inflated { content, header } = next?;
        if let Some((member, _)) = header.as_ref().and_then(Header::lengths) {
            self.starts = (self.starts.1, self.starts.1 + u64::from(member));
        }
        (self.content, self.last) = (content, header);
        Ok(true)
    }
}

impl<R: BufRead> BufRead for GzipReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.content.len() && self.enter()? {}
        Ok(&self.content[self.at..])
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}
