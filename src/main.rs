//! The program `cashet`: words in, an exit status or a re-raised signal out.

fn main() {}
