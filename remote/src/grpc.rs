//! `grpc(s)://HOST:PORT[/INSTANCE]`: a server of the Bazel remote-execution API, version 2: action cache, content-addressed
//! storage, byte streams. It has no conditional writes: a writer reads the record back.
//!
//! `CASHET_REMOTE_TOKEN` or what is in `CASHET_REMOTE_TOKEN_FILE` is sent as a bearer token.

mod execute;
mod shipped;

use crate::action::{self, LARGEST_RESULT, from_result, known, to_result};
use crate::carrier::{Blob, Failure, Name};
use crate::execution::{Executed, Execution};
use crate::protocol::Versioned;
use crate::server::{CHUNK, Progress, STALL, Server, Settings, Sink, connecting, looking_up, read_all};
use bazel_remote_apis::build::bazel::remote::execution::v2::action_cache_client::ActionCacheClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::content_addressable_storage_client::ContentAddressableStorageClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::{
    ActionResult, BatchReadBlobsRequest, BatchUpdateBlobsRequest, Digest, FindMissingBlobsRequest,
    GetActionResultRequest, UpdateActionResultRequest, batch_update_blobs_request,
};
use bazel_remote_apis::google::bytestream::byte_stream_client::ByteStreamClient;
use bazel_remote_apis::google::bytestream::{ReadRequest, WriteRequest};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

/// Larger blobs go by a byte stream. All servers take messages of this size.
const BATCH: u64 = 1 << 20;
/// Smaller blobs are added without asking whether they are there: that takes as long.
const TINY: u64 = 64 << 10;
/// Time without data after which the connection is probed.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The interval at which the progress of a stream is checked.
const STEP: Duration = Duration::from_millis(250);

pub(crate) struct Grpc {
    runtime: &'static Runtime,
    channel: Channel,
    instance: String,
    authorization: Option<MetadataValue<Ascii>>,
    /// Commands and actions that were put here.
    put: HashSet<String>,
}

