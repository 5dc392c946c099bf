//! A random tree, twice.

use super::program::Program;
use super::random::Random;
use crate::twin::{Outcome, Twin};

pub(super) struct World(pub(super) Twin);

impl World {
    pub(super) fn new(random: &mut Random) -> Self {
        let twin = Twin::new();
        // Bytecode is nobody's input; that there is some shows in listings.
        twin.directory("d1/d3").directory("__pycache__");
        for name in ["f0", "f1", "f2", "d0/f3", "d0/f4", "d1/f5"] {
            twin.write(name, random.pick(&["alpha\n", "gamma\nalpha\n", "", "beta", "alpha\nbeta\n"]));
        }
        // Looked at for their times alone.
        twin.write("t0", "").touch("t0", 4).write("t1", "").touch("t1", 6);
        if random.chance(2, 3) {
            twin.link("f1", "l0").link("d0", "l1");
        }
        Self(twin)
    }

    pub(super) fn write_program(&self, program: &Program) {
        for (name, text) in &program.files {
            self.0.write(name, text).mode(name, if name == "tool" { 0o755 } else { 0o644 });
        }
    }

    /// Makes the call on both sides.
    pub(super) fn compare(&self, program: &Program) -> (Outcome, Vec<String>) {
        let mut call = self.0.call(&program.words).umask(program.umask);
        for (name, value) in &program.variables {
            call = call.env(name, value);
        }
        call.compare()
    }
}
