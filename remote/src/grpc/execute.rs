//! Running a command: its directory becomes a tree of digests, the server runs it, and what it left is fetched.
//!
//! How the command ended is what the server says of the operation, or unknown: a stream that breaks off is taken up again
//! where the server still knows the operation.

use super::{BATCH, Grpc, STEP, TINY, failure};
use crate::action::{self, LARGEST_RESULT, known, of_bytes};
use crate::carrier::{Blob, Failure};
use crate::execution::{Executed, Execution, Kind, LARGEST_RECORD};
use crate::server::{Progress, STALL, Sink};
use bazel_remote_apis::build::bazel::remote::execution::v2::capabilities_client::CapabilitiesClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::execution_client::ExecutionClient;
use bazel_remote_apis::build::bazel::remote::execution::v2::{
    Action, ActionResult, Command, Digest, Directory, DirectoryNode, ExecuteRequest, ExecuteResponse,
    FileNode, GetCapabilitiesRequest, Platform, SymlinkNode, Tree, WaitExecutionRequest, command, platform,
};
use bazel_remote_apis::google::longrunning::operations_client::OperationsClient;
use bazel_remote_apis::google::longrunning::{CancelOperationRequest, Operation, operation};
use bazel_remote_apis::google::protobuf::Duration as Span;
use prost::Message;
use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};
use tonic::{Code, Status, Streaming};

/// So often a stream that broke off is taken up again.
const RETRIES: u32 = 4;
/// A server that is asked to cancel an operation answers within this time, or is left alone.
const CANCEL: Duration = Duration::from_secs(2);
/// So much of what the command wrote to standard error is of interest.
const MESSAGES: i64 = 64 << 10;

/// A directory on its way to digests.
#[derive(Default)]
struct Node {
    directories: BTreeMap<String, Node>,
    files: BTreeMap<String, (Digest, bool)>,
    links: BTreeMap<String, String>,
}

impl Node {
    /// The digest of the directory; adds its bytes, and those of all below it, to `blobs`.
    fn digest(self, blobs: &mut Vec<(Digest, Vec<u8>)>) -> Digest {
        let directory = |(name, node): (String, Self), blobs: &mut Vec<_>| DirectoryNode {
            name,
            digest: Some(node.digest(blobs)),
        };
        let directories = self.directories.into_iter().map(|pair| directory(pair, blobs)).collect();
        let file = |(name, (digest, is_executable))| FileNode {
            name,
            digest: Some(digest),
            is_executable,
            ..FileNode::default()
        };
        let link = |(name, target)| SymlinkNode { name, target, ..SymlinkNode::default() };
        let bytes = Directory {
            files: self.files.into_iter().map(file).collect(),
            directories,
            symlinks: self.links.into_iter().map(link).collect(),
            ..Directory::default()
        }
        .encode_to_vec();
        let digest = of_bytes(&bytes);
        blobs.push((digest.clone(), bytes));
        digest
    }
}

/// The tree of an execution; the blobs that are not known, where there are any.
fn tree(execution: &Execution) -> Result<Result<Node, Vec<Blob>>, Failure> {
    let (mut root, mut lacks) = (Node::default(), Vec::new());
    for input in &execution.inputs {
        let mut parts: Vec<&str> = input.path.split('/').collect();
        if parts.iter().any(|part| ["", ".", ".."].contains(part)) {
            return Err(Failure::Invalid(format!("{} is no path of an input", input.path)));
        }
        let name = parts.pop().unwrap_or_default().to_owned();
        let mut node = &mut root;
        for part in parts {
            node = node.directories.entry(part.to_owned()).or_default();
        }
        match &input.kind {
            Kind::Directory => {
                node.directories.entry(name).or_default();
            }
            Kind::Link(target) => {
                node.links.insert(name, target.clone());
            }
            Kind::File { blob, executable } => {
                let digest = if blob.size == 0 { Some(of_bytes(&[])) } else { known(blob) };
                match digest {
                    Some(digest) => {
                        node.files.insert(name, (digest, *executable));
                    }
                    None => lacks.push(*blob),
                }
            }
        }
    }
    Ok(if lacks.is_empty() { Ok(root) } else { Err(lacks) })
}

