//! A command under a wrapper finds what it would find bare.

use super::*;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Output, Stdio};

watched_or_not!(
    what_is_inherited_is_the_same,
    the_signals_of_the_c_library_are_as_they_were,
    closed_descriptors_are_closed_for_the_command_and_never_used_by_us,
    a_descriptor_that_is_handed_on_works,
    a_reader_that_goes_away_is_learnt_from_the_next_write,
    endless_output_ends_with_its_reader,
    a_full_device_is_said_and_ends_endless_output,
    a_slow_reader_behind_a_descriptor_that_does_not_block_gets_everything,
);

/// Prints all that a process inherits and can see.
const LOOK: &str = r#"
    grep -E '^(Sig(Blk|Ign|Cgt)|Umask)' /proc/self/status
    for n in 0 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$n ] && echo "open $n"; done
    cut -d' ' -f5-6 /proc/$$/stat
    ulimit -a; pwd; cat /proc/self/oom_score_adj; nice
"#;

/// Runs `words` after the shell has done `setup`, with or without a wrapper between.
fn run_after(setup: &str, words: &[&str], wrapper: Option<(&Path, WatchMode)>) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{setup}\nexec \"$@\""), "sh"]);
    if let Some((report, watch)) = wrapper {
        make_wrapper(&mut command, report, watch);
        command.arg(std::env::current_exe().unwrap());
    }
    command.args(words).stdin(Stdio::piped());
    command.output().unwrap()
}

#[track_caller]
fn assert_same(watch: WatchMode, setup: &str, words: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let bare = run_after(setup, words, None);
    let wrapped = run_after(setup, words, Some((&path, watch)));
    assert_eq!(String::from_utf8_lossy(&wrapped.stdout), String::from_utf8_lossy(&bare.stdout), "{setup}");
    assert_eq!(String::from_utf8_lossy(&wrapped.stderr), String::from_utf8_lossy(&bare.stderr), "{setup}");
    assert_eq!(wrapped.status, bare.status, "{setup}");
    assert!(path.exists(), "{setup}: no wrapper has run: {wrapped:?}");
    (bare, report(&path))
}

fn what_is_inherited_is_the_same(watch: WatchMode) {
    let look = ["sh", "-c", LOOK];
    let (bare, _) = assert_same(watch, ":", &look);
    assert!(String::from_utf8_lossy(&bare.stdout).contains("SigIgn"));
    for setup in [
        "umask 027",
        "exec 9</dev/null",
        "exec 3</dev/null 5>/dev/null 8</dev/null",
        "trap '' HUP",
        "trap '' PIPE",
        "trap '' XFSZ",
        "trap '' CHLD",
        "trap '' PIPE XFSZ USR1 USR2 ALRM",
        "trap '' INT QUIT TERM",
        "ulimit -n 50; ulimit -c 0; ulimit -s 4096",
        "cd /tmp",
        "set -- env --block-signal=USR1,TERM \"$@\"",
        "set -- nice -n 3 \"$@\"",
        "set -- setsid -w \"$@\"",
    ] {
        // A new session has the number of its first process, which is another one each time.
        let hide =
            if setup.contains("setsid") { LOOK.replace("cut -d", ": cut -d") } else { LOOK.to_owned() };
        let (bare, _) = assert_same(watch, setup, &["sh", "-c", &hide]);
        assert!(bare.status.success(), "{setup}: {bare:?}");
    }
}

/// The C library keeps 32 and 33 for itself: whoever starts processes by its `posix_spawn` hands them on ignored.
fn the_signals_of_the_c_library_are_as_they_were(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    for action in [libc::SIG_DFL, libc::SIG_IGN] {
        let mut command = wrapper(&folder.path().join("report"), watch);
        command.args(["sed", "-n", "s/^SigIgn:[[:space:]]*//p", "/proc/self/status"]);
        #[expect(unsafe_code, reason = "the C library refuses to set them")]
        // SAFETY: a system call with a structure of the kernel's size, all its other fields zero.
        unsafe {
            command.pre_exec(move || {
                let set = [action, 0, 0, 0];
                for signal in [32, 33] {
                    libc::syscall(libc::SYS_rt_sigaction, signal, set.as_ptr(), 0, 8);
                }
                Ok(())
            });
        }
        let ran = command.stdout(Stdio::piped()).output().unwrap();
        let ignored = String::from_utf8(ran.stdout).unwrap();
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert_eq!(ignored >> 31 & 3, if action == libc::SIG_IGN { 3 } else { 0 }, "{ignored:x}");
    }
}

