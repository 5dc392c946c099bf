//! Properties of a command that follow from its name and arguments: that it is volatile, that an argument names an inherited
//! descriptor.

use super::grammar::named;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Commands whose output depends on the time, the machine or the user, or that are run for their effect: the same run will not
/// happen again.
const VOLATILE: &str = "at batch btop cal date df dmesg free gdate groups halt hostname hostnamectl htop id iostat \
    journalctl kill killall last lastlog logger logname lscpu lsof mktemp mpstat ncal notify-send nproc pgrep pkill \
    poweroff ps pstree pwgen reboot renice shred shuf shutdown sleep ss ssh-keygen netstat stty sync top touch tty \
    uname uptime users uuid uuidgen vmstat w wall watch who whoami write xdg-open nvidia-smi";

/// Whether the output of this program with these arguments depends on the time, the machine or the user, or whether it is run for
/// its effect.
#[must_use]
pub fn is_volatile(name: &OsStr, words: &[OsString]) -> bool {
    let any = |matches: &dyn Fn(&[u8]) -> bool| words.iter().any(|word| matches(word.as_bytes()));
    match name.as_bytes() {
        // Ages are relative to now.
        b"find" | b"gfind" => any(&|word| {
            let age = word.strip_prefix(b"-").and_then(|rest| {
                rest.strip_prefix(b"a").or(rest.strip_prefix(b"c")).or(rest.strip_prefix(b"m"))
            });
            matches!(age, Some(b"min" | b"time")) || word == b"-used"
        }),
        b"git" => any(&|word| {
            const AGES: [&[u8]; 8] = [
                b"--since",
                b"--until",
                b"--after",
                b"--before",
                b"--date=relative",
                b"--date=human",
                b"--relative-date",
                b"--date=auto",
            ];
            AGES.iter().any(|age| word.starts_with(age))
                || word.windows(3).any(|three| matches!(three, b"%ar" | b"%cr" | b"%ah" | b"%ch"))
        }),
        b"openssl" => {
            words.first().is_some_and(|word| named("rand genrsa genpkey dsaparam gendsa", word.as_bytes()))
        }
        b"shuf" => !any(&|word| word.starts_with(b"--random-source")),
        b"date" | b"gdate" => !names_a_date(words),
        other => named(VOLATILE, other),
    }
}

/// Whether the arguments of `date` name a file whose time it shows, or a time in seconds.
fn names_a_date(words: &[OsString]) -> bool {
    let words = || words.iter().map(|word| word.as_bytes());
    words().zip(words().skip(1)).any(|pair| match pair {
        (b"-d" | b"--date", date) => date.starts_with(b"@"),
        (option, _) => option == b"-r" || option == b"--reference",
    }) || words().any(|word| {
        let starts: [&[u8]; 3] = [b"--reference=", b"--date=@", b"-d@"];
        starts.iter().any(|start| word.starts_with(start))
    })
}

/// The first of `words` that is a path to an inherited descriptor (`<(…)` becomes `/dev/fd/63`). Standard input, output and error
/// are excluded, since watching sees their use.
#[must_use]
pub fn names_descriptor(words: &[OsString]) -> Option<&OsString> {
    words.iter().find(|word| {
        let bytes = word.as_bytes();
        after_each(bytes, b"/dev/fd/").any(above_two)
            || after_each(bytes, b"/proc/").any(|rest| {
                let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
                rest.get(end..).and_then(|tail| tail.strip_prefix(b"/fd/")).is_some_and(above_two)
            })
    })
}

fn after_each<'a>(bytes: &'a [u8], part: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let places = bytes.windows(part.len()).enumerate().filter(move |(_, window)| *window == part);
    places.filter_map(move |(place, _)| bytes.get(place + part.len()..))
}

fn above_two(rest: &[u8]) -> bool {
    let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).collect();
    let number = std::str::from_utf8(&digits).ok().and_then(|text| text.parse::<u64>().ok());
    !digits.is_empty() && number.is_none_or(|number| number > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_moment_are_told_by_their_words() {
        for (line, expected) in [
            ("date", true),
            ("date -u +%F", true),
            ("date -d yesterday", true),
            ("date -u -d @1700000000 +%F", false),
            ("date --date=@0", false),
            ("date -r file", false),
            ("shuf words", true),
            ("shuf -n 2 --random-source=seed words", false),
            ("hostname", true),
            ("find . -mtime -1", true),
            ("find . -amin +5", true),
            ("find . -newer x", false),
            ("find . -name mtime", false),
            ("git log --since=yesterday", true),
            ("git log --format=%h,%ar", true),
            ("git log --oneline", false),
            ("openssl rand 8", true),
            ("openssl x509 -in rand", false),
            ("cat date", false),
        ] {
            let mut all: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let name = all.remove(0);
            assert_eq!(is_volatile(&name, &all), expected, "{line}");
        }
    }

    #[test]
    fn words_that_name_descriptors_are_found() {
        for (word, expected) in [
            ("/dev/fd/63", true),
            ("--in=/dev/fd/3", true),
            ("@/proc/self/fd/11", true),
            ("/proc/123/fd/3", true),
            ("/dev/fd/99999999999999999999", true),
            ("/dev/stdin", false),
            ("/dev/fd/0", false),
            ("/dev/fd/", false),
            ("/proc/self/fd/2", false),
            ("/proc/self/fdinfo", false),
            ("x", false),
        ] {
            assert_eq!(names_descriptor(&[word.into()]).is_some(), expected, "{word}");
        }
    }
}
