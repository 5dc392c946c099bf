//! Processes that outlive the command.

use super::*;
