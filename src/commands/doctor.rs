//! `cashet doctor`: is everything here that running and replaying commands needs?

use super::context::Context;
use super::exit::{DONE, Exit, NO};
use crate::digest::{Digest, Key};
use crate::error::Result;
use crate::exec::{Executor, Fate, Output, Recorder, Seen, Spec, Stdin, Tty, Unix, WatchMode, Witness};
use crate::record::Stream;
use crate::store::{Claims, LocalStore, StoreOptions};
use crate::ui::doctor::{self, Finding, State};
use crate::ui::page::Page;
use crate::ui::{colour, human, message};
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::Path;

/// Arguments of `doctor`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Prints one line each about the kernel, how runs are watched, the settings, the store and the terminal. A problem comes with its cure.

Exit status: 0 results are cached here, 1 something prevents that.")]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// The first version of Linux that has what watching by notification needs.
const NOTIFIES: (u32, u32) = (5, 5);

/// The first version in which a notification wakes the waiting process at once.
const QUICK: (u32, u32) = (6, 6);

/// With less room than this on its file system, a store will soon take nothing, in bytes.
const LITTLE_ROOM: u64 = 256 << 20;

/// Looks at everything and says what was found.
///
/// # Errors
/// Standard output does not take it.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let findings = [kernel(), watching(), settings(context), store(context), terminal()];
    if args.json {
        page.json(&doctor::json(&findings).into())?;
    } else {
        for line in findings.iter().map(|finding| finding.line(&page.look)).collect::<Vec<_>>() {
            page.line(&line)?;
        }
    }
    Ok(if findings.iter().any(|finding| finding.state == State::Bad) { NO } else { DONE })
}

/// Major and minor number of a version such as `6.8.0-45-generic`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn kernel() -> Finding {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let about = format!("{} {release}, {}", std::env::consts::OS, std::env::consts::ARCH);
    if std::env::consts::OS != "linux" {
        return Finding::new("kernel", State::Bad, about)
            .with_cure("only on Linux runs are watched: declare inputs");
    }
    match version(release) {
        Some(version) if version < NOTIFIES => {
            Finding::new("kernel", State::Slow, about).with_cure("Linux 5.5 watches several times faster")
        }
        Some(version) if version < QUICK => {
            Finding::new("kernel", State::Good, about).with_cure("Linux 6.6 watches faster")
        }
        _ => Finding::new("kernel", State::Good, about),
    }
}

/// Notes what a run prints.
#[derive(Default)]
struct Printed(Vec<u8>);

