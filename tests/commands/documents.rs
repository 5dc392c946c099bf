//! docs/cli.md is written from the parser; docs/json.md gives every shape that is written.
