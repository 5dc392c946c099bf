//! More everyday commands: other users and hosts, package managers, databases, compilers, server processes.

use crate::commands::has;
use crate::twin::{CASHET, Outcome, Twin, settle};
use std::process::Command;

fn project() -> Twin {
    let twin = Twin::new();
    twin.write("lines", "c\nb\na\n").write("a.csv", "1,2\n3,4\n");
    settle();
    twin
}

#[test]
fn another_user() {
    let twin = project();
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root becomes somebody else without being asked");
        return;
    }
    if has("su") {
        // Another user has other permissions: root finds files that that user cannot inspect.
        let nobody = twin.call(["su", "nobody", "-s", "/bin/sh", "-c", "echo as another; cat lines"]);
        assert_eq!(nobody.runs(), Outcome::NotKept("hazard".to_owned()));
        twin.call(["su", "root", "-c", "cat lines"]).settles_after(1);
        twin.write("lines", "d\n");
        nobody.runs();
    }
    if has("sudo") {
        twin.call(["sudo", "-n", "cat", "lines"]).settles_after(1);
    }
}

#[test]
fn another_host() {
    if !has("ssh") {
        return;
    }
    let twin = project();
    // Without a host it prints its usage, and fails.
    for _ in 0..3 {
        assert_eq!(twin.call(["ssh"]).runs(), Outcome::NotKept("failed".to_owned()));
    }
    twin.call(["ssh"]).with(&["--cache-exit", "255"]).settles_after(1);
    // It does not work for a user without a name.
    if !Command::new("id").arg("-un").output().unwrap().status.success() {
        return;
    }
    // No server listens there.
    let call = twin
        .call(["ssh", "-o", "BatchMode=yes", "-p", "1", "127.0.0.1", "true"])
        .with(&["--cache-exit", "255"]);
    for _ in 0..3 {
        assert_eq!(call.runs(), Outcome::NotKept("network".to_owned()));
    }
}

#[test]
fn side_by_side_and_left_alone() {
    let twin = project();
    twin.sh("seq 1 8 | xargs -P4 -n1 sh -c 'cat a.csv > part.$0'").settles_after(1);
    twin.remove("part.3").sh("seq 1 8 | xargs -P4 -n1 sh -c 'cat a.csv > part.$0'").hits();
    twin.call(["nohup", "sh", "-c", "cat lines > told"]).settles_after(1);
    twin.write("lines", "d\n");
    twin.call(["nohup", "sh", "-c", "cat lines > told"]).runs();
}

#[test]
fn cashet_under_cashet() {
    let twin = project();
    for traced in [false, true] {
        let inner = format!("{CASHET} exec -- cat a.csv && cat lines");
        let call = twin.call(["sh", "-c", &inner]).traced(traced);
        call.settles_after(2);
        twin.write("lines", format!("traced: {traced}\n"));
        call.runs();
        twin.write("a.csv", format!("traced: {traced}\n"));
        call.runs();
        call.settles_after(1);
    }
}

#[test]
fn packages_and_their_variables() {
    let twin = project();
    let there = Command::new("/usr/bin/env").args(["python3", "-m", "pip", "--version"]).output();
    if !there.is_ok_and(|ran| ran.status.success()) {
        println!("SKIPPED: there is no pip");
        return;
    }
    let list = ["python3", "-m", "pip", "list", "--disable-pip-version-check"];
    twin.call(list).settles_after(1);
    // A name that pip composes from its options: no file contains it whole.
    let call = twin.call(list).env("PIP_FORMAT", "json");
    assert_eq!(call.runs(), Outcome::Kept);
    call.hits();
    assert_eq!(twin.call(list).env("PIP_FORMAT", "freeze").runs(), Outcome::Kept);
    twin.call(list).hits();
}

