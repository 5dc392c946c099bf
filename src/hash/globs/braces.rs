//! Braces in patterns: `{a,b}` stands for each of its alternatives.

/// Maximum number of alternatives of a pattern.
const MOST_ALTERNATIVES: usize = 1024;

/// The words that braces expand to; `None` for too many. Braces that do not close are literal.
pub(super) fn alternatives_of(pattern: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_vec()];
    while let Some(word) = open.pop() {
        match first_braces(&word) {
            None => done.push(word),
            Some((start, commas, end)) => {
                let mut from = start + 1;
                for to in commas.into_iter().chain([end]) {
                    let mut one = word.get(..start).unwrap_or_default().to_vec();
                    one.extend_from_slice(word.get(from..to).unwrap_or_default());
                    one.extend_from_slice(word.get(end + 1..).unwrap_or_default());
                    open.push(one);
                    from = to + 1;
                }
            }
        }
        if done.len() + open.len() > MOST_ALTERNATIVES {
            return None;
        }
    }
    Some(done)
}

/// The first outer pair of braces with a comma in it: where it opens, its own commas, where it closes.
fn first_braces(word: &[u8]) -> Option<(usize, Vec<usize>, usize)> {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut commas = Vec::new();
    let mut escaped = false;
    for (place, byte) in word.iter().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match byte {
            b'\\' => escaped = true,
            b'{' => {
                if depth == 0 {
                    start = place;
                    commas.clear();
                }
                depth += 1;
            }
            b',' if depth == 1 => commas.push(place),
            b'}' if depth == 1 => return Some((start, commas, place)),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}
