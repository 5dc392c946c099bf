//! Running a command: its directory becomes a tree of digests, the server runs it, and its record is fetched.
//!
//! Only the server's answer about the operation says how the command ended. A stream that breaks off is resumed if the
//! server still knows the operation.

use super::shipped::{encoded, tree};
use super::{BATCH, Grpc, STEP, TINY, failure};
use crate::action::{self, LARGEST_RESULT};
use crate::carrier::{Blob, Failure};
use crate::execution::{Executed, Execution, LARGEST_RECORD};
use crate::server::{Progress, STALL, Sink};
use bazel_remote_apis::build::bazel::remote::execution::v2::capabilities_client::CapabilitiesClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::execution_client::ExecutionClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::{
    ActionResult, Digest, ExecuteRequest, ExecuteResponse, GetCapabilitiesRequest, Tree, WaitExecutionRequest,
};
use bazel_remote_apis::google::longrunning::operations_client::OperationsClient;
use bazel_remote_apis::google::longrunning::{CancelOperationRequest, Operation, operation};
use prost::Message;
use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};
use tonic::{Code, Status, Streaming};

/// Maximum number of attempts to resume a stream that broke off.
const RETRIES: u32 = 4;
/// Time limit for the server's answer to a cancellation.
const CANCEL: Duration = Duration::from_secs(2);
/// Maximum size of standard error that is fetched, in bytes.
const MESSAGES: i64 = 64 << 10;

/// An operation that was begun.
struct Running<'a> {
    grpc: &'a Grpc,
    name: String,
}

impl Running<'_> {
    async fn cancel(&self) {
        if self.name.is_empty() {
            return;
        }
        let request = self.grpc.request(CancelOperationRequest { name: self.name.clone() });
        let mut operations = OperationsClient::new(self.grpc.channel.clone());
        // Where that fails, the stream that is closed says the same.
        let _ = tokio::time::timeout(CANCEL, operations.cancel_operation(request)).await;
    }

    /// Reads the stream to the operation's end. `None`: it broke off.
    async fn end(
        &mut self,
        stream: &mut Streaming<Operation>,
        progress: &mut Progress<'_>,
    ) -> Result<Result<Operation, Option<Status>>, Failure> {
        // Dropping the future of a message could lose a part of it, so the same one is polled again.
        loop {
            let message = stream.message();
            tokio::pin!(message);
            let message = loop {
                match tokio::time::timeout(STEP, &mut message).await {
                    Ok(message) => break message,
                    Err(_) => {
                        if let Err(failure) = progress.waits() {
                            self.cancel().await;
                            return Err(failure);
                        }
                    }
                }
            };
            match message {
                Ok(Some(operation)) => {
                    self.name.clone_from(&operation.name);
                    if operation.done {
                        return Ok(Ok(operation));
                    }
                }
                Ok(None) => return Ok(Err(None)),
                Err(status) => return Ok(Err(Some(status))),
            }
        }
    }
}

/// Whether a stream that ended with this status may be resumed.
fn is_transient(status: Option<&Status>) -> bool {
    status.is_none_or(|status| {
        matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled)
    })
}

impl Grpc {
    pub(super) fn capabilities(&self) -> Result<String, Failure> {
        let request = self.request(GetCapabilitiesRequest { instance_name: self.instance.clone() });
        let mut client = CapabilitiesClient::new(self.channel.clone());
        let found = self.answer(STALL, async { client.get_capabilities(request).await })?;
        let found = found.ok_or_else(|| Failure::Refused("the server has no such instance".to_owned()))?;
        let found = found.into_inner();
        let version = found.high_api_version.map(|version| format!("{}.{}", version.major, version.minor));
        match found.execution_capabilities {
            Some(execution) if execution.exec_enabled => {
                Ok(format!("remote execution API {}", version.unwrap_or_default()))
            }
            _ => Err(Failure::Refused("the server runs no commands".to_owned())),
        }
    }

    /// Runs a command to its end.
    pub(super) fn run(
        &self,
        execution: &Execution,
        record: &File,
        progress: &mut Progress<'_>,
    ) -> Result<Executed, Failure> {
        let node = match tree(execution)? {
            Ok(node) => node,
            Err(lacks) => return Ok(Executed::Lacks(lacks)),
        };
        let mut blobs = Vec::new();
        let root = node.digest(&mut blobs);
        let both = encoded(execution, root);
        let action = both.last().map(|(digest, _)| digest.clone()).unwrap_or_default();
        blobs.extend(both);
        self.put_absent(blobs)?;
        let response = match self.runtime.block_on(self.operation(action, progress))? {
            Ok(response) => response,
            Err(why) => return Ok(Executed::Stopped(why)),
        };
        let Some(result) = response.result else {
            return Ok(Executed::Stopped("the server returned no result".to_owned()));
        };
        let has_record = self.fetch_record(execution, &result, record, progress)?;
        let messages = match (&result.stderr_raw, result.stderr_digest) {
            (raw, Some(digest)) if raw.is_empty() && (1..=MESSAGES).contains(&digest.size_bytes) => {
                self.small(digest, STALL)?.unwrap_or_default()
            }
            (raw, _) => raw.clone(),
        };
        let worker = result.execution_metadata.map(|metadata| metadata.worker).unwrap_or_default();
        Ok(Executed::Ended { status: result.exit_code, has_record, messages, worker })
    }

