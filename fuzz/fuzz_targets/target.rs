//! Hands any bytes to the entry of `cashet::fuzzing` that has this program's name.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let name = env!("CARGO_BIN_NAME");
    let (_, target) = cashet::fuzzing::TARGETS.iter().find(|(target, _)| *target == name).expect("an entry of that name");
    target(bytes);
});
