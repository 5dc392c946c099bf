//! The program `cashet`: words in, an exit status or a re-raised signal out.

use cashet::commands::{self, Exit};
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::main(std::env::args_os().skip(1)) {
        Exit::Status(status) => ExitCode::from(status),
        Exit::Signal(signal) => ExitCode::from(cashet::record::Termination::Signaled(signal).shell_status()),
    }
}