impl Recorder for Printed {
    fn chunk(&mut self, _: Stream, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// Ignores the accesses that it receives.
struct Unheeding;

impl Witness for Unheeding {
    fn about_to_look(&mut self, _: &Path, _: Seen<'_>) {}
    fn about_to_list(&mut self, _: &Path) {}
    fn about_to_change(&mut self, _: &Path, _: Fate) {}
}

/// Watches a small program that shows by what it is watched.
fn watching() -> Finding {
    let cat = ["/bin/cat", "/usr/bin/cat"].map(Path::new).into_iter().find(|path| path.is_file());
    let (Some(cat), Ok(nowhere)) = (cat, File::options().write(true).open("/dev/null")) else {
        return Finding::new("watching", State::Slow, "not tried: there is no /bin/cat".to_owned());
    };
    let spec = Spec {
        program: cat,
        words: &["cat".into(), "/proc/self/status".into()],
        environment: &[],
        directory: Path::new("."),
        stdin: Stdin::Null,
        stdout: nowhere.as_fd(),
        stderr: nowhere.as_fd(),
        output: Output::Recorded { spool: None },
        tty: Tty::Never,
        watch: WatchMode::Require,
        unobserved: &[],
        behind_shim: None,
        followed: &[],
    };
    let mut printed = Printed::default();
    let finished = Unix.run(spec, &mut printed, &mut Unheeding);
    let text = String::from_utf8_lossy(&printed.0).into_owned();
    let tracer = text.lines().find_map(|line| line.strip_prefix("TracerPid:")).map(str::trim);
    match (finished, tracer) {
        (Ok(_), Some("0")) => {
            Finding::new("watching", State::Good, "by seccomp user notification".to_owned())
        }
        (Ok(_), _) => Finding::new("watching", State::Slow, "by ptrace, several times slower".to_owned())
            .with_cure("run it outside of other tracers"),
        (Err(error), _) => Finding::new("watching", State::Bad, error.to_string())
            .with_cure("allow seccomp or ptrace, or declare inputs"),
    }
}

fn settings(context: &Context) -> Finding {
    let path = context.project.places.root.join("cashet.toml");
    match context.project.settings() {
        Err(error) => {
            let cure = error.hint().unwrap_or("mend cashet.toml").to_owned();
            Finding::new("settings", State::Bad, error.to_string()).with_cure(cure)
        }
        Ok(_) if path.is_file() => Finding::new("settings", State::Good, path.display().to_string()),
        Ok(_) => Finding::new(
            "settings",
            State::Good,
            format!("none; project {}", context.project.places.root.display()),
        ),
    }
}

fn store(context: &Context) -> Finding {
    let project = &context.project;
    let shown = project.store.display().to_string();
    let options = StoreOptions { trust_owner: project.store_is_named, ..StoreOptions::default() };
    let store = match LocalStore::open(&project.store, &options) {
        Err(error) if error.is_not_found() => {
            let above = project.store.ancestors().skip(1).find(|above| above.is_dir());
            let writable =
                above.is_some_and(|above| rustix::fs::access(above, rustix::fs::Access::WRITE_OK).is_ok());
            return if writable {
                Finding::new("store", State::Good, format!("{shown}, created by the first run"))
            } else {
                Finding::new("store", State::Bad, format!("{shown} cannot be created"))
                    .with_cure("--store names another")
            };
        }
        Err(error) => {
            let cure = error.hint().unwrap_or("--store names another").to_owned();
            return Finding::new("store", State::Bad, error.to_string()).with_cure(cure);
        }
        Ok(store) => store,
    };
    let usage = match store.stats().and_then(|stats| Ok((stats, store.usage()?))) {
        Ok((stats, usage)) => {
            format!("{shown}, {}, {}", human::count(stats.commits, "run"), human::size(usage.total()))
        }
        Err(error) => {
            let cure = error.hint().unwrap_or("'cashet fsck --repair' mends a store").to_owned();
            return Finding::new("store", State::Bad, error.to_string()).with_cure(cure);
        }
    };
    let is_writable =
        store.claim(&Key(Digest::of(b"doctor")), &mut || ()).is_ok_and(|claim| claim.is_locked());
    if !is_writable {
        return Finding::new("store", State::Bad, format!("{usage}, cannot be written"))
            .with_cure("--store names another");
    }
    let room = rustix::fs::statvfs(&project.store).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    match room {
        Ok(room) if room < LITTLE_ROOM => {
            Finding::new("store", State::Slow, format!("{usage}, {} left on its disk", human::size(room)))
                .with_cure("'cashet gc' makes room")
        }
        _ => Finding::new("store", State::Good, usage),
    }
}

fn terminal() -> Finding {
    if !std::io::stderr().is_terminal() {
        return Finding::new(
            "terminal",
            State::Good,
            "none on standard error: -v prints the status line".to_owned(),
        );
    }
    let width =
        message::width().map_or_else(|| "of unknown width".to_owned(), |width| format!("{width} columns"));
    let colours = if colour::for_stderr() { "colours" } else { "no colours" };
    Finding::new("terminal", State::Good, format!("{width}, {colours}"))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read() {
        for (release, expected) in [
            ("6.8.0-45-generic", Some((6, 8))),
            ("5.10", Some((5, 10))),
            ("4.19.112+", Some((4, 19))),
            ("odd", None),
            ("6", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
