//! Every path that `strace -f` sees in the same run is seen.

use super::*;
