//! The program `cashet`: words in, an exit status or a re-raised signal out.
//!
//! With glibc it does without the language's own start-up code, which costs a tenth of a hit; what that code would have
//! done and is needed, `cashet::exec::begin` does.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

use cashet::commands::{self, Exit};
use std::io::Write;

/// What the system's loader calls. A panic must not leave it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "the name that the C library starts a program by; there is no other of this name"
)]
#[unsafe(no_mangle)]
extern "C" fn main(_count: std::ffi::c_int, _words: *const *const std::ffi::c_char) -> std::ffi::c_int {
    std::panic::catch_unwind(run).unwrap_or(cashet::error::EXIT_FAILED).into()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn main() -> std::process::ExitCode {
    run().into()
}

fn run() -> u8 {
    cashet::exec::begin();
    let exit = commands::main(std::env::args_os().skip(1));
    // What could not be written has been told by whoever wrote it.
    let _ = std::io::stdout().flush();
    match exit {
        Exit::Status(status) => status,
        Exit::Signal(signal) => cashet::exec::raise_again(signal),
    }
}
