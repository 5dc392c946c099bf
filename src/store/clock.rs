//! A clock for computing ages that does not jump: a wrong system time makes no result old.
//!
//! The rule: a time that is at most 30 days ahead of the last believed one is believed. A time further ahead is suspect. It
//! is believed only once a time is seen that is one to 30 days later than the first suspect one. So a clock that jumps
//! ahead and is corrected within a day never makes anything old, and a store that really was unused for months is
//! collected one day after its next use. The believed time never moves back.

use crate::record::Timestamp;

/// Nanoseconds of one day.
pub(crate) const DAY: i64 = 86_400_000_000_000;

/// Largest step forward that is believed immediately, in nanoseconds.
pub(crate) const LARGEST_STEP: i64 = 30 * DAY;

/// State of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The latest believed time; `None` before the first.
    pub(crate) believed: Option<Timestamp>,
    /// The first time that was too far ahead to be believed.
    pub(crate) suspect: Option<Timestamp>,
}

impl Clock {
    /// The state after the system clock was read as `now`.
    #[must_use]
    pub(crate) fn see(self, now: Timestamp) -> Self {
        let Some(believed) = self.believed else {
            return Self { believed: Some(now), suspect: None };
        };
        if now.0 <= believed.0.saturating_add(LARGEST_STEP) {
            return Self { believed: Some(now.max(believed)), suspect: None };
        }
        match self.suspect {
            Some(suspect) if suspect <= now && now.0 <= suspect.0.saturating_add(LARGEST_STEP) => {
                let stayed = now.0 >= suspect.0.saturating_add(DAY);
                if stayed { Self { believed: Some(now), suspect: None } } else { self }
            }
            // The first suspect time, or another jump.
            _ => Self { believed: Some(believed), suspect: Some(now) },
        }
    }

    /// The time from which ages are computed when the system clock says `now`.
    #[must_use]
    pub(crate) fn reference(self, now: Timestamp) -> Timestamp {
        self.believed.map_or(now, |believed| believed.min(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(days: i64) -> Timestamp {
        Timestamp(days * DAY)
    }

    #[test]
    fn a_jump_ahead_counts_only_after_a_day() {
        let clock = Clock::default().see(at(100)).see(at(101)).see(at(5000));
        assert_eq!(clock.reference(at(5000)), at(101));
        assert_eq!(clock.see(at(5000)).reference(at(5000)), at(101));
        assert_eq!(clock.see(at(102)), Clock { believed: Some(at(102)), suspect: None });
        assert_eq!(clock.see(at(5001)).reference(at(5001)), at(5001));
    }

    #[test]
    fn two_different_jumps_do_not_confirm_each_other_at_once() {
        let clock = Clock::default().see(at(100)).see(at(9000)).see(at(5000));
        assert_eq!(clock, Clock { believed: Some(at(100)), suspect: Some(at(5000)) });
        assert_eq!(clock.see(at(9000)), Clock { believed: Some(at(100)), suspect: Some(at(9000)) });
    }

    #[test]
    fn time_that_goes_back_makes_nothing_older() {
        let clock = Clock::default().see(at(100)).see(at(3));
        assert_eq!(clock.believed, Some(at(100)));
        assert_eq!(clock.reference(at(3)), at(3));
    }

    proptest! {
        #[test]
        fn the_reference_is_never_ahead_of_the_clock(times in prop::collection::vec(-10_000_i64..10_000, 1..20)) {
            let mut clock = Clock::default();
            for time in times {
                clock = clock.see(at(time));
                prop_assert!(clock.reference(at(time)) <= at(time));
            }
        }

        #[test]
        fn one_day_of_wrong_time_ages_nothing(ahead in 31_i64..100_000, looks in 1_usize..10) {
            let mut clock = Clock::default().see(at(100));
            for look in 0..looks {
                let hours = i64::try_from(look).unwrap() * DAY / 10;
                clock = clock.see(Timestamp(at(100 + ahead).0 + hours));
                prop_assert_eq!(clock.reference(at(100 + ahead)), at(100));
            }
        }
    }
}
