//! The program `cashet`: words in, an exit status or a re-raised signal out.

use cashet::commands::{self, Exit};
use std::process::ExitCode;

fn main() -> ExitCode {
    cashet::exec::secure_standard_descriptors();
    match commands::main(std::env::args_os().skip(1)) {
        Exit::Status(status) => ExitCode::from(status),
        Exit::Signal(signal) => cashet::exec::raise_again(signal),
    }
}
