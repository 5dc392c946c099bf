//! A job that counts its executions and goes on at a sign, and calls of it at terminals and on pipes.

use crate::screen::{Project, Screen, below, eventually};
use std::fs;
use std::process::{Child, Command, Stdio};

/// A project with a job that counts its executions and goes on at a sign.
pub(crate) struct Scene {
    pub(crate) project: Project,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let project = Project::new();
        project.write("input", "one\n");
        Self { project }
    }

    /// A job, and a call of it on pipes that is running and can be joined.
    pub(crate) fn led(body: &str) -> (Self, Child) {
        let scene = Self::new();
        scene.job(body);
        let leader = scene.piped();
        scene.wait_for_executions(1);
        scene.wait_for_mark();
        (scene, leader)
    }

    /// Writes the job: `body` between a line in the count of executions and the end. `await NAME` waits for a sign.
    pub(crate) fn job(&self, body: &str) {
        let count = self.count_file();
        let signs = self.signs();
        fs::create_dir_all(&signs).unwrap();
        let (count, signs) = (count.display(), signs.display());
        self.project.write(
            "job.sh",
            &format!(
                "await() {{ while [ -d {signs} ] && [ ! -e {signs}/$1 ]; do sleep 0.01; done; }}\nruns() {{ wc -l < {count}; }}\necho x >> {count}\n{body}\n"
            ),
        );
    }

    pub(crate) fn signs(&self) -> std::path::PathBuf {
        self.project.path("../tmp/signs")
    }

    pub(crate) fn count_file(&self) -> std::path::PathBuf {
        self.project.path("../tmp/count")
    }

    pub(crate) fn sign(&self, name: &str) {
        fs::write(self.signs().join(name), "").unwrap();
    }

    pub(crate) fn executions(&self) -> usize {
        fs::read_to_string(self.count_file()).unwrap_or_default().lines().count()
    }

    pub(crate) fn options(&self) -> Vec<String> {
        vec![
            "--ignore-write".to_owned(),
            self.count_file().display().to_string(),
            "--ignore-read".to_owned(),
            self.count_file().display().to_string(),
            "--ignore-read".to_owned(),
            self.signs().display().to_string(),
        ]
    }

    pub(crate) fn words(&self, more: &[&str]) -> Vec<String> {
        let options = self.options();
        let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
        below(&options, &["sh", "job.sh"]).into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn at_terminal(&self, more: &[&str]) -> Screen {
        let words = self.words(more);
        self.project.at_terminal(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn command(&self) -> Command {
        let words = self.words(&[]);
        let mut command = self.project.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.stdin(Stdio::null());
        command
    }

    /// One on pipes.
    pub(crate) fn piped(&self) -> Child {
        self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn wait_for_executions(&self, number: usize) {
        eventually(|| if self.executions() >= number { Ok(()) } else { Err(String::new()) });
    }

    /// Waits until the run in progress can be followed.
    pub(crate) fn wait_for_mark(&self) {
        eventually(|| {
            let names = fs::read_dir(self.project.path(".cashet/tmp")).into_iter().flatten().flatten();
            let mut names = names.map(|entry| entry.file_name());
            let is_there = names.any(|name| name.to_string_lossy().starts_with("running-"));
            if is_there { Ok(()) } else { Err(String::new()) }
        });
    }
}

pub(crate) fn output(child: Child) -> (String, i32) {
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap_or(-1))
}

/// Without our own lines.
pub(crate) fn shown(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("cashet:"));
    lines.flat_map(|line| [line.trim_end(), "\n"]).collect()
}