impl Grpc {
    /// # Errors
    /// When the address or the settings are wrong.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        let refused = |error: &dyn std::fmt::Display| Failure::Refused(format!("{}: {error}", settings.url));
        let (scheme, place) = settings.url.split_once("://").unwrap_or_default();
        let (host, instance) = place.trim_end_matches('/').split_once('/').unwrap_or((place, ""));
        let is_tls = scheme == "grpcs";
        let address = format!("{}://{}", if is_tls { "https" } else { "http" }, host.trim_end_matches('/'));
        let mut endpoint = Endpoint::from_shared(address)
            .map_err(|error| refused(&error))?
            .connect_timeout(connecting(is_tls))
            .tcp_nodelay(true)
            .tcp_keepalive(Some(KEEP_ALIVE))
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(8 << 20);
        if is_tls {
            let tls = ClientTlsConfig::new();
            let tls = match &settings.ca {
                Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
                None => tls.with_native_roots(),
            };
            endpoint = endpoint.tls_config(tls).map_err(|error| refused(&error))?;
        }
        let authorization = settings.token.as_ref().map(|token| format!("Bearer {token}").parse());
        let authorization = authorization.transpose().map_err(|error| refused(&error))?;
        let runtime = runtime()?;
        let _inside = runtime.enter();
        let channel = endpoint.connect_lazy();
        Ok(Self { runtime, channel, instance: instance.to_owned(), authorization, put: HashSet::new() })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request
    }

    /// Waits for an answer; `None`: not found.
    fn answer<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<Option<T>, Failure> {
        match self.runtime.block_on(async { tokio::time::timeout(patience, call).await }) {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(status)) if status.code() == Code::NotFound => Ok(None),
            Ok(Err(status)) => Err(failure(&status)),
            Err(_) => Err(Failure::Unreachable(format!("no answer within {} ms", patience.as_millis()))),
        }
    }

    fn storage(&self) -> ContentAddressableStorageClient<Channel> {
        ContentAddressableStorageClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_RESULT)
    }

    fn actions(&self) -> ActionCacheClient<Channel> {
        ActionCacheClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_RESULT)
    }

    fn record(&self, kind: &str, name: &Name) -> Result<Option<Vec<u8>>, Failure> {
        let request = self.request(GetActionResultRequest {
            instance_name: self.instance.clone(),
            action_digest: Some(action::key(kind, name).action),
            inline_stdout: true,
            ..GetActionResultRequest::default()
        });
        let mut actions = self.actions();
        let found = self.answer(looking_up(), async { actions.get_action_result(request).await })?;
        let Some(found) = found else { return Ok(None) };
        match from_result(found.into_inner()) {
            Ok(record) => Ok(Some(record)),
            Err(None) => Err(Failure::Invalid("the record is empty".to_owned())),
            Err(Some(digest)) if digest.size_bytes > 1 << 20 => {
                Err(Failure::Invalid(format!("a record of {} bytes", digest.size_bytes)))
            }
            Err(Some(digest)) => self.small(digest, looking_up()),
        }
    }

    fn put_record(&mut self, kind: &str, name: &Name, result: ActionResult) -> Result<(), Failure> {
        let key = action::key(kind, name);
        // The specification asks for the action and its command to be there.
        let needed: Vec<_> =
            key.needed.into_iter().filter(|(digest, _)| !self.put.contains(&digest.hash)).collect();
        let hashes: Vec<String> = needed.iter().map(|(digest, _)| digest.hash.clone()).collect();
        self.put_small(needed)?;
        self.put.extend(hashes);
        let request = self.request(UpdateActionResultRequest {
            instance_name: self.instance.clone(),
            action_digest: Some(key.action),
            action_result: Some(result),
            ..UpdateActionResultRequest::default()
        });
        let mut actions = self.actions();
        let done = self.answer(STALL, async { actions.update_action_result(request).await })?;
        done.map(drop).ok_or_else(|| Failure::Refused("the server keeps no results".to_owned()))
    }

    fn put_small(&self, blobs: Vec<(Digest, Vec<u8>)>) -> Result<(), Failure> {
        if blobs.is_empty() {
            return Ok(());
        }
        let requests = blobs.into_iter().map(|(digest, data)| batch_update_blobs_request::Request {
            digest: Some(digest),
            data,
            compressor: 0,
        });
        let request = self.request(BatchUpdateBlobsRequest {
            instance_name: self.instance.clone(),
            requests: requests.collect(),
            ..BatchUpdateBlobsRequest::default()
        });
        let mut storage = self.storage();
        let answer = self.answer(STALL, async { storage.batch_update_blobs(request).await })?;
        let responses = answer.map(|answer| answer.into_inner().responses).unwrap_or_default();
        for status in responses.into_iter().filter_map(|response| response.status) {
            if status.code != 0 {
                return Err(failure(&Status::new(Code::from_i32(status.code), status.message)));
            }
        }
        Ok(())
    }

    fn small(&self, digest: Digest, patience: Duration) -> Result<Option<Vec<u8>>, Failure> {
        let hash = digest.hash.clone();
        Ok(self.small_ones(vec![digest], patience)?.remove(&hash))
    }

    /// Blobs that fit into one message, by their names; those that are not there are left out.
    fn small_ones(
        &self,
        digests: Vec<Digest>,
        patience: Duration,
    ) -> Result<HashMap<String, Vec<u8>>, Failure> {
        let request = self.request(BatchReadBlobsRequest {
            instance_name: self.instance.clone(),
            digests,
            ..BatchReadBlobsRequest::default()
        });
        let mut storage = self.storage();
        let answer = self.answer(patience, async { storage.batch_read_blobs(request).await })?;
        let mut found = HashMap::new();
        for response in answer.into_iter().flat_map(|answer| answer.into_inner().responses) {
            match (response.status, response.digest) {
                (Some(status), _) if status.code == Code::NotFound as i32 => {}
                (Some(status), _) if status.code != 0 => {
                    return Err(failure(&Status::new(Code::from_i32(status.code), status.message)));
                }
                (_, Some(digest)) => drop(found.insert(digest.hash, response.data)),
                (_, None) => {}
            }
        }
        Ok(found)
    }

    fn absent(&self, digests: Vec<Digest>) -> Result<HashSet<String>, Failure> {
        let request = self.request(FindMissingBlobsRequest {
            instance_name: self.instance.clone(),
            blob_digests: digests,
            ..FindMissingBlobsRequest::default()
        });
        let mut storage = self.storage();
        let answer = self.answer(STALL, async { storage.find_missing_blobs(request).await })?;
        let absent = answer.map(|answer| answer.into_inner().missing_blob_digests).unwrap_or_default();
        Ok(absent.into_iter().map(|digest| digest.hash).collect())
    }

    fn resource(&self, middle: &str, digest: &Digest) -> String {
        let instance = if self.instance.is_empty() { String::new() } else { format!("{}/", self.instance) };
        format!("{instance}{middle}blobs/{}/{}", digest.hash, digest.size_bytes)
    }

    async fn read_stream(&self, digest: &Digest, mut sink: Sink<'_, '_>) -> Result<bool, Failure> {
        let late = |_| Failure::Unreachable("no data for ten seconds".to_owned());
        let request =
            self.request(ReadRequest { resource_name: self.resource("", digest), ..ReadRequest::default() });
        let mut streams =
            ByteStreamClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_RESULT);
        let mut stream = match tokio::time::timeout(STALL, streams.read(request)).await.map_err(late)? {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Ok(false),
            Err(status) => return Err(failure(&status)),
        };
        loop {
            match tokio::time::timeout(STALL, stream.message()).await.map_err(late)? {
                Ok(Some(message)) => sink.write(&message.data)?,
                Ok(None) => return sink.end(),
                Err(status) if status.code() == Code::NotFound => return Ok(false),
                Err(status) => return Err(failure(&status)),
            }
        }
    }

    async fn write_stream(
        &self,
        digest: &Digest,
        (blob, from): (&Blob, &File),
        progress: &mut Progress<'_>,
    ) -> Result<(), Failure> {
        let from = from.try_clone().map_err(|error| crate::server::of_file(&error))?;
        let resource = self.resource(&format!("uploads/{}/", upload_name()), digest);
        let sent = Arc::new(AtomicU64::new(0));
        let (counter, size, mut place) = (Arc::clone(&sent), blob.size, 0);
        let parts = std::iter::from_fn(move || {
            let rest = usize::try_from(size - place).unwrap_or(CHUNK).min(CHUNK);
            let mut data = vec![0; rest];
            if rest == 0 || from.read_exact_at(&mut data, place).is_err() {
                return None;
            }
            let write_offset = i64::try_from(place).ok()?;
            place += u64::try_from(rest).ok()?;
            counter.store(place, Ordering::Relaxed);
            let resource_name = if write_offset == 0 { resource.clone() } else { String::new() };
            Some(WriteRequest { resource_name, write_offset, finish_write: place == size, data })
        });
        let mut streams = ByteStreamClient::new(self.channel.clone());
        let call = streams.write(self.request(tokio_stream::iter(parts)));
        tokio::pin!(call);
        let mut seen = 0;
        loop {
            if let Ok(answer) = tokio::time::timeout(STEP, &mut call).await {
                let answer = answer.map_err(|status| failure(&status))?.into_inner();
                // A server that has the blob already may end early, with its full size.
                if u64::try_from(answer.committed_size) != Ok(size) {
                    return Err(Failure::Invalid("the server stored only a part".to_owned()));
                }
                return Ok(());
            }
            let now = sent.load(Ordering::Relaxed);
            progress.moved(usize::try_from(now - seen).unwrap_or(usize::MAX))?;
            seen = now;
        }
    }
}

