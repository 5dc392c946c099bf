//! `http(s)://HOST[:PORT][/PREFIX]`: the layout of Bazel's HTTP cache. `/ac/HEX` are records, `/cas/HEX` blobs by their
//! SHA-256. Many such servers have no conditional writes: a writer reads the record back.
//!
//! `CASHET_REMOTE_TOKEN` or what is in `CASHET_REMOTE_TOKEN_FILE` is sent as a bearer token.

use crate::action::{self, LARGEST_RESULT, from_result, known, to_result};
use crate::carrier::{Blob, Failure, LARGEST_RECORD, Name};
use crate::http::{Headers, Http, in_parallel};
use crate::protocol::Versioned;
use crate::server::{Progress, Server, Settings};
use bazel_remote_apis::build::bazel::remote::execution::v2::{ActionResult, Digest};
use prost::Message;
use std::fs::File;

pub(crate) struct BazelHttp {
    http: Http,
    base: String,
    authorization: Option<String>,
}

impl BazelHttp {
    /// # Errors
    /// When the settings are wrong.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        let base = settings.url.trim_end_matches('/').to_owned();
        let http = Http::new(settings, base.starts_with("https:"))?;
        let authorization = settings.token.as_ref().map(|token| format!("Bearer {token}"));
        Ok(Self { http, base, authorization })
    }

    fn with_headers<T>(&self, act: impl FnOnce(Headers<'_>) -> T) -> T {
        match &self.authorization {
            Some(value) => act(&[("authorization", value)]),
            None => act(&[]),
        }
    }

    fn record_address(&self, kind: &str, name: &Name) -> String {
        format!("{}/ac/{}", self.base, action::key(kind, name).action.hash)
    }

    fn blob_address(&self, digest: &Digest) -> String {
        format!("{}/cas/{}", self.base, digest.hash)
    }

    fn record(&self, kind: &str, name: &Name) -> Result<Option<Vec<u8>>, Failure> {
        let url = self.record_address(kind, name);
        let found = self.with_headers(|headers| self.http.get(&url, headers, LARGEST_RESULT))?;
        let Some((bytes, _)) = found else { return Ok(None) };
        let result = ActionResult::decode(bytes.as_slice())
            .map_err(|_| Failure::Invalid("the record is not a result of an action".to_owned()))?;
        match from_result(result) {
            Ok(record) => Ok(Some(record)),
            Err(None) => Err(Failure::Invalid("the record is empty".to_owned())),
            Err(Some(digest)) => {
                let url = self.blob_address(&digest);
                let found = self.with_headers(|headers| self.http.get(&url, headers, LARGEST_RECORD))?;
                Ok(found.map(|(record, _)| record))
            }
        }
    }

    fn put(&self, kind: &str, name: &Name, result: &ActionResult) -> Result<(), Failure> {
        let (url, bytes) = (self.record_address(kind, name), result.encode_to_vec());
        self.with_headers(|headers| self.http.put(&url, headers, &bytes))?.or_there()
    }

    fn is_there(&self, digest: &Digest, size: u64) -> Result<bool, Failure> {
        let url = self.blob_address(digest);
        self.with_headers(|headers| self.http.is_there(&url, headers, size))
    }
}

impl Server for BazelHttp {
    fn questions(&mut self, key: &Name) -> Result<Option<Versioned>, Failure> {
        let found = self.record("w", key)?;
        Ok(found.map(|record| Versioned { version: Vec::new(), record }))
    }

    fn swap(&mut self, key: &Name, _: Option<&[u8]>, record: &[u8]) -> Result<bool, Failure> {
        self.put("w", key, &to_result(record, &[])?)?;
        Ok(self.record("w", key)?.as_deref() == Some(record))
    }

    fn results(&mut self, names: &[Name]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        in_parallel(names, |name| self.record("s", name))
    }

    fn add_result(&mut self, name: &Name, record: &[u8], blobs: &[Blob]) -> Result<(), Failure> {
        let result = to_result(record, blobs)?;
        if self.record("s", name)?.is_some() {
            return Ok(());
        }
        self.put("s", name, &result)
    }

    fn missing(&mut self, blobs: &[Blob]) -> Result<Vec<Blob>, Failure> {
        let there = in_parallel(blobs, |blob| {
            known(blob).map_or(Ok(false), |digest| self.is_there(&digest, blob.size))
        })?;
        Ok(blobs.iter().zip(there).filter(|(_, there)| !there).map(|(blob, _)| *blob).collect())
    }

    fn fetch(&mut self, blob: &Blob, to: &File, progress: &mut Progress<'_>) -> Result<bool, Failure> {
        let Some(digest) = known(blob) else { return Ok(false) };
        let url = self.blob_address(&digest);
        self.with_headers(|headers| self.http.fetch(&url, headers, (blob, to), progress))
    }

    fn add_blob(&mut self, blob: &Blob, from: &File, progress: &mut Progress<'_>) -> Result<(), Failure> {
        let digest = action::of_content(blob, from, |bytes| progress.moved(bytes))?;
        if self.is_there(&digest, blob.size)? {
            return Ok(());
        }
        let url = self.blob_address(&digest);
        self.with_headers(|headers| self.http.upload(&url, headers, (blob, from), progress))?.or_there()
    }
}
