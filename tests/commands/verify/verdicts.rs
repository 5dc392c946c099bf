//! The report of a verification, and its exit status.

use super::Project;
use crate::documents::{documented, fields};
use std::fs;

#[test]
fn a_command_that_does_the_same_is_the_same() {
    let project = Project::new();
    project.write("data.txt", "3\n1\n2\n").script(
        "job.sh",
        "sort data.txt; echo warn >&2; mkdir -p out/deep; sort data.txt > out/sorted; ln -s sorted out/link
         printf '\\0\\1' > out/deep/bin; chmod 750 out/deep/bin; rm -f old",
    );
    project.write("old", "x");
    assert_eq!(project.exec(&["sh", "job.sh"]).out, "1\n2\n3\n");
    // A file that it removes without looking may exist or not.
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    project.write("old", "x");
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    assert!(told.out.starts_with("same: "), "{}", told.out);
    assert!(told.out.contains("\n  ok, stdout 6 B, stderr 5 B, "), "{}", told.out);
    assert_eq!(project.runs(), 3);
    let told = project.verify(&["@", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((json["schema"].as_u64(), json["verdict"].as_str()), (Some(1), Some("same")));
    // It still answers calls.
    fs::remove_dir_all(project.path("out")).unwrap();
    project.write("old", "x");
    project.exec(&["sh", "job.sh"]);
    assert_eq!(project.runs(), 4);
}

#[test]
fn times_are_distinguished_from_changes() {
    let project = Project::new();
    project.script("job.sh", "echo first; date +%s.%N; echo took $(date +%N | cut -c 1-4) ms");
    project.exec(&["sh", "job.sh"]);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    assert!(told.out.starts_with("differs: "), "{}", told.out);
    assert!(told.out.contains("stdout: differs first in line 2, at byte "), "{}", told.out);
    assert!(told.out.contains("only times or durations differ"), "{}", told.out);
    // The text shows the cause: one run is enough.
    assert_eq!(project.runs(), 2);
}

#[test]
fn random_differences_are_distinguished_from_changes() {
    let project = Project::new();
    project
        .script("random.sh", "echo same; od -An -N8 -tx1 /dev/urandom | tr -d ' ' | sed 's/^/q/' | tee out");
    project.exec(&["sh", "random.sh"]);
    let told = project.verify(&["@", "--json"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(json["runs"], 2);
    for (place, item) in ["stdout", "output"].iter().enumerate() {
        let found = &json["differences"][place];
        assert_eq!(found["item"], **item, "{json}");
        assert_eq!(found["causes"][0], "random", "{json}");
    }
    assert_eq!(json["differences"][0]["first_line"], 2);
    assert_eq!(json["differences"][1]["path"], "out");
    assert_eq!(project.runs(), 3);
    assert_eq!(project.verify(&["@", "--once"]).status, 1);
    assert_eq!(project.runs(), 4);
}

#[test]
fn an_unseen_change_is_called_one() {
    let project = Project::new();
    // The arguments of another process are not observed.
    project.script("job.sh", "tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -cx verify");
    let mut exec = project.command(&["exec", "-q", "--cache-exit", "0,1", "sh", "job.sh"]);
    assert_eq!(Project::told(&mut exec).out, "0\n");
    let mut verify = project.command(&["verify", "@"]);
    let told = project.unchanged(|| Project::told(verify.env("SSH_MARK", "x")));
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("status: ok, was exit 1"), "{}", told.out);
    assert!(told.out.contains("changed: two runs in a row agree"), "{}", told.out);
    assert!(!told.out.contains("not deterministic"), "{}", told.out);
}

#[test]
fn another_order_and_addresses_have_their_names() {
    let project = Project::new();
    project.write(
        "order.py",
        "import os\nlines = ['a', 'b', 'c']\nif os.path.exists('/proc/self') and os.getpid() % 2 == 0:\n    pass\n\
         import secrets\nsecrets.SystemRandom().shuffle(lines)\nlines = [f'{l} {l}' for l in lines for _ in range(9)]\n\
         secrets.SystemRandom().shuffle(lines)\nprint('\\n'.join(lines))\n",
    );
    project.exec(&["python3", "order.py"]);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("the same lines in another order"), "{}", told.out);
    project.write(
        "address.py",
        "import secrets\nprint('<object at 0x7f%010x> pid %d' % (secrets.randbits(40), secrets.randbits(20)))\n",
    );
    project.exec(&["python3", "address.py"]);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    assert!(told.out.contains("only addresses"), "{}", told.out);
}

#[test]
fn every_kind_of_output_difference_is_reported() {
    let project = Project::new();
    // It depends on something that is not observed.
    let body = "if ! tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -qx verify; then
            printf 'one\\ntwo\\n' > text; printf 'a\\0b' > binary; echo > mode; ln -s x link; echo > gone; mkdir kind
        else
            printf 'one\\nTWO\\n' > text; printf 'a\\0c' > binary; echo > mode; chmod 600 mode; ln -s y link; echo > kind
            echo > new; rm keep; echo changed > there; mv moved away; echo >> away/file; exit 3
        fi";
    project.script("job.sh", body).write("keep", "kept").write("there", "there").write("moved/file", "f");
    let mut exec = project.command(&["exec", "-q", "sh", "job.sh"]);
    assert_eq!(Project::told(exec.env("SSH_MARK", "x")).status, 0);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    for words in [
        "status: exit 3, was ok",
        "text: differs first in line 2, at byte 4\n    − two\n    + TWO\n",
        "binary: differs first at byte 2\n",
        "mode: mode 644 → 600",
        "link: ",
        "gone: was written then, not this time",
        "kind: ",
        "new: is written this time, was not then",
        "keep: is removed this time, was not then",
        "there: is written this time, was not then",
        "away/file: is written this time, was not then",
    ] {
        assert!(told.out.contains(words), "{words:?} is not in\n{}", told.out);
    }
    assert_eq!(project.runs(), 3);
}

#[test]
fn the_page_on_json_gives_every_field() {
    let project = Project::new();
    let mut found = std::collections::BTreeSet::new();
    let mut verify = |status| {
        let told = project.verify(&["@", "--json"]);
        assert_eq!(told.status, status, "{}{}", told.out, told.err);
        fields(&serde_json::from_str(&told.out).unwrap(), "", &mut found);
    };
    for (then, now) in
        [("ln -s x l; echo a > o; exit 3", "ln -s y l; echo b > o; kill -9 $$"), ("kill -9 $$", "exit 3")]
    {
        let mark = "! tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -qx verify";
        project.script("job.sh", &format!("if {mark}; then {then}; fi; {now}"));
        let mut exec = project.command(&["exec", "-q", "--cache-exit", "3", "sh", "job.sh"]);
        Project::told(exec.env("SSH_MARK", "x"));
        verify(1);
        for output in ["l", "o"] {
            let _ = fs::remove_file(project.path(output));
        }
    }
    project.script("job.sh", "");
    verify(2);
    assert_eq!(documented().differences("verify --json", &found), (Vec::new(), Vec::new()));
}

#[test]
fn a_failed_command_is_verified_by_what_it_printed() {
    let project = Project::new();
    project.script("job.sh", "echo no >&2; echo partial > out; exit 4");
    assert_eq!(project.exec(&["sh", "job.sh"]).status, 4);
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    assert!(told.out.contains("exit 4") && told.out.contains("outputs were not recorded"), "{}", told.out);
}
