//! Linkers.

use super::state::is_named;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// LLVM's linker, by the names of its file.
const LLD: &[&str] = &["lld", "lld-#", "ld.lld", "ld.lld-#", "ld64.lld", "rust-lld", "wasm-ld", "wasm-ld-#"];

/// Whether `program`, an executable, opens the former output that it is about to remove, and does not read it: closing it on another
/// thread frees its blocks in the background.
#[must_use]
pub fn opens_what_it_removes(program: &Path) -> bool {
    program.file_name().is_some_and(|name| is_named(name.as_bytes(), LLD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lld_has_many_names() {
        for name in ["/usr/lib/llvm-19/bin/lld", "/usr/bin/ld.lld-19", "rust-lld", "wasm-ld"] {
            assert!(opens_what_it_removes(Path::new(name)), "{name}");
        }
        for name in ["/usr/bin/ld", "ld.bfd", "ld.gold", "mold", "clang", "build", "lld-wrapper", "/"] {
            assert!(!opens_what_it_removes(Path::new(name)), "{name}");
        }
    }
}
