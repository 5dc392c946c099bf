//! The protocol of one key: its lock file, the store's lock, blobs, rows, the hot entry, and the processes that use
//! them.
//!
//! Commits are numbered: process `p` records commit `p`, and one more was recorded earlier. All of them share one
//! blob, so that a process may collect what another one needs.

mod deleting;
mod recording;

/// Number of the earlier commit.
const EARLIER: u8 = 7;

/// Role of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `exec`: look up, claim, run, record.
    Exec,
    /// `rm` of the earlier commit.
    Remove,
    /// `gc`: unneeded blobs, unheld lock files.
    Collect,
}

/// The processes, and the initial store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) roles: &'static [Role],
    /// Whether the earlier commit exists.
    pub(crate) recorded: bool,
    /// Whether its observations hold, so that it may be replayed.
    pub(crate) holds: bool,
    /// Whether the hot entry has no room for it, so that it is found by its answers in the rows.
    pub(crate) crowded: bool,
    /// How many processes may die.
    pub(crate) crashes: u8,
}

/// A fault in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The hot entry is written before the row.
    HotBeforeRow,
    /// The row is written before the blob is in place.
    RowBeforeBlobs,
    /// Blobs are deleted before the row that names them.
    BlobsBeforeRow,
    /// The row is deleted before the hot entry.
    RowBeforeHot,
    /// Deleting takes no lock.
    DeleteUnlocked,
    /// Collection does not read the lists of blobs that are about to be recorded.
    PendingIgnored,
    /// A lock file that was removed meanwhile counts as the key's.
    LockNotCompared,
    /// No process looks again after taking the key.
    NoSecondLook,
    /// Only a process that waited for the key looks again.
    SecondLookAfterWaiting,
    /// A hot entry is rebuilt from rows that were read before the locks were taken.
    StaleRebuild,
    /// The key's lock outlives its holder.
    LeaseInPlaceOfLock,
    /// A result that was found by its answers enters the hot entry without a look whether its row is still there.
    RenewedUnasked,
    /// A hot entry that does not hold all results counts as if it did.
    PartTakenForWhole,
}

/// Position of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    ReadHot,
    ReadRows,
    TakeKeyForRebuild,
    ShareForRebuild,
    ReadRowsAgain,
    WriteHot,
    AskByAnswers,
    ReadBlob,
    TakeKeyForRenewal,
    ShareForRenewal,
    AskForRow,
    Renew,
    OpenLock,
    TakeLock,
    CompareLock,
    Run,
    ShareForBlob,
    ListBlob,
    PutBlob,
    UnshareBlob,
    ShareForRow,
    CheckBlob,
    RemoveHot,
    InsertRow,
    HotOfRow,
    Settle,
    TakeStore,
    DropFirst,
    DropSecond,
    LetGo,
    TakeStoreAgain,
    ReadRoots,
    DeleteBlob,
    DropLock,
    ReleaseStore,
    Hit,
    Recorded,
    Unrecorded,
    Done,
    Dead,
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Process {
    at: At,
    /// The commits that it has read, as bits.
    read: u8,
    /// Which lock file it has open.
    lock: u8,
    /// Whether it holds the key only to rebuild a hot entry.
    rebuilds: bool,
    /// Whether it looks for the second time, with the key held.
    again: bool,
    /// Whether another process had the key first.
    waited: bool,
    /// Whether its blob is on its list.
    pending: bool,
    /// Commits removed before its lookup began, as bits.
    removed_before: u8,
    /// Commits recorded before its lookup with the key held began, as bits.
    recorded_before: u8,
    /// Whether blobs are needed, as it found with the lock held.
    needed: bool,
    /// Whether what it read was found by its answers, and belongs into the hot entry.
    renews: bool,
}

/// The complete shared state, and all processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    processes: Vec<Process>,
    /// The lock file that the key's name leads to: 0 is none.
    lock_file: u8,
    last_lock_file: u8,
    /// The holder of each lock file.
    held: Vec<(u8, usize)>,
    shared: u8,
    exclusive: Option<usize>,
    blob: bool,
    rows: u8,
    hot: Option<u8>,
    removed: u8,
    /// Every commit that ever had a row.
    ever: u8,
    crashes: u8,
    wrong: Option<&'static str>,
}

impl State {
    pub(crate) fn new(plan: &Plan) -> Self {
        let process = |role: &Role| Process {
            at: if *role == Role::Exec { At::ReadHot } else { At::TakeStore },
            read: 0,
            lock: 0,
            rebuilds: false,
            again: false,
            waited: false,
            pending: false,
            removed_before: 0,
            recorded_before: 0,
            needed: false,
            renews: false,
        };
        let rows = if plan.recorded { 1 << EARLIER } else { 0 };
        Self {
            processes: plan.roles.iter().map(process).collect(),
            lock_file: 0,
            last_lock_file: 0,
            held: Vec::new(),
            shared: 0,
            exclusive: None,
            blob: plan.recorded,
            rows,
            hot: plan.recorded.then_some(if plan.crowded { 0 } else { rows }),
            removed: 0,
            ever: rows,
            crashes: 0,
            wrong: None,
        }
    }

    /// Every state that one step leads to.
    pub(crate) fn steps(&self, plan: &Plan, fault: Fault) -> Vec<(String, Self)> {
        let mut next = Vec::new();
        for (number, role) in plan.roles.iter().enumerate() {
            let at = self.processes[number].at;
            let mut after = self.clone();
            let steps = match role {
                Role::Exec => after.exec(number, plan, fault),
                Role::Remove | Role::Collect => after.delete(number, *role, fault),
            };
            if steps {
                next.push((format!("{number} {role:?}: {at:?}"), after));
            }
            let is_over = matches!(at, At::Hit | At::Recorded | At::Unrecorded | At::Done | At::Dead);
            if self.crashes < plan.crashes && !is_over {
                let mut after = self.clone();
                after.crash(number, fault);
                next.push((format!("{number} {role:?} dies at {at:?}"), after));
            }
        }
        next
    }

    /// Violations in any state.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        let running = self.processes.iter().filter(|process| process.at == At::Run).count();
        if self.rows != 0 && !self.blob {
            return Some("a row names a blob that is not there");
        }
        if running > 1 {
            return Some("two run at once");
        }
        self.wrong
    }

    /// Violations in a final state, where no process can continue.
    pub(crate) fn wrong_end(&self) -> Option<&'static str> {
        let all = |wanted: &[At]| self.processes.iter().all(|process| wanted.contains(&process.at));
        if !all(&[At::Hit, At::Recorded, At::Unrecorded, At::Done, At::Dead]) {
            return Some("somebody waits for ever");
        }
        let unrecorded = self.processes.iter().any(|process| process.at == At::Unrecorded);
        unrecorded.then_some("a run was not recorded")
    }

    /// The kernel releases the locks of a dead process; its list of pending blobs is released too.
    fn crash(&mut self, number: usize, fault: Fault) {
        self.crashes += 1;
        if fault != Fault::LeaseInPlaceOfLock {
            self.held.retain(|(_, holder)| *holder != number);
        }
        self.shared &= !(1 << number);
        self.let_go(number);
        self.processes[number].pending = false;
        self.processes[number].at = At::Dead;
    }

    fn share(&mut self, number: usize) -> bool {
        if self.exclusive.is_some() {
            return false;
        }
        self.shared |= 1 << number;
        true
    }

    fn release_key(&mut self, number: usize) {
        self.held.retain(|(_, holder)| *holder != number);
    }

    fn let_go(&mut self, number: usize) {
        if self.exclusive == Some(number) {
            self.exclusive = None;
        }
    }
}
