//! What is known of a program that a process executes, by its name and words.

use super::Watcher;
use crate::exec::{Image, Nature, Shows};
use crate::hash::interpreters;
use crate::memo::observe::{image, made, python_process, setting, system};
use crate::profiles::builders::{builder, is_timeless, seeks_settings};
use crate::profiles::linkers::opens_what_it_removes;
use crate::profiles::state::keeps;

impl Watcher<'_> {
    /// The nature of the program, and what of it counts for the whole run.
    pub(super) fn nature_of(&mut self, image: &Image<'_>) -> Nature {
        let is_function = python_process::runs(self.captured, image);
        // What its own code asks for is already known.
        let shows = if is_function { Shows::Nothing } else { image::shows(image) };
        let keeps = keeps(image.program, image.words);
        let is_function = is_function || python_process::runs_own_code(image, self.root);
        let is_interpreter = image.program.file_name().is_some_and(interpreters::is_one);
        let builder = builder(image.program, image.words);
        let is_timeless = builder.is_some_and(|tool| is_timeless(tool, image.words));
        self.has_timeless |= is_timeless;
        let compares_times = if is_timeless {
            None
        } else {
            image::compares_times(image, &self.captured.command.entry.directory, self.root)
        };
        Nature {
            shows,
            is_function,
            is_interpreter,
            is_shell: image.program.file_name().is_some_and(interpreters::is_shell),
            is_make: image::is_make(image),
            keeps,
            builder,
            compares_times,
            reads_code: made::reads_code(image),
            looks_up: system::looks_up(image, self.circumstances),
            uses_umask: setting::uses_umask(image),
            is_python: image
                .program
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"python")),
            names_modes: setting::names_modes(image),
            seeks_settings: seeks_settings(image.program),
            accepts_directories: setting::accepts_directories(image),
            removes_trees: setting::removes_trees(image),
            cuts_by_size: setting::cuts_by_size(image),
            asks_literally: setting::asks_literally(image),
            is_linker: setting::is_linker(image),
            opens_what_it_removes: opens_what_it_removes(image.program),
            copies_modes: setting::copies_modes(image),
            may_leave_files: image::may_leave_files(image, self.root),
            enters: image::enters(image),
            takes: image::takes(image),
        }
    }
}