    /// The response of the operation, or why there is none.
    async fn operation(
        &self,
        action: Digest,
        progress: &mut Progress<'_>,
    ) -> Result<Result<ExecuteResponse, String>, Failure> {
        let mut client = ExecutionClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_RESULT);
        let request = self.request(ExecuteRequest {
            instance_name: self.instance.clone(),
            skip_cache_lookup: true,
            action_digest: Some(action),
            ..ExecuteRequest::default()
        });
        let late = |_| Failure::Unreachable("the server does not take the command".to_owned());
        let mut running = Running { grpc: self, name: String::new() };
        let begun = tokio::time::timeout(STALL, client.execute(request)).await.map_err(late)?;
        let mut stream = begun.map_err(|status| failure(&status))?.into_inner();
        let mut tries = 0;
        let operation = loop {
            let taken_up = Instant::now();
            let status = match running.end(&mut stream, progress).await? {
                Ok(operation) => break operation,
                Err(status) => status,
            };
            if taken_up.elapsed() > STALL {
                tries = 0;
            }
            let broken = || {
                let why = status.as_ref().map_or_else(
                    || "the server closed the connection".to_owned(),
                    |status| failure(status).to_string(),
                );
                Failure::Unreachable(format!("while the command ran: {why}"))
            };
            tries += 1;
            if running.name.is_empty() || tries > RETRIES || !is_transient(status.as_ref()) {
                return Err(broken());
            }
            tokio::time::sleep(Duration::from_millis(200) * tries).await;
            progress.waits()?;
            let request = self.request(WaitExecutionRequest { name: running.name.clone() });
            stream = match tokio::time::timeout(STALL, client.wait_execution(request)).await {
                Ok(Ok(answer)) => answer.into_inner(),
                // The server may be restarting.
                Ok(Err(again)) if is_transient(Some(&again)) && tries < RETRIES => continue,
                _ => return Err(broken()),
            };
        };
        Ok(match operation.result {
            Some(operation::Result::Response(any)) => match ExecuteResponse::decode(any.value.as_slice()) {
                Ok(response) => match response.status.as_ref().filter(|status| status.code != 0) {
                    Some(status) => Err(said(status.code, &status.message)),
                    None => Ok(response),
                },
                Err(error) => Err(format!("the server's answer is malformed: {error}")),
            },
            Some(operation::Result::Error(status)) => Err(said(status.code, &status.message)),
            None => Err("the server returned no result".to_owned()),
        })
    }

    /// Adds the blobs that the server does not have. A few bytes are added without asking, which is quicker.
    fn put_absent(&self, blobs: Vec<(Digest, Vec<u8>)>) -> Result<(), Failure> {
        if blobs.iter().map(|(_, bytes)| u64::try_from(bytes.len()).unwrap_or(TINY)).sum::<u64>() < TINY {
            let by_name: BTreeMap<String, _> =
                blobs.into_iter().map(|blob| (blob.0.hash.clone(), blob)).collect();
            return self.put_small(by_name.into_values().collect());
        }
        let absent = self.absent(blobs.iter().map(|(digest, _)| digest.clone()).collect())?;
        let (mut batch, mut size) = (Vec::new(), 0);
        for (digest, bytes) in blobs {
            if !absent.contains(&digest.hash) || batch.iter().any(|(known, _)| *known == digest) {
                continue;
            }
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if size + length > BATCH && !batch.is_empty() {
                self.put_small(std::mem::take(&mut batch))?;
                size = 0;
            }
            size += length;
            batch.push((digest, bytes));
        }
        self.put_small(batch)
    }

    /// Fetches the record; remembers the digests of all blobs that the command left.
    fn fetch_record(
        &self,
        execution: &Execution,
        result: &ActionResult,
        to: &File,
        progress: &mut Progress<'_>,
    ) -> Result<bool, Failure> {
        let (record, tree) = match left(execution, result) {
            (None, _) => return Ok(false),
            (Some(record), None) => (self.bytes(record, progress)?, Vec::new()),
            (Some(record), Some(tree)) => {
                let [record, tree] = self.both([record, tree], progress)?;
                (record, tree)
            }
        };
        let tree = Tree::decode(tree.as_slice());
        let tree = tree.map_err(|error| Failure::Invalid(format!("the list of output files: {error}")))?;
        for file in tree.root.unwrap_or_default().files {
            if let Some(digest) = file.digest {
                action::note(&file.name, &digest);
            }
        }
        std::os::unix::fs::FileExt::write_all_at(to, &record, 0)
            .map_err(|error| crate::server::of_file(&error))?;
        Ok(true)
    }

    /// The bytes of two blobs, by one request where they are small.
    fn both(&self, digests: [Digest; 2], progress: &mut Progress<'_>) -> Result<[Vec<u8>; 2], Failure> {
        let sizes = digests.iter().map(|digest| u64::try_from(digest.size_bytes).unwrap_or(u64::MAX));
        if sizes.fold(0, u64::saturating_add) <= BATCH {
            let mut found = self.small_ones(digests.to_vec(), STALL)?;
            let mut take = |digest: &Digest| found.remove(&digest.hash).ok_or_else(lost);
            let [one, other] = &digests;
            return Ok([take(one)?, take(other)?]);
        }
        let [one, other] = digests;
        Ok([self.bytes(one, progress)?, self.bytes(other, progress)?])
    }

    /// The bytes of something that is not large.
    fn bytes(&self, digest: Digest, progress: &mut Progress<'_>) -> Result<Vec<u8>, Failure> {
        let size = u64::try_from(digest.size_bytes).unwrap_or(u64::MAX);
        if size > LARGEST_RECORD {
            return Err(Failure::Invalid(format!("a record of {size} bytes")));
        }
        if size <= BATCH {
            return self.small(digest, STALL)?.ok_or_else(lost);
        }
        let file = unnamed()?;
        let blob = Blob { digest: [0; 32], size };
        let read = self.read_stream(&digest, Sink::new(&file, &blob, progress));
        if !self.runtime.block_on(read)? {
            return Err(lost());
        }
        crate::server::read_all(&blob, &file)
    }
}

