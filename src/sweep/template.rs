//! Words of a command with placeholders: `{lr}`, `{}`, `{.}`, `{/}`, `{//}`, `{/.}`, `{#}`, `{id}`.
//!
//! `{{x}}` is the text `{x}`, and `${x}` stays what it is: a shell reads it.

use super::rows::LINE;
use super::{Parameters, id};
use crate::error::{Error, Result};

/// What stands in a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Parameter(String),
    /// The line, or a part of it as a path.
    Line(Part),
    Number,
    Id,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    WithoutSuffix,
    Name,
    Directory,
    NameWithoutSuffix,
}

/// A word, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// What a template is filled with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filling {
    /// The place of the run, from 1.
    pub number: u64,
    /// A short digest of the parameters.
    pub id: String,
    /// The parameters.
    pub parameters: Parameters,
}

impl Filling {
    /// What the run at place `number` fills in.
    #[must_use]
    pub fn new(number: u64, parameters: Parameters) -> Self {
        Self { number, id: id(&parameters), parameters }
    }

    fn value(&self, name: &str) -> &[u8] {
        self.parameters.iter().find(|(known, _)| known == name).map_or(&[], |(_, value)| value)
    }
}

impl Template {
    /// Reads a word; `names` are the parameters that there are.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] for a placeholder that names none of them.
    pub fn parse(word: &[u8], names: &[String]) -> Result<Self> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let mut rest = word;
        while let Some((byte, after)) = rest.split_first() {
            let is_shell = text.last() == Some(&b'$');
            if *byte == b'{' && !is_shell {
                if let Some((inner, behind)) = after.strip_prefix(b"{").and_then(closed)
                    && let Some(behind) = behind.strip_prefix(b"}")
                    && (looks_like_one(inner) || names.iter().any(|name| name.as_bytes() == inner))
                {
                    text.extend([b"{", inner, b"}"].concat());
                    rest = behind;
                    continue;
                }
                if let Some((inner, behind)) = closed(after)
                    && let Some(piece) = placeholder(inner, names)?
                {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(piece);
                    rest = behind;
                    continue;
                }
            }
            text.push(*byte);
            rest = after;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self(pieces))
    }

    /// Whether all runs get the same word.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// Whether the value of the parameter is part of the word.
    #[must_use]
    pub fn uses(&self, name: &str) -> bool {
        self.0.iter().any(|piece| match piece {
            Piece::Parameter(used) => used == name,
            Piece::Line(_) => name == LINE,
            Piece::Id => true,
            Piece::Text(_) | Piece::Number => false,
        })
    }

    /// The word of one run.
    #[must_use]
    pub fn fill(&self, with: &Filling) -> Vec<u8> {
        let mut word = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => word.extend_from_slice(text),
                Piece::Parameter(name) => word.extend_from_slice(with.value(name)),
                Piece::Line(part) => word.extend_from_slice(&part.of(with.value(LINE))),
                Piece::Number => word.extend_from_slice(with.number.to_string().as_bytes()),
                Piece::Id => word.extend_from_slice(with.id.as_bytes()),
            }
        }
        word
    }
}

/// What stands before the next `}`, and what behind it.
fn closed(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'}')?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// What only a placeholder looks like.
fn looks_like_one(inner: &[u8]) -> bool {
    let is_name = inner.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && inner.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte));
    is_name || [&b""[..], b".", b"/", b"//", b"/.", b"#"].contains(&inner)
}

fn placeholder(inner: &[u8], names: &[String]) -> Result<Option<Piece>> {
    if let Some(name) = names.iter().find(|name| name.as_bytes() == inner) {
        return Ok(Some(Piece::Parameter(name.clone())));
    }
    let has_lines = names.iter().any(|name| name == LINE);
    let piece = match inner {
        b"#" => Piece::Number,
        b"id" => Piece::Id,
        b"" if has_lines => Piece::Parameter(LINE.to_owned()),
        b"." if has_lines => Piece::Line(Part::WithoutSuffix),
        b"/" if has_lines => Piece::Line(Part::Name),
        b"//" if has_lines => Piece::Line(Part::Directory),
        b"/." if has_lines => Piece::Line(Part::NameWithoutSuffix),
        _ if looks_like_one(inner) => {
            let shown = String::from_utf8_lossy(inner);
            let known = if names.is_empty() {
                "there are no parameters: -p NAME=VALUES or --from gives them".to_owned()
            } else if inner.is_empty() || b"./".contains(inner.first().unwrap_or(&b'x')) {
                "--from - reads a list of lines".to_owned()
            } else {
                format!("the parameters are {}", names.join(", "))
            };
            return Err(Error::usage(format!("{{{shown}}} names no parameter"))
                .with_hint(format!("{known}; {{{{{shown}}}}} is the text {{{shown}}}")));
        }
        _ => return Ok(None),
    };
    Ok(Some(piece))
}

