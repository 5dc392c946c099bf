//! The fields of frames: how values are written, and read again.
//!
//! The helper compiles this file too.

use super::carrier::{Blob, Name};
use std::io;

pub(super) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed")
}

pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// What was written.
    pub(super) fn frame(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn kind(&mut self, kind: u8) -> &mut Self {
        self.0.push(kind);
        self
    }

    pub(super) fn length(&mut self, length: usize) -> &mut Self {
        self.0.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            None => self.kind(0),
            Some(bytes) => self.kind(1).bytes(bytes),
        }
    }

    pub(super) fn name(&mut self, name: &Name) -> &mut Self {
        self.0.extend_from_slice(&name.0);
        self
    }

    pub(super) fn blob(&mut self, blob: &Blob) -> &mut Self {
        self.0.extend_from_slice(&blob.digest);
        self.0.extend_from_slice(&blob.size.to_le_bytes());
        self
    }

    pub(super) fn blobs(&mut self, blobs: &[Blob]) -> &mut Self {
        self.length(blobs.len());
        blobs.iter().fold(self, |out, blob| out.blob(blob))
    }
}

pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self(frame)
    }

    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| malformed())
    }

    pub(super) fn byte(&mut self) -> io::Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn length(&mut self) -> io::Result<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| malformed())
    }

    pub(super) fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = self.length()?;
        self.take(length).map(<[u8]>::to_vec)
    }

    pub(super) fn text(&mut self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }

    pub(super) fn optional(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.bytes().map(Some),
            _ => Err(malformed()),
        }
    }

    pub(super) fn name(&mut self) -> io::Result<Name> {
        self.array().map(Name)
    }

    pub(super) fn blob(&mut self) -> io::Result<Blob> {
        Ok(Blob { digest: self.array()?, size: u64::from_le_bytes(self.array()?) })
    }

    pub(super) fn blobs(&mut self) -> io::Result<Vec<Blob>> {
        let count = self.length()?;
        (0..count).map(|_| self.blob()).collect()
    }

    pub(super) fn end(&self) -> io::Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(malformed()) }
    }
}
