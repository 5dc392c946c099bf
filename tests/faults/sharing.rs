//! A program that writes to a shared cache or takes from it is killed at its n-th system call: stores and cache are intact, what
//! another machine takes is right or not there, and the next attempt finishes the work.

use crate::kills::{Killing, kill_everywhere};
use crate::project::{Project, copy_tree, files_below, remove};
use crate::scale::scaled;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// The process in the background that writes what waits.
    Publish,
    /// The same, where the cache knows the key by another result.
    PublishAgain,
    /// A call that takes a result from the cache.
    Fetch,
}

const ALL: &[Scenario] = &[Scenario::Publish, Scenario::PublishAgain, Scenario::Fetch];

/// A project with a shared cache, and three stores: of the machine that writes, of one that reads, and of one more.
struct Stage {
    project: Project,
}

impl Stage {
    fn place(&self, name: &str) -> PathBuf {
        self.project.outside(name)
    }

    fn store(&self, name: &str) -> String {
        self.place(name).to_str().unwrap().to_owned()
    }

    fn publish(&self) {
        self.project.must(&["publish", &self.store("first")]);
    }

    /// What another machine with an empty store gets: `hit`, `none`, or what is wrong.
    fn answer(&self, store: &str) -> Result<String, String> {
        self.project.clear();
        let words = ["exec", "--store", &self.store(store), "--mode", "replay", "--", "./job", "new"];
        let before = self.project.executions();
        let output = self.project.run(&words);
        if self.project.executions() != before {
            return Err("it ran".to_owned());
        }
        if output.status.code() == Some(121) {
            return Ok("none".to_owned());
        }
        self.project.wrong_answer("new", &output).map_or_else(|| Ok("hit".to_owned()), Err)
    }
}

impl Killing for Stage {
    type Scenario = Scenario;

    fn new() -> Self {
        let project = Project::new();
        let stage = Self { project };
        let cache = stage.place("cache");
        fs::create_dir(&cache).unwrap();
        let settings =
            format!("[remote]\nurl = \"dir:{}\"\nwrite = true\nupload = \"wait\"\n", cache.display());
        stage.project.write("cashet.toml", settings);
        // Younger files would be read again by each call.
        thread::sleep(Duration::from_millis(100));
        stage.project.must(&["exec", "--store", &stage.store("first"), "--", "./job", "other"]);
        // What comes now waits, since the cache is away.
        copy_tree(&cache, &stage.place("saved-other"));
        remove(&cache);
        stage.project.write("in", "2\n");
        thread::sleep(Duration::from_millis(100));
        stage.project.must(&["exec", "--store", &stage.store("first"), "--", "./job", "new"]);
        for entry in files_below(&stage.place("first/remote")) {
            // It is not left alone for having failed.
            if entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"numbers-")) {
                fs::remove_file(entry).unwrap();
            }
        }
        copy_tree(&stage.place("first"), &stage.place("saved-first"));
        fs::create_dir(&cache).unwrap();
        stage.publish();
        assert_eq!(stage.answer("probe").as_deref(), Ok("hit"));
        copy_tree(&cache, &stage.place("saved-new"));
        stage
    }

    fn project(&self) -> &Project {
        &self.project
    }

    fn words(&self, scenario: Scenario) -> Vec<String> {
        match scenario {
            Scenario::Publish | Scenario::PublishAgain => vec!["publish".to_owned(), self.store("first")],
            Scenario::Fetch => {
                ["exec", "--store", &self.store("reader"), "--", "./job", "new"].map(str::to_owned).into()
            }
        }
    }

    fn prepare(&self, scenario: Scenario) {
        for name in ["first", "reader", "probe", "cache"] {
            remove(&self.place(name));
        }
        copy_tree(&self.place("saved-first"), &self.place("first"));
        match scenario {
            Scenario::Publish => fs::create_dir(self.place("cache")).unwrap(),
            Scenario::PublishAgain => copy_tree(&self.place("saved-other"), &self.place("cache")),
            Scenario::Fetch => copy_tree(&self.place("saved-new"), &self.place("cache")),
        }
        self.project.clear();
    }

    fn wrong_after(&self, scenario: Scenario, _done: bool) -> Option<String> {
        for store in ["first", "reader"].iter().filter(|store| self.place(store).join("FORMAT").exists()) {
            let check = self.project.run(&["fsck", "--store", &self.store(store)]);
            if !check.status.success() {
                return Some(format!("fsck of {store}: {}", String::from_utf8_lossy(&check.stdout)));
            }
        }
        // What is there is right, and what was taken already is.
        if let Err(wrong) = self.answer("probe") {
            return Some(format!("another machine: {wrong}"));
        }
        if scenario == Scenario::Fetch {
            return match self.answer("reader") {
                Ok(found) if found == "hit" => None,
                other => Some(format!("the next call: {other:?}")),
            };
        }
        // A lock of the killed one is broken when it is old.
        for path in files_below(&self.place("cache")) {
            if path.extension().is_some_and(|end| end == "lock") {
                let old = SystemTime::now() - Duration::from_mins(1);
                fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
            }
        }
        self.publish();
        remove(&self.place("probe"));
        match self.answer("probe") {
            Ok(found) if found == "hit" => None,
            other => Some(format!("after another attempt: {other:?}")),
        }
    }
}

#[test]
fn killed_while_it_shares() {
    kill_everywhere::<Stage>(ALL, 12, scaled(30, 500));
}