fn closed_descriptors_are_closed_for_the_command_and_never_used_by_us(watch: WatchMode) {
    let look = "for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && echo open $n; done; exit 3";
    for (setup, script) in [
        ("exec <&-", format!("({look}) 2>&1; cat; exit 5")),
        ("exec >&-", format!("({look}) >&2; echo lost || exit 6")),
        ("exec 2>&-", format!("{look}; echo lost >&2 || exit 6")),
        ("exec <&- >&-", format!("({look}) >&2; exit 4")),
        ("exec <&- >&- 2>&-", "exit 9".to_owned()),
    ] {
        let (_, report) = assert_same(watch, setup, &["sh", "-c", &script]);
        let closed = setup.contains('>') && report.contains("WriteFailed(9)");
        assert!(closed || setup == "exec <&-", "{setup}: {report}");
    }
}

fn a_descriptor_that_is_handed_on_works(watch: WatchMode) {
    let (bare, _) =
        assert_same(watch, "exec 9<<END\nfrom nine\nEND", &["sh", "-c", "cat <&9; cat /dev/fd/9"]);
    assert!(bare.stdout.starts_with(b"from nine\n"));
}

fn a_reader_that_goes_away_is_learnt_from_the_next_write(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let (path, fifo) = (folder.path().join("report"), folder.path().join("fifo"));
    make_fifo(&fifo);
    let mut go_on = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let done = folder.path().join("done");
    let mut child = wrapper(&path, watch)
        .args(["sh", "-c", r#"echo a; read x <"$0"; echo b; touch "$1""#])
        .args([&fifo, &done])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut line = [0; 2];
    stdout.read_exact(&mut line).unwrap();
    let open = || fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
    let before = open();
    drop(stdout);
    eventually("the wrapper's closing of the pipe", || open() < before);
    go_on.write_all(b"\n").unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGPIPE), "{status:?}");
    assert!(!done.exists(), "the command went on after its reader was gone");
    assert!(report(&path).contains("stdout: ReaderGone"));
}

fn endless_output_ends_with_its_reader(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let mut child = wrapper(&path, watch).arg("yes").stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 2]).unwrap();
    drop(stdout);
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGPIPE));
    assert!(report(&path).contains("termination: Signaled(13)"));
}

fn a_full_device_is_said_and_ends_endless_output(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = wrapper(&path, watch).arg("yes").stdout(full()).status().unwrap();
    assert!(!status.success());
    assert!(report(&path).contains(&format!("stdout: HandedOver({})", libc::ENOSPC)));
    wrapper(&path, watch).args(["sh", "-c", "echo x >&2"]).stderr(full()).status().unwrap();
    let text = report(&path);
    assert!(text.contains("stdout: Complete, stderr: HandedOver(28)"), "{text}");
}

fn a_slow_reader_behind_a_descriptor_that_does_not_block_gets_everything(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let (mut reader, writer) = io::pipe().unwrap();
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&writer, flags).unwrap();
    let mut command = wrapper(&folder.path().join("report"), watch);
    command.args(["seq", "200000"]).stdout(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut got = Vec::new();
    let mut buffer = vec![0; 100_000];
    loop {
        std::thread::sleep(Duration::from_millis(2));
        let count = reader.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        got.extend_from_slice(&buffer[..count]);
    }
    assert!(child.wait().unwrap().success());
    assert!(got == Command::new("seq").arg("200000").output().unwrap().stdout);
}