/// The command and the action that are run, encoded.
#[expect(deprecated, reason = "older servers look for properties in the command")]
fn encoded(execution: &Execution, root: Digest) -> [(Digest, Vec<u8>); 2] {
    let mut variables: Vec<_> = execution
        .variables
        .iter()
        .map(|(name, value)| command::EnvironmentVariable { name: name.clone(), value: value.clone() })
        .collect();
    variables.sort_by(|one, other| one.name.cmp(&other.name));
    let mut properties: Vec<_> = execution
        .platform
        .iter()
        .map(|(name, value)| platform::Property { name: name.clone(), value: value.clone() })
        .collect();
    properties.sort_by(|one, other| (&one.name, &one.value).cmp(&(&other.name, &other.value)));
    let platform = (!properties.is_empty()).then_some(Platform { properties });
    let command = Command {
        arguments: execution.words.clone(),
        environment_variables: variables,
        output_paths: vec![execution.output.clone(), execution.record.clone()],
        platform: platform.clone(),
        ..Command::default()
    };
    let command = command.encode_to_vec();
    let seconds = i64::try_from(execution.limit).unwrap_or(i64::MAX);
    let action = Action {
        command_digest: Some(of_bytes(&command)),
        input_root_digest: Some(root),
        timeout: (execution.limit > 0).then_some(Span { seconds, nanos: 0 }),
        // What a result depends on is known only when it is there: cashet keeps it, and not the server.
        do_not_cache: true,
        platform,
        ..Action::default()
    }
    .encode_to_vec();
    [(of_bytes(&command), command), (of_bytes(&action), action)]
}

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
        // The message that is awaited is not given up while nothing comes.
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

/// Whether a stream that ended so may be taken up again.
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
            return Ok(Executed::Stopped("the server says nothing of the result".to_owned()));
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
                // It may be starting anew.
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
                Err(error) => Err(format!("the server's answer makes no sense: {error}")),
            },
            Some(operation::Result::Error(status)) => Err(said(status.code, &status.message)),
            None => Err("the server says nothing of the result".to_owned()),
        })
    }

    /// Adds those of the blobs that are not there. A few bytes are sooner added than asked for.
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
        let record = result.output_files.iter().find(|found| found.path == execution.record);
        let directory = result.output_directories.iter().find(|found| found.path == execution.output);
        let (Some(record), Some(tree)) = (
            record.and_then(|found| found.digest.clone()),
            directory.and_then(|found| found.tree_digest.clone()),
        ) else {
            return Ok(false);
        };
        let [record, tree] = self.both([record, tree], progress)?;
        let tree = Tree::decode(tree.as_slice());
        let tree = tree.map_err(|error| Failure::Invalid(format!("the list of what it left: {error}")))?;
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

fn lost() -> Failure {
    Failure::Invalid("the server does not have what the command left".to_owned())
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
    use crate::execution::Input;

    fn input(path: &str, kind: Kind) -> Input {
        Input { path: path.to_owned(), kind }
    }

    fn empty(executable: bool) -> Kind {
        Kind::File { blob: Blob { digest: [0; 32], size: 0 }, executable }
    }

    #[test]
    fn a_tree_is_sorted_and_each_directory_is_a_blob() {
        let inputs = vec![
            input("b/c", empty(false)),
            input("b/a", empty(true)),
            input("d", Kind::Directory),
            input("l", Kind::Link("b/a".to_owned())),
        ];
        let execution = Execution { inputs, ..Execution::default() };
        let mut blobs = Vec::new();
        let root = tree(&execution).unwrap().ok().unwrap().digest(&mut blobs);
        let (digest, bytes) = blobs.last().unwrap();
        assert_eq!(*digest, root);
        let directory = Directory::decode(bytes.as_slice()).unwrap();
        let names: Vec<&str> = directory.directories.iter().map(|node| node.name.as_str()).collect();
        assert_eq!((names, directory.symlinks.len()), (vec!["b", "d"], 1));
        let inner = blobs.iter().find(|(digest, _)| Some(digest) == directory.directories[0].digest.as_ref());
        let inner = Directory::decode(inner.unwrap().1.as_slice()).unwrap();
        let names: Vec<(&str, bool)> =
            inner.files.iter().map(|file| (file.name.as_str(), file.is_executable)).collect();
        assert_eq!(names, [("a", true), ("c", false)]);
    }

    #[test]
    fn paths_that_lead_out_and_blobs_that_are_not_known_are_told() {
        for path in ["/a", "a/../b", "", "a//b", "."] {
            let execution = Execution { inputs: vec![input(path, empty(false))], ..Execution::default() };
            assert!(tree(&execution).is_err(), "{path}");
        }
        let blob = Blob { digest: [0x5a; 32], size: 9 };
        let kind = Kind::File { blob, executable: false };
        let execution = Execution { inputs: vec![input("a", kind)], ..Execution::default() };
        assert_eq!(tree(&execution).unwrap().err(), Some(vec![blob]));
    }
}
