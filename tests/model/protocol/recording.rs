//! The steps of `exec`: look up, claim, run, record.

use super::{At, EARLIER, Fault, Plan, Process, State};

impl State {
    #[expect(clippy::too_many_lines, reason = "a table of all its steps, in their order")]
    /// One step of `exec`; false where it has to wait or is over.
    pub(super) fn exec(&mut self, number: usize, plan: &Plan, fault: Fault) -> bool {
        let mut own = self.processes[number];
        let is_good = |commits: u8| if plan.holds { commits } else { commits & !(1 << EARLIER) };
        own.at = match own.at {
            At::ReadHot => {
                own.removed_before = self.removed;
                own.recorded_before = self.rows;
                match self.hot {
                    Some(hot) => {
                        own.read = is_good(hot);
                        // What has no room in the entry is found by the present answers.
                        if own.read != 0 {
                            At::ReadBlob
                        } else if plan.crowded && fault != Fault::PartTakenForWhole {
                            At::AskByAnswers
                        } else {
                            Self::missed(&own)
                        }
                    }
                    None => At::ReadRows,
                }
            }
            At::ReadRows => {
                own.read = self.rows;
                if own.read == 0 {
                    Self::missed(&own)
                } else if own.again {
                    // This process holds the key: it does not rebuild the hot entry.
                    if is_good(own.read) == 0 { Self::missed(&own) } else { At::ReadBlob }
                } else {
                    At::TakeKeyForRebuild
                }
            }
            At::TakeKeyForRebuild => {
                if fault == Fault::StaleRebuild {
                    At::WriteHot
                } else if self.lock_file != 0 && self.held.iter().any(|(file, _)| *file == self.lock_file) {
                    if is_good(own.read) == 0 { Self::missed(&own) } else { At::ReadBlob }
                } else {
                    self.make_lock_file();
                    self.held.push((self.lock_file, number));
                    own.rebuilds = true;
                    At::ShareForRebuild
                }
            }
            At::ShareForRebuild => {
                if !self.share(number) {
                    return false;
                }
                At::ReadRowsAgain
            }
            At::ReadRowsAgain => {
                own.read = self.rows;
                At::WriteHot
            }
            At::WriteHot => {
                self.hot = Some(own.read);
                self.shared &= !(1 << number);
                if own.rebuilds {
                    self.release_key(number);
                    own.rebuilds = false;
                }
                own.read = is_good(own.read);
                if own.read == 0 { Self::missed(&own) } else { At::ReadBlob }
            }
            At::AskByAnswers => {
                own.read = is_good(self.rows);
                own.renews = own.read != 0 && !own.again;
                if own.read == 0 { Self::missed(&own) } else { At::ReadBlob }
            }
            At::ReadBlob => match self.replay(number, &own) {
                At::Hit if own.renews => At::TakeKeyForRenewal,
                at => at,
            },
            At::TakeKeyForRenewal => {
                if self.lock_file != 0 && self.held.iter().any(|(file, _)| *file == self.lock_file) {
                    // Another process is recording: the entry is its.
                    At::Hit
                } else {
                    self.make_lock_file();
                    self.held.push((self.lock_file, number));
                    At::ShareForRenewal
                }
            }
            At::ShareForRenewal => {
                if !self.share(number) {
                    return false;
                }
                At::AskForRow
            }
            At::AskForRow => {
                if self.rows & own.read == own.read || fault == Fault::RenewedUnasked {
                    At::Renew
                } else {
                    self.end_recording(number);
                    At::Hit
                }
            }
            At::Renew => {
                // An entry that is gone meanwhile is not made.
                self.hot = self.hot.map(|hot| hot | own.read);
                self.end_recording(number);
                At::Hit
            }
            At::OpenLock => {
                self.make_lock_file();
                own.lock = self.lock_file;
                At::TakeLock
            }
            At::TakeLock => {
                if !self.held.iter().any(|(file, _)| *file == own.lock) {
                    self.held.push((own.lock, number));
                    At::CompareLock
                } else if own.waited {
                    return false;
                } else {
                    own.waited = true;
                    At::TakeLock
                }
            }
            At::CompareLock => {
                if own.lock == self.lock_file || fault == Fault::LockNotCompared {
                    own.again = true;
                    let looks = match fault {
                        Fault::NoSecondLook => false,
                        Fault::SecondLookAfterWaiting => own.waited,
                        _ => true,
                    };
                    if looks { At::ReadHot } else { At::Run }
                } else {
                    self.release_key(number);
                    At::OpenLock
                }
            }
            At::Run => {
                // Another process's result existed when this one took the key.
                if is_good(self.rows) & !own.removed_before != 0 && own.again && plan.crashes == 0 {
                    self.wrong = Some("run again though it was recorded");
                }
                if fault == Fault::RowBeforeBlobs { At::InsertRow } else { At::ShareForBlob }
            }
            At::ShareForBlob => {
                if !self.share(number) {
                    return false;
                }
                At::ListBlob
            }
            At::ListBlob => {
                own.pending = true;
                At::PutBlob
            }
            At::PutBlob => {
                self.blob = true;
                At::UnshareBlob
            }
            At::UnshareBlob => {
                self.shared &= !(1 << number);
                At::ShareForRow
            }
            At::ShareForRow => {
                if !self.share(number) {
                    return false;
                }
                At::CheckBlob
            }
            At::CheckBlob => {
                if self.blob {
                    At::RemoveHot
                } else {
                    self.end_recording(number);
                    own.pending = false;
                    At::Unrecorded
                }
            }
            At::RemoveHot => {
                self.hot = None;
                if fault == Fault::HotBeforeRow { At::HotOfRow } else { At::InsertRow }
            }
            At::InsertRow => {
                self.rows |= 1 << number;
                self.ever |= 1 << number;
                match fault {
                    Fault::HotBeforeRow => At::Settle,
                    Fault::RowBeforeBlobs if !self.blob => At::ShareForBlob,
                    _ => At::HotOfRow,
                }
            }
            At::HotOfRow => {
                self.hot = Some(self.rows | 1 << number);
                if fault == Fault::HotBeforeRow { At::InsertRow } else { At::Settle }
            }
            At::Settle => {
                self.end_recording(number);
                own.pending = false;
                At::Recorded
            }
            _ => return false,
        };
        self.processes[number] = own;
        true
    }

    fn end_recording(&mut self, number: usize) {
        self.shared &= !(1 << number);
        self.release_key(number);
    }

    fn make_lock_file(&mut self) {
        if self.lock_file == 0 {
            self.last_lock_file += 1;
            self.lock_file = self.last_lock_file;
        }
    }

    /// Nothing to replay: takes the key, or, if it has the key, runs the command.
    fn missed(own: &Process) -> At {
        if own.again { At::Run } else { At::OpenLock }
    }

    /// Replays the newest commit that was read, if its blob exists.
    fn replay(&mut self, number: usize, own: &Process) -> At {
        let chosen = 1_u8 << own.read.ilog2();
        if !self.blob {
            return Self::missed(own);
        }
        if self.ever & chosen == 0 {
            self.wrong = Some("a hit of what is not recorded");
        } else if own.removed_before & chosen != 0 {
            self.wrong = Some("a hit of what was removed");
        }
        self.release_key(number);
        At::Hit
    }
}
