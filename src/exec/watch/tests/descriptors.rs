//! Use of standard input and other inherited descriptors.

use super::*;
