//! What code lists: names that its literal filters let through.

/// Names that one listing lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The directory that is listed, as the code words it, where that is literal.
    pub directory: Option<String>,
    /// A pattern of names: `*` and `?` have the meaning that they have in a shell, brackets and braces match anything.
    pub pattern: Vec<u8>,
    /// It is the last part of a pattern of paths. What is not a directory decides nothing in another part.
    pub is_last: bool,
}

/// What code lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// What its listings let through.
    pub filters: Vec<Filter>,
    /// It lists in a way that is not understood.
    pub anything: bool,
}

impl Listed {
    /// What has to be assumed of code that cannot be read.
    pub const UNKNOWN: Self = Self { filters: Vec::new(), anything: true };

    /// Takes in what other code of the same program lists.
    pub fn merge(&mut self, other: Self) {
        self.filters.extend(other.filters);
        self.anything |= other.anything;
    }

    /// Adds the parts of a pattern of paths, in which each literal part stands for itself.
    pub fn add_path(&mut self, directory: Option<&str>, path: &[u8]) {
        let parts: Vec<&[u8]> =
            path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        let first = parts.iter().position(|part| is_special(part));
        let Some(first) = first else { return };
        let literal = path.split(|byte| *byte == b'/').take(first).collect::<Vec<_>>().join(&b'/');
        let directory = directory.and_then(|directory| {
            let literal = std::str::from_utf8(&literal).ok()?;
            Some(if directory == "." { literal.to_owned() } else { format!("{directory}/{literal}") })
        });
        for (number, part) in parts.iter().enumerate().skip(first) {
            let (is_first, is_last) = (number == first, number + 1 == parts.len());
            self.filters.push(Filter {
                // What is below a name that is not literal is any directory.
                directory: directory.clone().filter(|_| is_first),
                pattern: part.to_vec(),
                is_last,
            });
        }
    }
}

/// Whether anything in `part` is special.
#[must_use]
pub fn is_special(part: &[u8]) -> bool {
    part.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{'))
}

/// Whether `name` may match `pattern`. In doubt it does.
#[must_use]
pub fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    // Where the last star stood, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), name.get(in_name)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((at + 1, in_name));
                at += 1;
                continue;
            }
            (Some(open @ (b'[' | b'{')), _) => {
                let close = if *open == b'[' { b']' } else { b'}' };
                // `[]a]` holds a bracket.
                let rest = pattern.get(at + 2..).unwrap_or_default();
                let Some(end) = rest.iter().position(|byte| *byte == close) else { return true };
                star = Some((at + end + 3, in_name));
                at += end + 3;
                continue;
            }
            (Some(b'?'), Some(_)) => {
                (at, in_name) = (at + 1, in_name + 1);
                continue;
            }
            (Some(wanted), Some(found)) if wanted == found => {
                (at, in_name) = (at + 1, in_name + 1);
                continue;
            }
            _ => {}
        }
        let Some((after, taken)) = star.filter(|(_, taken)| *taken < name.len()) else { return false };
        star = Some((after, taken + 1));
        (at, in_name) = (after, taken + 1);
    }
}
