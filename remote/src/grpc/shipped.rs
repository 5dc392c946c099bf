//! What is shipped for a command: its directory as a tree of digests, and the messages that describe the command.

use crate::action::{known, of_bytes};
use crate::carrier::{Blob, Failure};
use crate::execution::{Execution, Kind};
use bazel_remote_apis::build::bazel::remote::execution::v2::{
    Action, Command, Digest, Directory, DirectoryNode, FileNode, Platform, SymlinkNode, command, platform,
};
use bazel_remote_apis::google::protobuf::Duration as Span;
use prost::Message;
use std::collections::BTreeMap;

/// A directory whose digest is not computed yet.
#[derive(Default)]
pub(super) struct Node {
    directories: BTreeMap<String, Node>,
    files: BTreeMap<String, (Digest, bool)>,
    links: BTreeMap<String, String>,
}

impl Node {
    /// The digest of the directory; adds its bytes, and those of all below it, to `blobs`.
    pub(super) fn digest(self, blobs: &mut Vec<(Digest, Vec<u8>)>) -> Digest {
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
pub(super) fn tree(execution: &Execution) -> Result<Result<Node, Vec<Blob>>, Failure> {
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
pub(super) fn encoded(execution: &Execution, root: Digest) -> [(Digest, Vec<u8>); 2] {
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
        // What a result depends on is known only after the run, so cashet caches it and the server does not.
        do_not_cache: true,
        platform,
        ..Action::default()
    }
    .encode_to_vec();
    [(of_bytes(&command), command), (of_bytes(&action), action)]
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
