//! `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://` with TLS.
//!
//! | key | value |
//! |---|---|
//! | `cashet:2:w:HEX` | the record of question sets; changed by a script that compares first |
//! | `cashet:2:s:HEX` | the record of a result; the first one stays |
//! | `cashet:2:b:HEX` | a blob of at most 1 MiB, by its BLAKE3 |
//!
//! Every key expires; writing renews it. Reading needs no more than GETRANGE, STRLEN and EXISTS.

use crate::carrier::{Blob, Failure, LARGEST_RECORD, Name};
use crate::protocol::Versioned;
use crate::server::{Progress, STALL, Server, Settings, Sink, connecting, hex, looking_up, read_all};
use redis::{Client, Connection, RedisError, RedisResult, Script, TlsCertificates};
use std::time::Duration;

/// Larger blobs are refused: one takes the server's whole attention while it is sent.
const LARGEST_BLOB: u64 = 1 << 20;
/// Seconds until a key that nobody writes again expires: 30 days.
const EXPIRE: u64 = 30 * 86_400;

const SWAP: &str = r"
local found = redis.call('GET', KEYS[1])
if found == false then found = '' end
if found ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1";

pub(crate) struct Redis {
    client: Client,
    is_tls: bool,
    connection: Option<Connection>,
}

impl Redis {
    /// # Errors
    /// When the address is none.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        let url = settings.url.as_str();
        let client = match &settings.ca {
            Some(ca) if url.starts_with("rediss:") => {
                Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert: Some(ca.clone()) })
            }
            _ => Client::open(url),
        };
        let client = client.map_err(|error| Failure::Refused(error.to_string()))?;
        Ok(Self { client, is_tls: url.starts_with("rediss:"), connection: None })
    }

    /// Asks, and repeats the question once if the server has closed the connection.
    fn ask<T>(
        &mut self,
        patience: Duration,
        question: impl Fn(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, Failure> {
        loop {
            let kept = self.connection.take();
            let is_new = kept.is_none();
            let mut connection = match kept {
                Some(kept) => Ok(kept),
                None => self.client.get_connection_with_timeout(connecting(self.is_tls)),
            }
            .map_err(|error| failure(&error))?;
            let ready = connection
                .set_read_timeout(Some(patience))
                .and_then(|()| connection.set_write_timeout(Some(patience)));
            match ready.and_then(|()| question(&mut connection)) {
                Ok(answer) => {
                    self.connection = Some(connection);
                    return Ok(answer);
                }
                Err(error) if error.is_io_error() && !error.is_timeout() && !is_new => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    /// The records of these keys: not more of each than is allowed, and one byte by which that shows.
    fn records(&mut self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let records: Vec<Vec<u8>> = self.ask(looking_up(), |connection| {
            let mut pipe = redis::pipe();
            for key in keys {
                pipe.cmd("GETRANGE").arg(key).arg(0).arg(LARGEST_RECORD);
            }
            pipe.query(connection)
        })?;
        Ok(records.into_iter().map(|record| (!record.is_empty()).then_some(record)).collect())
    }

    fn set_if_absent(&mut self, key: &str, value: &[u8]) -> Result<(), Failure> {
        let ((), ()) = self.ask(STALL, |connection| {
            let mut pipe = redis::pipe();
            pipe.cmd("SET").arg(key).arg(value).arg("NX").arg("EX").arg(EXPIRE);
            pipe.cmd("EXPIRE").arg(key).arg(EXPIRE);
            pipe.query(connection)
        })?;
        Ok(())
    }
}

impl Server for Redis {
    fn questions(&mut self, key: &Name) -> Result<Option<Versioned>, Failure> {
        let found = self.records(&[named("w", &key.0)])?.pop().flatten();
        Ok(found.map(|record| Versioned { version: record.clone(), record }))
    }

    fn swap(&mut self, key: &Name, version: Option<&[u8]>, record: &[u8]) -> Result<bool, Failure> {
        let script = Script::new(SWAP);
        let mut call = script.key(named("w", &key.0));
        call.arg(version.unwrap_or_default()).arg(record).arg(EXPIRE);
        self.ask(STALL, |connection| call.invoke(connection))
    }

    fn results(&mut self, names: &[Name]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let keys: Vec<String> = names.iter().map(|name| named("s", &name.0)).collect();
        self.records(&keys)
    }

    fn add_result(&mut self, name: &Name, record: &[u8], _: &[Blob]) -> Result<(), Failure> {
        self.set_if_absent(&named("s", &name.0), record)
    }

    fn missing(&mut self, blobs: &[Blob]) -> Result<Vec<Blob>, Failure> {
        let there: Vec<u64> = self.ask(STALL, |connection| {
            let mut pipe = redis::pipe();
            for blob in blobs {
                pipe.cmd("STRLEN").arg(named("b", &blob.digest));
            }
            pipe.query(connection)
        })?;
        let both = blobs.iter().zip(there);
        Ok(both.filter(|(blob, length)| blob.size != *length).map(|(blob, _)| *blob).collect())
    }

    fn fetch(
        &mut self,
        blob: &Blob,
        to: &std::fs::File,
        progress: &mut Progress<'_>,
    ) -> Result<bool, Failure> {
        if blob.size > LARGEST_BLOB {
            return Ok(false);
        }
        let key = named("b", &blob.digest);
        let content: Vec<u8> = self.ask(STALL, |connection| {
            redis::cmd("GETRANGE").arg(&key).arg(0).arg(blob.size).query(connection)
        })?;
        if content.is_empty() {
            return Ok(false);
        }
        let mut sink = Sink::new(to, blob, progress);
        sink.write(&content)?;
        sink.end()
    }

    fn add_blob(&mut self, blob: &Blob, from: &std::fs::File, _: &mut Progress<'_>) -> Result<(), Failure> {
        if blob.size > LARGEST_BLOB {
            return Err(Failure::Full("Redis takes no file larger than 1 MiB".to_owned()));
        }
        let content = read_all(blob, from)?;
        self.set_if_absent(&named("b", &blob.digest), &content)
    }
}

fn named(kind: &str, digest: &[u8]) -> String {
    format!("cashet:2:{kind}:{}", hex(digest))
}

fn failure(error: &RedisError) -> Failure {
    use redis::{ErrorKind, ServerErrorKind};
    let text = format!("redis: {error}");
    match error.kind() {
        ErrorKind::Io => Failure::Unreachable(text),
        ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ReadOnly) => Failure::Refused(text),
        _ if error.code() == Some("OOM") => Failure::Full(text),
        _ if matches!(error.code(), Some("NOPERM" | "WRONGPASS" | "NOAUTH" | "READONLY")) => {
            Failure::Refused(text)
        }
        _ => Failure::Invalid(text),
    }
}