#[test]
fn tests_of_python_itself() {
    let twin = project();
    twin.write("test_it.py", "import unittest\nclass T(unittest.TestCase):\n    def test_one(self):\n        with open('lines') as lines: self.assertEqual(len(lines.read()), 6)\n");
    let call = twin.sh("python3 -m unittest -q test_it 2>&1 | tail -n 1");
    call.settles_after(1);
    twin.write("test_it.py", "import unittest\nclass T(unittest.TestCase):\n    def test_one(self):\n        with open('lines') as lines: self.assertEqual(len(lines.read()), 7)\n");
    call.runs();
    twin.write("lines", "1234567");
    call.runs();
}

#[test]
fn processes_that_serve_each_other() {
    let twin = project();
    twin.write("manager.py", "from multiprocessing import Manager, Process\ndef work(shared):\n    shared['rows'] = open('a.csv').read()\nif __name__ == '__main__':\n    with Manager() as manager:\n        shared = manager.dict()\n        process = Process(target=work, args=(shared,))\n        process.start()\n        process.join()\n        print(dict(shared))\n");
    let call = twin.call(["python3", "manager.py"]);
    call.settles_after(1);
    twin.write("a.csv", "5,6\n");
    call.runs();
    // Each process of this kind starts Python again.
    twin.write("spawn.py", "import multiprocessing\ndef rows(_):\n    return open('a.csv').read()\nif __name__ == '__main__':\n    with multiprocessing.get_context('spawn').Pool(2) as pool:\n        print(pool.map(rows, range(3)))\n");
    let call = twin.call(["python3", "spawn.py"]);
    call.settles_after(1);
    twin.write("a.csv", "7,8\n");
    call.runs();
}

#[test]
fn data_bases() {
    let twin = project();
    let made = "import sqlite3\nd = sqlite3.connect('db')\nd.execute('create table t (n)')\nd.execute('insert into t values (7)')\nd.commit()\n";
    let sql = |root: &std::path::Path, code: &str| {
        assert!(Command::new("python3").args(["-c", code]).current_dir(root).status().unwrap().success());
    };
    twin.both(|root| sql(root, made));
    settle();
    if has("sqlite3") {
        let call = twin.call(["sqlite3", "db", "select n from t"]);
        call.settles_after(1);
        twin.both(|root| sql(root, "import sqlite3\nd = sqlite3.connect('db')\nd.execute('insert into t values (8)')\nd.commit()\n"));
        call.runs();
        let insert = twin.call(["sqlite3", "db", "insert into t values (9)"]);
        for _ in 0..3 {
            assert_eq!(insert.runs(), Outcome::Kept);
        }
        call.runs();
    }
}

#[test]
fn compilers_that_are_not_everywhere() {
    let twin = project();
    if has("java") && has("javac") {
        twin.write("A.java", "public class A { public static void main(String[] a) throws Exception { System.out.print(new String(java.nio.file.Files.readAllBytes(java.nio.file.Path.of(\"lines\")))); } }\n");
        let build = twin.call(["javac", "A.java"]);
        build.settles_after(2);
        let run = twin.call(["java", "-cp", ".", "A"]);
        run.settles_after(1);
        twin.remove("A.class");
        build.hits();
        run.hits();
        twin.write("lines", "d\n");
        run.runs();
    }
    if has("go") {
        twin.write("go.mod", "module x\n").write("main.go", "package main\nfunc main() { println(7) }\n");
        twin.call(["go", "vet"]).agree();
        twin.call(["go", "vet"]).settles_after(2);
    }
    if has("cmake") {
        twin.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.5)\nproject(x NONE)\n");
        // Its files contain the path.
        let [root, _] = twin.roots();
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            let ran = Command::new(CASHET)
                .args(["exec", "--report", "../report", "--", "cmake", "-B", "out"])
                .current_dir(&root)
                .output();
            assert!(ran.unwrap().status.success());
            let report = std::fs::read_to_string(root.join("../report")).unwrap();
            outcomes.push(report.contains("\"outcome\":\"hit\""));
            settle();
        }
        assert!(outcomes.last() == Some(&true), "{outcomes:?}");
    }
}
