//! The record of an active run, as far as it is known before the end: the history shows it if the run is killed.

use crate::digest::{BlobId, Digest};
use crate::encode::Encode;
use crate::hash::capture::Captured;
use crate::hash::request::Request;
use crate::record::{
    Commit, Content, Coverage, Products, Replay, Resources, StreamOrder, Termination, Timestamp,
};
use crate::store::Draft;
use std::os::unix::ffi::OsStringExt;

/// Builds the record of a run of which only the start is known.
pub(super) fn draft(
    request: &Request,
    captured: &Captured,
    started: Timestamp,
    tags: Vec<(String, String)>,
) -> Draft {
    let nothing = Content { blob: BlobId(Digest::of(b"")), size: 0 };
    let commit = Commit {
        key: captured.key,
        lineage: captured.lineage,
        parent: None,
        words: request.shown_words().into_iter().map(OsStringExt::into_vec).collect(),
        directory: request.places.store(&request.directory),
        function: captured.function.clone(),
        function_id: captured.function_id,
        sources: Vec::new(),
        started,
        resources: Resources::default(),
        termination: Termination::Signaled(libc::SIGKILL),
        stdout: nothing,
        stderr: nothing,
        order: StreamOrder::default(),
        terminals: [None; 2],
        outputs: None,
        observations: Vec::new(),
        products: Products::default(),
        irrelevant_env: Vec::new(),
        coverage: Coverage::Declared,
        replay: Replay::Never { reason: "killed".to_owned(), detail: String::new() },
        accepted: None,
    };
    Draft {
        commit,
        manifest: captured.manifest.to_bytes(),
        tags,
        evidence: Vec::new(),
        outputs: None,
        output_evidence: Vec::new(),
        consumed: Vec::new(),
    }
}
