//! What JavaScript code lists, by text alone.

use super::{Filter, Listed};
use memchr::memmem;

/// Names by which code lists directories.
const LISTERS: &[&str] =
    &["readdir", "readdirSync", "opendir", "opendirSync", "glob", "globSync", "readDir", "scandir", "walk"];

/// What a source lists.
pub(super) fn of(source: &[u8]) -> Listed {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let mut listed = Listed::default();
    for name in LISTERS {
        for at in memmem::find_iter(source, name.as_bytes()) {
            let before = at.checked_sub(1).and_then(|at| source.get(at));
            let rest = source.get(at + name.len()..).unwrap_or_default();
            if is_part(before) || is_part(rest.first()) {
                continue;
            }
            match filter_of(rest) {
                Some(pattern) => {
                    listed.filters.push(Filter { directory: None, pattern, is_last: true });
                }
                None => listed.anything = true,
            }
        }
    }
    listed
}

/// The literal filter of `(…).filter(x => x.endsWith("…"))`.
fn filter_of(rest: &[u8]) -> Option<Vec<u8>> {
    let inside = rest.strip_prefix(b"(")?;
    let mut depth = 1;
    let end = inside.iter().position(|byte| {
        depth += match byte {
            b'(' => 1,
            b')' => -1,
            _ => 0,
        };
        depth == 0
    })?;
    let after = inside.get(end + 1..)?.trim_ascii_start().strip_prefix(b".filter(")?.trim_ascii_start();
    let after = after.strip_prefix(b"(").unwrap_or(after);
    let length = after.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let name = after.get(..length).filter(|name| !name.is_empty())?;
    let after = after.get(length..)?;
    let after = after.strip_prefix(b")").unwrap_or(after).trim_ascii_start();
    let after = after.strip_prefix(b"=>")?.trim_ascii_start().strip_prefix(name)?;
    let (is_end, after) = match (after.strip_prefix(b".endsWith("), after.strip_prefix(b".startsWith(")) {
        (Some(after), _) => (true, after),
        (_, Some(after)) => (false, after),
        _ => return None,
    };
    let quote = *after.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let text = after.get(1..)?;
    let end = text.iter().position(|byte| *byte == quote)?;
    let (text, after) = (text.get(..end)?, text.get(end + 1..)?);
    // Nothing else is asked.
    let is_all = after.starts_with(b"))");
    let is_plain = !text.contains(&b'\\') && !super::is_special(text);
    let pattern = if is_end { [b"*", text].concat() } else { [text, b"*"].concat() };
    (is_all && is_plain).then_some(pattern)
}