/// The record that the command left, and the list of the files in its directory of outputs. Where there are no such files, servers
/// may leave the directory out, or name no list, or an empty one.
fn left(execution: &Execution, result: &ActionResult) -> (Option<Digest>, Option<Digest>) {
    let record = result.output_files.iter().find(|found| found.path == execution.record);
    let directory = result.output_directories.iter().find(|found| found.path == execution.output);
    let tree = directory.and_then(|found| found.tree_digest.clone());
    (record.and_then(|found| found.digest.clone()), tree.filter(|tree| tree.size_bytes > 0))
}

fn lost() -> Failure {
    Failure::Invalid("the server does not have a file that the command wrote".to_owned())
}

/// A file in memory.
fn unnamed() -> Result<File, Failure> {
    let made = rustix::fs::memfd_create("record", rustix::fs::MemfdFlags::CLOEXEC);
    made.map(File::from).map_err(|error| Failure::Full(error.to_string()))
}

/// Why there is no result.
fn said(code: i32, message: &str) -> String {
    let code = Code::from_i32(code);
    match code {
        Code::DeadlineExceeded => "TIMEOUT: the time limit was reached".to_owned(),
        Code::Cancelled => "CANCELLED".to_owned(),
        _ => format!("{code}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::of_bytes;
    use bazel_remote_apis::build::bazel::remote::execution::v2::{OutputDirectory, OutputFile};

    #[test]
    fn a_directory_of_outputs_without_files_may_be_left_out() {
        let (output, record) = ("out".to_owned(), "record".to_owned());
        let execution = Execution { output: output.clone(), record: record.clone(), ..Execution::default() };
        let [record_digest, tree, none] = [&b"record"[..], b"tree", b""].map(of_bytes);
        let file = OutputFile { path: record, digest: Some(record_digest.clone()), ..OutputFile::default() };
        let directory = |tree: Option<&Digest>| OutputDirectory {
            path: output.clone(),
            tree_digest: tree.cloned(),
            ..OutputDirectory::default()
        };
        for (output_directories, expected) in [
            (vec![directory(Some(&tree))], Some(tree.clone())),
            (vec![directory(Some(&none))], None),
            (vec![directory(None)], None),
            (Vec::new(), None),
        ] {
            let output_files = vec![file.clone()];
            let result = ActionResult { output_files, output_directories, ..ActionResult::default() };
            assert_eq!(left(&execution, &result), (Some(record_digest.clone()), expected));
        }
        assert_eq!(left(&execution, &ActionResult::default()).0, None);
    }
}
