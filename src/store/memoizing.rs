//! What running commands needs of a store in a directory: each part of [`Store`].

mod bytes;
mod locks;
mod results;

use super::local::LocalStore;
use super::{Store, Workspace};

impl Store for LocalStore {
    fn workspace(&self) -> Workspace<'_> {
        self.layout().workspace()
    }
}
