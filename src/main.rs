//! The program `cashet`: words in, an exit status or a re-raised signal out.
//!
//! With glibc it does without Rust's start-up code, which costs a tenth of a hit; `cashet::exec::begin` does the parts of it
//! that are needed.
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

/// Elsewhere the system's loader calls it before Rust's start-up code.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
extern "C" fn before_main() {
    cashet::exec::remember_start();
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array.00100"))]
#[expect(unsafe_code, reason = "naming the loader's table of functions to run before main")]
// SAFETY: the table holds pointers to functions of exactly this kind, and what it runs needs nothing that is
// set up later.
static BEFORE_MAIN: extern "C" fn() = before_main;

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn main() -> std::process::ExitCode {
    run().into()
}

fn run() -> u8 {
    cashet::exec::remember_start();
    cashet::exec::begin();
    let exit = commands::main(std::env::args_os().skip(1));
    // An error of writing was reported where it happened.
    let _ = std::io::stdout().flush();
    match exit {
        Exit::Status(status) => status,
        Exit::Signal(signal) => cashet::exec::raise_again(signal),
    }
}
