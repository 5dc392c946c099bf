//! Requests over HTTP with deadlines and bounds; what answers mean.

use crate::carrier::{Blob, Failure};
use crate::server::{CHUNK, Progress, STALL, Settings, Sink, Source, connecting, looking_up};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use ureq::config::Config;
use ureq::http::Response;
use ureq::http::header::HeaderMap;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, SendBody};

/// Requests at the same time.
pub(crate) const PARALLEL: usize = 8;

/// Size of the buffer for arriving bytes. Those of 128 KiB and more are where reading is slow (see `buffer.rs`).
const INPUT: usize = 96 << 10;

/// Headers of a request.
pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

#[derive(Clone, Debug)]
pub(crate) struct Http {
    agent: Agent,
}

/// An answer to a write.
pub(crate) enum Written {
    Done,
    /// A condition did not hold.
    Conflict,
    /// What the condition is about, or the place, is not there.
    Absent,
}

impl Written {
    /// For what never changes: where somebody else has written it, all is well.
    ///
    /// # Errors
    /// When there is no such place.
    pub(crate) fn or_there(self) -> Result<(), Failure> {
        match self {
            Self::Done | Self::Conflict => Ok(()),
            Self::Absent => {
                Err(Failure::Refused("the server answers 404 to a write: is there such a place?".to_owned()))
            }
        }
    }
}

impl Http {
    /// # Errors
    /// When the certificates are none.
    pub(crate) fn new(settings: &Settings, is_tls: bool) -> Result<Self, Failure> {
        let roots = match &settings.ca {
            None => RootCerts::PlatformVerifier,
            Some(pem) => RootCerts::Specific(Arc::new(certificates(pem)?)),
        };
        let config = Config::builder()
            .http_status_as_error(false)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_connect(Some(connecting(is_tls)))
            .timeout_per_read(Some(STALL))
            .timeout_per_write(Some(STALL))
            .timeout_recv_response(Some(STALL))
            .max_idle_connections_per_host(PARALLEL)
            .user_agent(concat!("cashet/", env!("CARGO_PKG_VERSION")))
            .input_buffer_size(INPUT)
            .output_buffer_size(CHUNK)
            .build();
        Ok(Self { agent: config.new_agent() })
    }

    /// A small object of at most `limit` bytes and its `ETag`. `None`: it is not there.
    pub(crate) fn get(
        &self,
        url: &str,
        headers: Headers<'_>,
        limit: usize,
    ) -> Result<Option<(Vec<u8>, String)>, Failure> {
        let mut request = self.agent.get(url).config().timeout_global(Some(looking_up())).build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.call().map_err(|error| failure(&error))?;
        match meaning(&response)? {
            Meaning::Done => {}
            Meaning::Absent => return Ok(None),
            Meaning::Conflict => return Err(status(&response)),
        }
        let etag = header(response.headers(), "etag").unwrap_or_default().to_owned();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let content = response.body_mut().with_config().limit(limit + 1).read_to_vec();
        let content = content.map_err(|error| failure(&error))?;
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
            return Err(Failure::Invalid(format!("a record of more than {limit} bytes")));
        }
        Ok(Some((content, etag)))
    }

    /// Whether an object is there, and is as long as it should be where that is told.
    pub(crate) fn is_there(&self, url: &str, headers: Headers<'_>, size: u64) -> Result<bool, Failure> {
        let mut request = self.agent.head(url).config().timeout_global(Some(STALL)).build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.call().map_err(|error| failure(&error))?;
        Ok(match meaning(&response)? {
            Meaning::Done => {
                header(response.headers(), "content-length").is_none_or(|length| length.parse() == Ok(size))
            }
            Meaning::Absent => false,
            Meaning::Conflict => return Err(status(&response)),
        })
    }

    /// Puts a small object.
    pub(crate) fn put(&self, url: &str, headers: Headers<'_>, content: &[u8]) -> Result<Written, Failure> {
        let mut request = self.agent.put(url).config().timeout_global(Some(STALL)).build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send(content).map_err(|error| failure(&error))?;
        written(response)
    }

    /// Puts a blob.
    pub(crate) fn upload(
        &self,
        url: &str,
        headers: Headers<'_>,
        (blob, from): (&Blob, &File),
        progress: &mut Progress<'_>,
    ) -> Result<Written, Failure> {
        let mut source = Source::new(from, blob, progress);
        let mut request = self.agent.put(url).header("Content-Length", blob.size.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match request.send(SendBody::from_reader(&mut source)) {
            Ok(response) => written(response),
            Err(error) => Err(source.failure.take().unwrap_or_else(|| failure(&error))),
        }
    }

    /// Gets a blob. `false`: it is not there.
    pub(crate) fn fetch(
        &self,
        url: &str,
        headers: Headers<'_>,
        (blob, to): (&Blob, &File),
        progress: &mut Progress<'_>,
    ) -> Result<bool, Failure> {
        let mut request = self.agent.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.call().map_err(|error| failure(&error))?;
        match meaning(&response)? {
            Meaning::Done => {}
            Meaning::Absent => return Ok(false),
            Meaning::Conflict => return Err(status(&response)),
        }
        let mut sink = Sink::new(to, blob, progress);
        let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
        loop {
            match body.read(sink.room()) {
                Ok(0) => return sink.end(),
                Ok(count) => sink.fill(count)?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(&error.into())),
            }
        }
    }
}

/// Does the same for all items, several at a time; the answers in the order of the items.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    act: impl Fn(&T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    if let [item] = items {
        return Ok(vec![act(item)?]);
    }
    let size = items.len().div_ceil(PARALLEL).max(1);
    std::thread::scope(|scope| {
        let act = &act;
        let parts: Vec<_> = items
            .chunks(size)
            .map(|part| scope.spawn(move || part.iter().map(act).collect::<Result<Vec<R>, Failure>>()))
            .collect();
        let mut all = Vec::with_capacity(items.len());
        for part in parts {
            let part = part.join().map_err(|_| Failure::Invalid("a request failed".to_owned()))?;
            all.extend(part?);
        }
        Ok(all)
    })
}

enum Meaning {
    Done,
    Absent,
    Conflict,
}

fn meaning(response: &Response<Body>) -> Result<Meaning, Failure> {
    match response.status().as_u16() {
        200..=299 => Ok(Meaning::Done),
        404 | 410 => Ok(Meaning::Absent),
        409 | 412 => Ok(Meaning::Conflict),
        _ => Err(status(response)),
    }
}

fn status(response: &Response<Body>) -> Failure {
    let status = response.status();
    let text = format!("the server answers {status}");
    match status.as_u16() {
        413 | 507 => Failure::Full(text),
        429 | 500..=599 => Failure::Unreachable(text),
        _ => Failure::Refused(text),
    }
}

fn written(mut response: Response<Body>) -> Result<Written, Failure> {
    let meaning = meaning(&response);
    // What is read to its end leaves a connection that serves again.
    let _ = response.body_mut().with_config().limit(64 << 10).read_to_vec();
    match meaning? {
        Meaning::Done => Ok(Written::Done),
        Meaning::Conflict => Ok(Written::Conflict),
        Meaning::Absent => Ok(Written::Absent),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, Failure> {
    let found: Vec<Certificate<'static>> = parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(Failure::Refused("the file of certificates (ca) holds none".to_owned()));
    }
    Ok(found)
}

fn failure(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::Refused(error.to_string()),
        ureq::Error::BodyExceedsLimit(_) => Failure::Invalid("a record that is too long".to_owned()),
        ureq::Error::Protocol(_) => Failure::Invalid(error.to_string()),
        _ => Failure::Unreachable(error.to_string()),
    }
}