impl Part {
    fn of(self, line: &[u8]) -> Vec<u8> {
        let slash = line.iter().rposition(|byte| *byte == b'/');
        let name = slash.map_or(line, |slash| line.get(slash + 1..).unwrap_or_default());
        // A name that begins with a dot has no suffix.
        let suffix = name.iter().rposition(|byte| *byte == b'.').filter(|place| *place > 0);
        let cut = suffix.map_or(0, |place| name.len() - place);
        match self {
            Self::WithoutSuffix => line.get(..line.len() - cut).unwrap_or_default().to_vec(),
            Self::Name => name.to_vec(),
            Self::NameWithoutSuffix => name.get(..name.len() - cut).unwrap_or_default().to_vec(),
            Self::Directory => match slash {
                Some(0) => b"/".to_vec(),
                Some(slash) => line.get(..slash).unwrap_or_default().to_vec(),
                None => b".".to_vec(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(word: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let parameters: Parameters =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let names: Vec<String> = parameters.iter().map(|(name, _)| name.clone()).collect();
        let template = Template::parse(word.as_bytes(), &names)?;
        Ok(String::from_utf8(template.fill(&Filling::new(7, parameters))).unwrap())
    }

    #[test]
    fn placeholders_are_filled_and_braces_stay() {
        let given = [("lr", "0.1"), ("odd name", "a b\n'c'")];
        for (word, result) in [
            ("{lr}", "0.1"),
            ("--lr={lr},{lr}", "--lr=0.1,0.1"),
            ("{odd name}", "a b\n'c'"),
            ("{{lr}}", "{lr}"),
            ("{{}}", "{}"),
            ("{{{lr}}}", "{{lr}}"),
            ("${lr}", "${lr}"),
            ("{print $1}", "{print $1}"),
            ("{\"a\":1}", "{\"a\":1}"),
            ("{a,b}", "{a,b}"),
            ("{", "{"),
            ("}{", "}{"),
            ("run{#}", "run7"),
            ("x", "x"),
            ("", ""),
        ] {
            assert_eq!(filled(word, &given).unwrap(), result, "{word}");
        }
        assert_eq!(filled("{id}", &given).unwrap().len(), 12);
        assert_eq!(filled("{id}", &[("id", "mine")]).unwrap(), "mine");
    }

    #[test]
    fn a_line_has_parts() {
        for (line, parts) in [
            ("a/b.c.wav", ["a/b.c.wav", "a/b.c", "b.c.wav", "a", "b.c"]),
            ("b", ["b", "b", "b", ".", "b"]),
            ("/.rc", ["/.rc", "/.rc", ".rc", "/", ".rc"]),
            ("a.d/b", ["a.d/b", "a.d/b", "b", "a.d", "b"]),
            ("", ["", "", "", ".", ""]),
        ] {
            for (word, part) in ["{}", "{.}", "{/}", "{//}", "{/.}"].iter().zip(parts) {
                assert_eq!(filled(word, &[("line", line)]).unwrap(), part, "{word} of {line}");
            }
        }
    }

    #[test]
    fn what_names_no_parameter_is_refused() {
        let refused = |word: &str, parameters: &[(&str, &str)]| {
            let error = filled(word, parameters).unwrap_err();
            (error.to_string(), error.hint().unwrap().to_owned())
        };
        assert_eq!(
            refused("--x={lrr}", &[("lr", "1"), ("d", "2")]),
            ("{lrr} names no parameter".into(), "the parameters are lr, d; {{lrr}} is the text {lrr}".into())
        );
        assert_eq!(refused("{}", &[("lr", "1")]).1, "--from - reads a list of lines; {{}} is the text {}");
    }

    proptest! {
        #[test]
        fn no_word_is_too_odd(word in "[{}$a/.#lr\"é]{0,12}") {
            if let Ok(filled) = filled(&word, &[("lr", "1"), ("line", "x")]) {
                let has_brace = word.contains('{');
                prop_assert!(has_brace || filled == word);
            }
        }
    }
}
