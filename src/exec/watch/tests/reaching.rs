//! Sockets, namespaces, shared objects: what reaches outside.

use super::*;