impl Server for Grpc {
    fn questions(&mut self, key: &Name) -> Result<Option<Versioned>, Failure> {
        let found = self.record("w", key)?;
        Ok(found.map(|record| Versioned { version: Vec::new(), record }))
    }

    fn swap(&mut self, key: &Name, _: Option<&[u8]>, record: &[u8]) -> Result<bool, Failure> {
        self.put_record("w", key, to_result(record, &[])?)?;
        Ok(self.record("w", key)?.as_deref() == Some(record))
    }

    fn results(&mut self, names: &[Name]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        crate::http::in_parallel(names, |name| self.record("s", name))
    }

    fn add_result(&mut self, name: &Name, record: &[u8], blobs: &[Blob]) -> Result<(), Failure> {
        let result = to_result(record, blobs)?;
        if self.record("s", name)?.is_some() {
            return Ok(());
        }
        self.put_record("s", name, result)
    }

    fn missing(&mut self, blobs: &[Blob]) -> Result<Vec<Blob>, Failure> {
        let digests: Vec<_> = blobs.iter().map(known).collect();
        let asked: Vec<Digest> = digests.iter().flatten().cloned().collect();
        let absent = if asked.is_empty() { HashSet::new() } else { self.absent(asked)? };
        let is_missing =
            |digest: &Option<Digest>| digest.as_ref().is_none_or(|known| absent.contains(&known.hash));
        let both = blobs.iter().zip(&digests);
        Ok(both.filter(|(_, digest)| is_missing(digest)).map(|(blob, _)| *blob).collect())
    }

