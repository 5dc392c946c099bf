//! `cashet-remote` connects to a shared cache behind a network. `cashet` starts it and asks it over a unix socket, and
//! uses no network itself.
//!
//! One process serves one server address with one set of credentials, which it gets in its environment. It keeps
//! connections open, ends after ten minutes without a request, and holds no descriptor and no directory of its parent.

#[cfg(all(target_feature = "crt-static", target_os = "linux"))]
compile_error!(
    "a static glibc program cannot resolve names safely: build with `RUSTFLAGS= cargo build -p cashet-remote`"
);

#[path = "../../src/buffer.rs"]
#[expect(unreachable_pub, reason = "a module of the library")]
mod buffer;
#[path = "../../src/remote/carrier.rs"]
#[expect(dead_code, unreachable_pub, reason = "a module of the library")]
mod carrier;
#[path = "../../src/remote/execution.rs"]
#[expect(unreachable_pub, reason = "a module of the library")]
mod execution;
#[path = "../../src/remote/fields.rs"]
mod fields;
#[path = "../../src/remote/frames.rs"]
mod frames;
#[path = "../../src/remote/protocol.rs"]
#[expect(dead_code, unreachable_pub, reason = "a module of the library")]
mod protocol;

mod action;
mod bazel_http;
mod grpc;
mod http;
mod redis_server;
mod s3;
mod serve;
mod server;

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

/// The argument by which the program starts itself once more.
const SERVE: &str = "serve";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let word = words.next();
    match word.as_ref().and_then(|word| word.to_str()) {
        None if std::env::var_os(serve::SOCKET).is_some() => go_on_alone(),
        Some(SERVE) if std::env::var_os(serve::SOCKET).is_some() => serve::main(),
        Some("--version" | "-V") => {
            say(&mut std::io::stdout(), concat!("cashet-remote ", env!("CARGO_PKG_VERSION")))
        }
        _ => {
            let text = "cashet starts this program itself, where [remote] in cashet.toml names a server\n\
                        usage: cashet-remote --version";
            say(&mut std::io::stderr(), text);
            ExitCode::from(2)
        }
    }
}

/// Starts the program that serves, and ends: the new process is then a child of init.
fn go_on_alone() -> ExitCode {
    let Ok(program) = std::env::current_exe() else { return ExitCode::FAILURE };
    let mut command = Command::new(program);
    command.arg(SERVE).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn say(to: &mut dyn Write, text: &str) -> ExitCode {
    if writeln!(to, "{text}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
