//! Races: another process does its work between two system calls of the first one.

use crate::project::Project;
use crate::tracer::Deed;
use nix::libc;

/// The words of a call without a recorded result.
const CALL: &[&str] = &["exec", "--", "./job", "new"];

#[test]
fn a_result_recorded_between_look_up_and_claim_is_replayed() {
    let project = Project::new();
    // The capture is remembered, so only the lookup and the claim remain for a race.
    project.must(CALL);
    project.must(&["rm", "--all"]);
    let before = project.executions();
    let mut met = false;
    let words: Vec<String> = CALL.iter().map(|word| (*word).to_owned()).collect();
    project.clear();
    let traced = project.trace(&words, &mut |call| {
        // It has found nothing and is about to claim the key.
        let takes_key = call.number == libc::SYS_flock
            && call.descriptor().is_some_and(|path| {
                path.file_name().is_some_and(|name| name.len() == 64)
                    && path.parent().is_some_and(|parent| parent.ends_with("locks"))
            });
        if takes_key && !met {
            met = true;
            project.must(CALL);
            project.clear();
        }
        Deed::Go
    });
    assert!(met, "{}", traced.stderr_text());
    assert_eq!(project.executions() - before, 1, "{}", traced.stderr_text());
    assert_eq!(traced.stdout, project.stdout_of("new"));
    assert_eq!(project.wrong_files("new"), None);
}
