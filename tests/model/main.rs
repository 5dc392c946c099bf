//! A model of processes that share a store, checked in every order of their steps, with a crash at any step.
//!
//! The steps are those of docs/store-format.md: claim, run, put blobs in place, record; remove; collect. A missing
//! step, or a wrong order, must be detected: the faults below are planted one at a time.

#![expect(clippy::indexing_slicing, reason = "a model that looks beyond what is there has failed")]

mod checker;
mod protocol;

use checker::explore;
use protocol::{Fault, Plan, Role};

/// Processes that run in parallel.
const PLANS: &[Plan] = &[
    Plan {
        roles: &[Role::Exec, Role::Exec, Role::Exec],
        recorded: false,
        holds: false,
        crowded: false,
        crashes: 0,
    },
    Plan { roles: &[Role::Exec, Role::Exec], recorded: false, holds: false, crowded: false, crashes: 2 },
    Plan {
        roles: &[Role::Exec, Role::Exec, Role::Collect],
        recorded: false,
        holds: false,
        crowded: false,
        crashes: 1,
    },
    Plan {
        roles: &[Role::Exec, Role::Exec, Role::Remove],
        recorded: true,
        holds: true,
        crowded: false,
        crashes: 1,
    },
    Plan {
        roles: &[Role::Exec, Role::Exec, Role::Remove],
        recorded: true,
        holds: false,
        crowded: false,
        crashes: 1,
    },
    Plan {
        roles: &[Role::Exec, Role::Remove, Role::Collect],
        recorded: true,
        holds: true,
        crowded: false,
        crashes: 1,
    },
    Plan {
        roles: &[Role::Exec, Role::Remove, Role::Collect],
        recorded: true,
        holds: false,
        crowded: false,
        crashes: 1,
    },
    Plan {
        roles: &[Role::Exec, Role::Remove, Role::Exec],
        recorded: true,
        holds: true,
        crowded: true,
        crashes: 1,
    },
    Plan {
        roles: &[Role::Exec, Role::Exec, Role::Exec, Role::Remove],
        recorded: true,
        holds: true,
        crowded: true,
        crashes: 0,
    },
    Plan { roles: &[Role::Exec, Role::Exec], recorded: true, holds: true, crowded: true, crashes: 0 },
];

#[test]
fn the_protocol_holds_in_every_order() {
    for plan in PLANS {
        let explored = explore(plan, Fault::None);
        println!("{:?}: {} states", plan.roles, explored.states);
        assert!(explored.violation.is_none(), "{plan:?}: {:#?}", explored.violation);
        assert!(explored.states > 20, "{plan:?}: {}", explored.states);
    }
}

/// Four processes: half a million states.
const LARGE: Plan = Plan {
    roles: &[Role::Exec, Role::Exec, Role::Remove, Role::Collect],
    recorded: true,
    holds: true,
    crowded: false,
    crashes: 1,
};

#[test]
fn the_protocol_holds_with_four() {
    if std::env::var_os("CASHET_TEST_SCALE").is_some_and(|scale| scale == "full") {
        let explored = explore(&LARGE, Fault::None);
        println!("{:?}: {} states", LARGE.roles, explored.states);
        assert!(explored.violation.is_none(), "{:#?}", explored.violation);
    } else {
        println!("SKIPPED: only with CASHET_TEST_SCALE=full");
    }
}

/// The first plan that reveals a fault, with the violation.
fn found(fault: Fault) -> Option<String> {
    PLANS.iter().find_map(|plan| explore(plan, fault).violation).map(|violation| violation.what.to_owned())
}

#[test]
fn planted_faults_are_found() {
    for (fault, expected) in [
        (Fault::HotBeforeRow, "a hit of what is not recorded"),
        (Fault::BlobsBeforeRow, "a row names a blob that is not there"),
        (Fault::RowBeforeHot, "a hit of what was removed"),
        (Fault::DeleteUnlocked, "a row names a blob that is not there"),
        (Fault::PendingIgnored, "a run was not recorded"),
        (Fault::LockNotCompared, "two run at once"),
        (Fault::NoSecondLook, "run again though it was recorded"),
        (Fault::SecondLookAfterWaiting, "run again though it was recorded"),
        (Fault::StaleRebuild, "a hit of what was removed"),
        (Fault::RowBeforeBlobs, "a row names a blob that is not there"),
        (Fault::LeaseInPlaceOfLock, "somebody waits for ever"),
        (Fault::RenewedUnasked, "a hit of what was removed"),
        (Fault::PartTakenForWhole, "run again though it was recorded"),
    ] {
        assert_eq!(found(fault).as_deref(), Some(expected), "{fault:?}");
    }
}
