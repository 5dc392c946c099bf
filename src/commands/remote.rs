//! `remote`: shared caches: keys, state, manual upload and download.

use super::context::Context;
use super::exit::{DONE, Exit, NO};
use super::found::Opened;
use super::publish::{self, Ended, Writer};
use super::values;
use crate::digest::CommitId;
use crate::error::{Error, Kind, Result};
use crate::exec::start_helper;
use crate::hash::user_digests;
use crate::memo::Published;
use crate::remote::directory::Directory;
use crate::remote::journal::{Journal, Numbers};
use crate::remote::keys::{PublicKey, SigningKey, Trust};
use crate::remote::{Remote, Writing, records, tier};
use crate::store::Filter;
use crate::ui::page::Page;
use crate::ui::{human, message};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Arguments of `remote`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
A shared cache is named in cashet.toml:

  [remote]
  url   = \"dir:/mnt/shared/cashet\"
  write = false
  trust = [\"cashet-key-public-1:… main-ci\"]

Results are signed by CASHET_SIGNING_KEY, or by the key in the file that CASHET_SIGNING_KEY_FILE names. See docs/sharing.md.

Examples:
  cashet remote keygen main-ci
  cashet remote status
  cashet remote push @")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// The subcommand.
#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Create a key pair: a public key for cashet.toml, and a secret one
    Keygen {
        /// A name, to recognize the key by
        #[arg(value_name = "NAME", default_value = "")]
        name: String,
    },
    /// Trust a key in all projects, or list these keys
    Trust {
        /// The public key, and its name
        #[arg(value_name = "KEY")]
        key: Vec<String>,
    },
    /// Show the shared caches of the project, their statistics, and what leaves this machine
    Status,
    /// Upload runs to the shared caches: the named ones, or all that can be replayed
    Push {
        /// The runs
        #[arg(value_name = "REV")]
        revisions: Vec<OsString>,
    },
    /// Download the result of a command, without running it
    Pull {
        /// The command, with the options of 'exec' before it
        // Read by the scanner of `check`; here for help and completion.
        #[arg(value_name = "COMMAND", num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<OsString>,
    },
    /// Upload the results that are still queued
    Flush,
    /// Delete old results from shared caches that are directories (dir:)
    Gc {
        /// Age of what is deleted: 30d
        #[arg(long, value_name = "AGE", value_parser = values::duration)]
        older_than: u64,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// No shared cache is named; a key or a revision is wrong; a file cannot be read or written.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    match &args.what {
        What::Keygen { name } => keygen(name, page),
        What::Trust { key } => trust(key, page),
        What::Status => status(context, page),
        What::Push { revisions } => push(revisions, context, page),
        What::Pull { .. } => Err(Error::usage("--store must come after pull")
            .with_hint("cashet remote pull --store DIR -- COMMAND")),
        What::Flush => flush(context, page),
        What::Gc { older_than } => collect(*older_than, context, page),
    }
}

fn keygen(name: &str, page: &mut Page<'_>) -> Result<Exit> {
    let path = Path::new("/dev/urandom");
    let mut random = [0; 32];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut random));
    read.map_err(|source| Error::io("read", path, source))?;
    let key = SigningKey::new(&random, name.trim());
    page.line(&key.public().to_string())?;
    page.line(&key.to_secret_text())?;
    message::status("add the first line to trust of [remote] in cashet.toml");
    message::status(
        "the second line is secret and shown only once: set CASHET_SIGNING_KEY to it where results are written",
    );
    Ok(DONE)
}

fn trust(words: &[String], page: &mut Page<'_>) -> Result<Exit> {
    let path = tier::trusted_keys_path()
        .ok_or_else(|| Error::new(Kind::Other, "trusted keys need HOME or XDG_CONFIG_HOME"))?;
    let mut known = tier::read_keys(&path)?;
    if words.is_empty() {
        for key in &known {
            page.line(&key.to_string())?;
        }
        return Ok(DONE);
    }
    let key: PublicKey = words.join(" ").parse()?;
    if known.iter().any(|other| other.id() == key.id()) {
        message::status("this key is trusted already");
        return Ok(DONE);
    }
    known.push(key.clone());
    let failed = |source| Error::io("write", &path, source);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
    writeln!(file, "{key}").map_err(failed)?;
    page.line(&format!("{} is trusted in all projects", tier::id_of(&key)))?;
    message::status(&format!("{} holds the list: to trust it no more, delete its line", path.display()));
    Ok(DONE)
}

/// The shared caches of the project.
fn remotes(context: &Context) -> Result<Vec<Remote>> {
    let remotes = publish::remotes_of(&context.project.settings()?)?;
    if remotes.is_empty() {
        let words = "no shared cache is named in cashet.toml";
        return Err(Error::new(Kind::Other, words).with_hint("[remote] with url = \"dir:/PATH\" names one"));
    }
    Ok(remotes)
}

