//! `attach`: shows the output of a run in progress, from its beginning, and follows it.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::stripped::Stripper;
use crate::error::{Error, Result};
use crate::record::Stream;
use crate::store::{Active, LocalStore, ResultIndex, RunState};
use crate::ui::page::Page;
use crate::ui::{commits, human, message};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Interval between two reads.
const PAUSE: Duration = Duration::from_millis(15);

/// Number of reads between two checks whether the run is in progress.
const LOOK: u32 = 8;

/// Arguments of `attach`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cashet attach                 the run that started last
  cashet attach 3f2a            the run with this id, as 'cashet top' shows it
  cashet attach train.py        the newest run of train.py in progress
  cashet attach -- make test    the run of this command")]
pub struct Args {
    /// The id of a run in progress, a recorded run of the same command line, or a command
    #[arg(value_name = "REV|COMMAND", trailing_var_arg = true)]
    words: Vec<OsString>,
    /// Keep colours and other escape sequences even if the output is not a terminal
    #[arg(long)]
    raw: bool,
}

/// The destination of a stream.
struct Sink {
    stripper: Option<Stripper>,
    to: Box<dyn Write>,
    name: &'static str,
}

impl Sink {
    fn new(to: impl Write + IsTerminal + 'static, raw: bool, name: &'static str) -> Self {
        let stripper = (!raw && !to.is_terminal()).then(Stripper::default);
        Self { stripper, to: Box::new(to), name }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.stripper {
            Some(stripper) => self.to.write_all(&stripper.strip(bytes)),
            None => self.to.write_all(bytes),
        };
        written
            .and_then(|()| self.to.flush())
            .map_err(|error| Error::io("write to", Path::new(self.name), error))
    }
}

/// Follows the run until it ends.
///
/// # Errors
/// No such run is in progress; our output cannot be written.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let mut run = opened.active(&args.words)?;
    page.flush()?;
    if io::stderr().is_terminal() {
        let age = u64::try_from(context.now.0.saturating_sub(run.commit.started.0)).unwrap_or(0);
        let command = commits::command(&run.commit);
        message::status(&message::fitted(&format!("{command}, started {} ago", human::duration(age))));
    }
    let mut sinks = [
        Sink::new(io::stdout(), args.raw, "standard output"),
        Sink::new(io::stderr(), args.raw, "standard error"),
    ];
    let mut looks = 0_u32;
    loop {
        // Output from before its end may arrive after the last read.
        let state = if looks.is_multiple_of(LOOK) { run.state() } else { RunState::Active };
        looks = looks.wrapping_add(1);
        while let Some((stream, bytes)) = read(&mut run)? {
            let [stdout, stderr] = &mut sinks;
            match stream {
                Stream::Stdout => stdout.write(&bytes)?,
                Stream::Stderr => stderr.write(&bytes)?,
            }
        }
        match state {
            RunState::Active => thread::sleep(PAUSE),
            state => {
                if io::stderr().is_terminal() {
                    message::status(&ended(opened.store(), &run, state));
                }
                return Ok(DONE);
            }
        }
    }
}

fn read(run: &mut Active) -> Result<Option<(Stream, Vec<u8>)>> {
    run.read_next().map_err(|error| Error::io("read", Path::new("the output of the run"), error))
}

/// How the run ended, in words.
fn ended(store: Option<&LocalStore>, run: &Active, state: RunState) -> String {
    if state == RunState::Killed {
        return "its cashet was killed".to_owned();
    }
    let recorded = store.and_then(|store| store.recent(&run.commit.lineage, 8).ok()).unwrap_or_default();
    let recorded = recorded.into_iter().find(|(commit, _)| commit.started == run.commit.started);
    recorded.map_or_else(
        || "it has ended and is not recorded".to_owned(),
        |(commit, _)| {
            let took = human::duration(commit.resources.wall);
            format!("{} after {took} · {}", human::termination(commit.termination), commit.id().short())
        },
    )
}
