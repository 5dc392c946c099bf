//! Root and store discovery, and `cashet.toml`.
