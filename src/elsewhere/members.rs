//! Environment variables of single jobs of an array. The engine gives all jobs the same environment, so each variable is passed
//! under a name with the number of its job, and each job reads its own.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What the names begin with.
const PREFIX: &[u8] = b"CASHET_JOB_";

/// The name by which the variable `name` of the job `number` travels.
pub(super) fn variable_of(number: usize, name: &OsStr) -> OsString {
    OsString::from_vec([PREFIX, number.to_string().as_bytes(), b"_", name.as_bytes()].concat())
}

/// The environment of the job `number`, where some variables are those of single jobs; else `None`.
#[must_use]
pub fn environment_of(
    number: usize,
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Option<Vec<(OsString, OsString)>> {
    let (of_jobs, mut environment): (Vec<_>, Vec<_>) =
        all.partition(|(name, _)| name.as_bytes().starts_with(PREFIX));
    if of_jobs.is_empty() {
        return None;
    }
    let prefix = variable_of(number, OsStr::new(""));
    for (name, value) in of_jobs {
        let Some(name) = name.as_bytes().strip_prefix(prefix.as_bytes()) else { continue };
        let name = OsStr::from_bytes(name).to_owned();
        environment.retain(|(known, _)| *known != name);
        environment.push((name, value));
    }
    Some(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_has_its_own_variables_and_none_of_the_others() {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        assert_eq!(environment_of(0, [pair("A", "1")].into_iter()), None);
        let all = || {
            let of = |number, name: &str, value: &str| (variable_of(number, OsStr::new(name)), value.into());
            [pair("A", "{a}"), pair("B", "b"), of(1, "A", "one"), of(11, "A", "eleven"), of(1, "C_2", "")]
        };
        for (number, expected) in [
            (1, vec![pair("B", "b"), pair("A", "one"), pair("C_2", "")]),
            (11, vec![pair("B", "b"), pair("A", "eleven")]),
            (2, vec![pair("A", "{a}"), pair("B", "b")]),
        ] {
            assert_eq!(environment_of(number, all().into_iter()), Some(expected));
        }
    }
}
