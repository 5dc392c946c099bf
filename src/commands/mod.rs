//! One file per command, each its arguments and one function over library calls.

mod check;
mod exec;
pub mod exit;
pub mod options;
pub mod revision;
mod runner;
pub mod values;

pub use exit::Exit;

/// Does what the words after `cashet` say.
pub fn main(words: impl Iterator<Item = std::ffi::OsString>) -> Exit {
    let words: Vec<_> = words.collect();
    match words.split_first() {
        Some((first, rest)) if first == "exec" => exec::main(rest),
        Some((first, rest)) if first == "check" => check::main(rest),
        _ => Exit::Status(2),
    }
}
