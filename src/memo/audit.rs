//! Runs a command under watch and reports what it did, without recording anything.

use super::declared::Declared;
use super::observe::{self, Watcher};
use super::reason::NotKept;
use super::stdin::StdinAtStart;
use super::tee::Tee;
use super::{Context, Policy, file_clock};
use crate::error::Result;
use crate::exec::{Output, Spec, Stdin, Trace, Tty, WatchMode};
use crate::hash::capture;
use crate::hash::occurrence::Printed;
use crate::hash::request::{Request, StdinPart};
use crate::record::{Observation, Termination};

/// What a command did.
#[derive(Debug)]
pub struct Audit {
    /// How it ended.
    pub termination: Termination,
    /// Everything that was seen.
    pub trace: Trace,
    /// What would be kept: observations and paths of outputs relative to the root; or why nothing would.
    pub verdict: Result<(Vec<Observation>, Vec<Vec<u8>>), NotKept>,
}

/// Runs `request` under watch.
///
/// # Errors
/// When it cannot be watched or started; then nothing has run.
pub fn audit(context: &Context<'_>, request: &Request, policy: &Policy) -> Result<Audit> {
    let captured = capture::capture(request, context.recall)?;
    let stdin = StdinAtStart::look(context.stdin);
    let declared = Declared::new(request)?;
    let started = file_clock();
    let circumstances = context.executor.circumstances();
    let mut tee = Tee::new(None, None, &[]);
    let mut watcher = Watcher::new(&request.places, &captured, started, circumstances);
    let unobserved: Vec<_> =
        context.store.map(|store| store.workspace().root().to_path_buf()).into_iter().collect();
    let followed = observe::followed(&captured);
    let spec = Spec {
        program: &captured.program,
        words: &request.words,
        environment: &captured.passed_on,
        directory: &request.directory,
        stdin: if request.stdin == StdinPart::Null { Stdin::Null } else { Stdin::Inherit },
        stdout: context.stdout,
        stderr: context.stderr,
        output: Output::Direct,
        tty: Tty::Never,
        watch: WatchMode::Require,
        unobserved: &unobserved,
        behind_shim: captured.behind_shim.as_deref(),
        followed: &followed,
    };
    let finished = context.executor.run(spec, &mut tee, &mut watcher)?;
    let trace = finished.trace.unwrap_or_default();
    let run = observe::Run {
        captured: &captured,
        policy,
        places: &request.places,
        directory: &request.directory,
        words: &request.words,
        secret: context.recall.secret(),
        recall: context.recall,
        circumstances,
        started,
        stdin: Some(&stdin).filter(|_| request.stdin == StdinPart::None),
        declared_inputs: &declared.inputs,
        declared_outputs: &declared.outputs,
        ignored_writes: &declared.ignored,
        ignored_reads: &declared.unread,
        exact_state: request.exact_state,
        printed: Printed::Something,
        failed: finished.termination != Termination::Exited(0),
    };
    let verdict = observe::observe(&run, &trace, &watcher).map(|observed| {
        let observations = observed.observations.into_iter().map(|(observation, _)| observation);
        (observations.collect(), observed.outputs.into_iter().collect())
    });
    Ok(Audit { termination: finished.termination, trace, verdict })
}
