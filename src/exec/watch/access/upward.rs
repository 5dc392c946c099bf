//! Paths that were reached from below: by `..`, or by going to a directory that is not below.

use super::Observer;

impl Observer<'_> {
    /// `path` was named as `asked`, which is not cleaned, and relative to `base` if there is one.
    pub(in crate::exec::watch) fn asked_as(&mut self, path: &[u8], asked: &[u8], base: Option<&[u8]>) {
        let up = asked.windows(4).position(|part| part == b"/../");
        let up = up.or_else(|| asked.len().checked_sub(3).filter(|_| asked.ends_with(b"/..")));
        let from = match (up.and_then(|up| asked.get(..up)), base) {
            (Some(from), _) => match self.upward.get(from) {
                Some((from, _)) => (from.clone(), true),
                None => (from.to_vec(), true),
            },
            (None, Some(base)) => match self.upward.get(base) {
                Some(from) => from.clone(),
                None => return,
            },
            (None, None) => return,
        };
        self.upward.entry(path.to_vec()).or_insert(from);
    }

    /// The stopped thread changes its working directory to `path`.
    pub(in crate::exec::watch) fn enters(&mut self, path: &[u8]) {
        for link in self.resolver.physical(path, true).links {
            self.text_is_read(&link, false);
        }
        let Ok(before) = self.working.of(self.touches.caller) else { return };
        let is_below = path
            .strip_prefix(before.as_slice())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
        if !is_below {
            let from =
                self.upward.get(&before).map_or_else(|| (before, false), |(from, _)| (from.clone(), false));
            self.upward.entry(path.to_vec()).or_insert(from);
        }
    }
}
