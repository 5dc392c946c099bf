//! The steps of `rm` and `gc`.

use super::{At, EARLIER, Fault, Role, State};

impl State {
    /// One step of `rm` or `gc`.
    pub(super) fn delete(&mut self, number: usize, role: Role, fault: Fault) -> bool {
        let mut own = self.processes[number];
        let earlier = 1_u8 << EARLIER;
        let order = match (role, fault) {
            (Role::Collect, _) => [At::ReadRoots, At::DeleteBlob, At::DropLock],
            (_, Fault::BlobsBeforeRow) => [At::DeleteBlob, At::DropFirst, At::DropSecond],
            _ => [At::DropFirst, At::DropSecond, At::ReadRoots],
        };
        own.at = match own.at {
            At::TakeStore => {
                if !self.take_store(number, fault) {
                    return false;
                }
                order[0]
            }
            At::DropFirst => {
                if fault == Fault::RowBeforeHot {
                    self.drop_row(earlier);
                } else {
                    self.hot = None;
                }
                At::DropSecond
            }
            At::DropSecond => {
                if fault == Fault::RowBeforeHot {
                    self.hot = None;
                } else {
                    self.drop_row(earlier);
                }
                if fault == Fault::BlobsBeforeRow { At::ReleaseStore } else { At::LetGo }
            }
            At::LetGo => {
                self.let_go(number);
                At::TakeStoreAgain
            }
            At::TakeStoreAgain => {
                if !self.take_store(number, fault) {
                    return false;
                }
                At::ReadRoots
            }
            At::ReadRoots => {
                let pending = self.processes.iter().any(|process| process.pending);
                own.needed = self.rows != 0 || (pending && fault != Fault::PendingIgnored);
                At::DeleteBlob
            }
            At::DeleteBlob => {
                if !own.needed {
                    self.blob = false;
                }
                if order[0] == At::DeleteBlob { At::DropFirst } else { At::DropLock }
            }
            At::DropLock => {
                if !self.held.iter().any(|(file, _)| *file == self.lock_file) {
                    self.lock_file = 0;
                }
                At::ReleaseStore
            }
            At::ReleaseStore => {
                self.let_go(number);
                At::Done
            }
            _ => return false,
        };
        self.processes[number] = own;
        true
    }

    /// Waits until no process shares the store.
    fn take_store(&mut self, number: usize, fault: Fault) -> bool {
        let is_free = self.exclusive.is_none() && self.shared == 0;
        if is_free && fault != Fault::DeleteUnlocked {
            self.exclusive = Some(number);
        }
        is_free || fault == Fault::DeleteUnlocked
    }

    fn drop_row(&mut self, commit: u8) {
        self.rows &= !commit;
        self.removed |= commit;
    }
}