    fn fetch(&mut self, blob: &Blob, to: &File, progress: &mut Progress<'_>) -> Result<bool, Failure> {
        let Some(digest) = known(blob) else { return Ok(false) };
        let mut sink = Sink::new(to, blob, progress);
        if blob.size > BATCH {
            return self.runtime.block_on(self.read_stream(&digest, sink));
        }
        let Some(content) = self.small(digest, STALL)? else { return Ok(false) };
        sink.write(&content)?;
        sink.end()
    }

    fn add_blob(&mut self, blob: &Blob, from: &File, progress: &mut Progress<'_>) -> Result<(), Failure> {
        let digest = action::of_content(blob, from, |bytes| progress.moved(bytes))?;
        if blob.size >= TINY && self.absent(vec![digest.clone()])?.is_empty() {
            return Ok(());
        }
        if blob.size > BATCH {
            return self.runtime.block_on(self.write_stream(&digest, (blob, from), progress));
        }
        self.put_small(vec![(digest, read_all(blob, from)?)])
    }

    fn describe(&mut self) -> Result<String, Failure> {
        self.capabilities()
    }

    fn execute(
        &mut self,
        execution: &Execution,
        record: &File,
        progress: &mut Progress<'_>,
    ) -> Result<Executed, Failure> {
        self.run(execution, record, progress)
    }
}

/// One thread for all connections, besides those that wait.
fn runtime() -> Result<&'static Runtime, Failure> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let make = || Builder::new_multi_thread().worker_threads(1).enable_all().build().ok();
    RUNTIME
        .get_or_init(make)
        .as_ref()
        .ok_or_else(|| Failure::Unreachable("no thread for connections".to_owned()))
}

/// A name of 128 random bits in the form that the specification asks for.
fn upload_name() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = || RandomState::new().build_hasher().finish();
    let (one, two) = (random(), random());
    let (low, high) = (one & 0xffff_ffff, one >> 32);
    format!("{low:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", high & 0xffff, high >> 20, two & 0xfff, two >> 16)
}

fn failure(status: &Status) -> Failure {
    let text = format!("the server answers {}: {}", status.code(), status.message());
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted => {
            Failure::Unreachable(text)
        }
        Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented => Failure::Refused(text),
        Code::ResourceExhausted => Failure::Full(text),
        _ => Failure::Invalid(text),
    }
}