fn status(context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let remotes = remotes(context)?;
    let journal = Journal::of(&context.project.store);
    let key = tier::signing_key()?;
    let user_keys =
        tier::trusted_keys_path().map(|path| tier::read_keys(&path)).transpose()?.unwrap_or_default();
    let numbers = journal.numbers();
    for remote in &remotes {
        page.heading(&remote.shown())?;
        match remote.open(start_helper, &user_keys, key.as_ref()) {
            Ok(opened) => {
                page.line("  reached")?;
                match opened.trust() {
                    Trust::Any => page.line("  trusts everyone who can write to it")?,
                    Trust::Keys(keys) if keys.is_empty() => {
                        page.line(
                            "  no key is trusted: its results are not used (add keys to trust in cashet.toml)",
                        )?;
                    }
                    Trust::Keys(keys) => {
                        for key in keys {
                            page.line(&format!("  trusts {} {}", tier::id_of(key), key.name))?;
                        }
                    }
                }
            }
            Err(failure) => page.line(&format!("  {failure}"))?,
        }
        if let Some(toolchain) = &remote.toolchain {
            page.line(&match remote.token() {
                Ok(Some(token)) if token.as_bytes() != toolchain.shown().as_bytes() => format!(
                    "  the toolchain {} ({}) stands for files of the system",
                    toolchain.shown(),
                    String::from_utf8_lossy(token.as_bytes())
                ),
                Ok(_) => format!("  the toolchain {} stands for files of the system", toolchain.shown()),
                Err(why) => format!("  {why}"),
            })?;
        }
        page.line(&match tier::writing(remote, key.as_ref(), publish::is_own(remote)) {
            Writing::Yes => match &key {
                Some(key) => format!("  results are written to it, signed by {}", tier::id_of(&key.public())),
                None => "  results are written to it, unsigned".to_owned(),
            },
            Writing::Unasked => {
                "  nothing is written to it (write = true, or CASHET_REMOTE_WRITE=1)".to_owned()
            }
            Writing::Refused(why) => format!("  nothing is written to it: {why}"),
        })?;
        if let Some(known) = numbers.iter().find(|known| known.url == remote.shown()) {
            page.line(&format!("  {}", shown(known)))?;
        }
    }
    let waiting = journal.waiting().len() as u64;
    if waiting > 0 {
        page.line(&format!("{} to be written ('cashet remote flush')", human::count(waiting, "result")))?;
    }
    page.line(
        "What leaves this machine with a result: its output and the files that it made, the sources of the function, the words \
         of the command, paths (those in the project and in HOME relative to them), names of variables, and digests of what \
         it read. Never: results with a redacted word, or that depend on a variable that looks like a secret.",
    )?;
    Ok(DONE)
}

/// The statistics of one cache as one line.
pub(super) fn shown(numbers: &Numbers) -> String {
    format!(
        "{} hits, {} misses, {} errors, {} written, waited {}",
        human::number(numbers.hits),
        human::number(numbers.misses),
        human::number(numbers.errors),
        human::number(numbers.written),
        human::duration(numbers.waited)
    )
}

fn push(revisions: &[OsString], context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let remotes = remotes(context)?;
    let opened = Opened::open(context)?;
    let store = opened.must()?;
    let ids: Vec<CommitId> = if revisions.is_empty() {
        let all = opened.log(Filter::default());
        let usable = all.filter(|found| {
            found
                .as_ref()
                .map_or(true, |found| found.commit.is_replayable() && !found.evicted && !found.distrusted)
        });
        usable.map(|found| found.map(|found| found.id)).collect::<Result<_>>()?
    } else {
        revisions.iter().map(|revision| opened.find(revision).map(|found| found.id)).collect::<Result<_>>()?
    };
    let key = tier::signing_key()?;
    let journal = Journal::of(store.directory());
    publish::remember_digests(&context.project);
    let mut writer = Writer { store, journal: &journal, key: key.as_ref(), open: Vec::new() };
    let (mut written, mut failed) = (0_u64, false);
    for id in &ids {
        for remote in &remotes {
            let place = remote.shown();
            match writer.write(remote, id, &context.project.places) {
                Ended::Published(Published::Done) => written = written.saturating_add(1),
                Ended::Published(Published::Private(why)) => {
                    page.line(&format!("{}: not shared: {why}", id.short()))?;
                }
                Ended::Published(Published::Gone) => {}
                Ended::Unasked => {
                    let words = format!("{place}: nothing is written to it");
                    return Err(Error::new(Kind::Other, words)
                        .with_hint("write = true in [remote], or CASHET_REMOTE_WRITE=1"));
                }
                Ended::Refused(why) => {
                    return Err(Error::new(Kind::Other, format!("{place}: nothing is written to it: {why}")));
                }
                Ended::Failed(why) => {
                    failed = true;
                    message::warning(&format!("{place}: {}: {why}", id.short()));
                }
            }
        }
    }
    user_digests::write_down();
    page.line(&format!("{} written", human::count(written, "result")))?;
    Ok(if failed { NO } else { DONE })
}

fn flush(context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let Some(store) = opened.store() else { return Ok(DONE) };
    publish::drain(store, &mut |id, told| {
        for words in told {
            message::warning(&format!("{}: {words}", id.short()));
        }
    });
    let waiting = Journal::of(store.directory()).waiting().len() as u64;
    if waiting > 0 {
        page.line(&format!("{} still to be written", human::count(waiting, "result")))?;
        return Ok(NO);
    }
    Ok(DONE)
}

fn collect(age: u64, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let limit = SystemTime::now().checked_sub(Duration::from_nanos(age)).unwrap_or(SystemTime::UNIX_EPOCH);
    for remote in remotes(context)? {
        let Some(path) = remote.url.strip_prefix("dir:").map(PathBuf::from) else {
            message::warning(&format!("{}: its server decides what is deleted", remote.shown()));
            continue;
        };
        let collected = Directory::open(path).and_then(|found| found.collect(limit, &records::blobs_of));
        let collected =
            collected.map_err(|failure| Error::new(Kind::Other, format!("{}: {failure}", remote.shown())))?;
        page.line(&format!(
            "{}: {} and {} deleted, {}",
            remote.shown(),
            human::count(collected.records, "record"),
            human::count(collected.blobs, "blob"),
            human::size(collected.bytes)
        ))?;
    }
    Ok(DONE)
}
