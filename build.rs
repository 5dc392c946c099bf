//! Lets the linker put what a hit uses side by side: a page fault maps 64 KiB of the program and costs as much as
//! two thousand instructions, and what a hit needs would otherwise lie all over it.
//!
//! The names in `benches/order.txt` are made by `benches/order.sh`. One that no longer exists is passed over, so a stale
//! list costs time and nothing else.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The list, relative to the package.
const ORDER: &str = "benches/order.txt";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ORDER}");
    let set = |name| env::var(name).unwrap_or_default();
    if set("PROFILE") != "release" || set("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let list = Path::new(&set("CARGO_MANIFEST_DIR")).join(ORDER);
    let arguments = [
        format!("-Wl,--symbol-ordering-file={}", list.display()),
        "-Wl,--no-warn-symbol-ordering".to_owned(),
    ];
    if list.is_file() && linker_takes(&arguments) {
        for argument in arguments {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
}

/// Whether an empty program can be linked so: LLVM's linker knows these options, others may not.
fn linker_takes(arguments: &[String]) -> bool {
    let (Some(compiler), Some(target), Some(out)) =
        (env::var_os("RUSTC"), env::var_os("TARGET"), env::var_os("OUT_DIR"))
    else {
        return false;
    };
    let source = Path::new(&out).join("probe.rs");
    if fs::write(&source, "fn main() {}\n").is_err() {
        return false;
    }
    let mut probe = Command::new(compiler);
    probe.arg(&source).arg("-o").arg(Path::new(&out).join("probe")).arg("--target").arg(target);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("linker=");
        option.push(linker);
        probe.arg("-C").arg(option);
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    probe.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    for argument in arguments {
        probe.arg("-C").arg(format!("link-arg={argument}"));
    }
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
