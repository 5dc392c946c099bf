//! Text that others wrote, made fit for a terminal: control characters, characters that reorder a line, and
//! bytes that are not UTF-8 are shown as escapes.
//!
//! Knows nothing of what the text is. Only `get` writes bytes as they are.

use std::borrow::Cow;
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// `bytes` as one line: every control character, newlines and tabs too, is an escape.
#[must_use]
pub fn line(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |_| false)
}

/// `bytes` as lines: as [`line()`], but newlines and tabs stay.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |c| c == '\n' || c == '\t')
}

/// `bytes` as one line of at most `width` columns, cut with `…`.
#[must_use]
pub fn brief(bytes: &[u8], width: usize) -> String {
    // No character is shown in less than a quarter of a column for each of its bytes: more need not be looked at.
    let enough = bytes.get(..width.saturating_mul(4).saturating_add(4)).unwrap_or(bytes);
    let longer = enough.len() < bytes.len();
    let shown = line(enough);
    if longer && columns(&shown) <= width {
        return cut(&format!("{shown}…"), width).into_owned();
    }
    cut(&shown, width).into_owned()
}

/// A word of a command line, quoted so that a shell reads the same bytes from it.
#[must_use]
pub fn word(bytes: &[u8]) -> Cow<'_, str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./=:,+@%^".contains(byte) || *byte >= 128;
    let shown = line(bytes);
    if matches!(shown, Cow::Owned(_)) {
        return Cow::Owned(dollar_quoted(bytes));
    }
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return shown;
    }
    if bytes.contains(&b'\'') && !bytes.iter().any(|byte| b"\"$`\\!".contains(byte)) {
        return Cow::Owned(format!("\"{shown}\""));
    }
    Cow::Owned(format!("'{}'", shown.replace('\'', "'\\''")))
}

/// A command line, each word quoted where it must be.
#[must_use]
pub fn words<W: AsRef<[u8]>>(words: &[W]) -> String {
    let shown: Vec<Cow<'_, str>> = words.iter().map(|each| word(each.as_ref())).collect();
    shown.join(" ")
}

/// Phrases, already escaped, separated by commas, in lines of at most `width` columns where they can be broken.
#[must_use]
pub fn wrapped(phrases: &[String], width: Option<usize>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (place, phrase) in phrases.iter().enumerate() {
        let phrase = if place + 1 < phrases.len() { format!("{phrase},") } else { phrase.clone() };
        match lines.last_mut() {
            Some(line) if width.is_none_or(|width| columns(line) + 1 + columns(&phrase) <= width) => {
                line.push(' ');
                line.push_str(&phrase);
            }
            _ => lines.push(phrase),
        }
    }
    lines
}

/// Number of columns that `text`, already escaped, takes.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// `text`, already escaped, in at most `width` columns, cut with `…`.
#[must_use]
pub fn cut(text: &str, width: usize) -> Cow<'_, str> {
    let mut taken = 0;
    // Where the text must end if it turns out to be too long: the last place that leaves room for `…`.
    let mut end = 0;
    for (place, c) in text.char_indices() {
        if taken < width {
            end = place;
        }
        taken += c.width().unwrap_or(0);
        if taken > width {
            let head = text.get(..end).unwrap_or_default();
            return if width == 0 { Cow::Borrowed("") } else { Cow::Owned(format!("{head}…")) };
        }
    }
    Cow::Borrowed(text)
}

/// `text`, already escaped, as a message may repeat it: a word of more than 256 columns is shortened in its middle, and all
/// of it ends after 2000.
#[must_use]
pub fn readable(text: &str) -> Cow<'_, str> {
    const WORD: usize = 256;
    const LINE: usize = 2000;
    if text.len() <= WORD {
        return Cow::Borrowed(text);
    }
    let shortened: Vec<Cow<'_, str>> =
        text.split(' ').take(LINE).map(|word| middle_out(word, WORD)).collect();
    Cow::Owned(cut(&shortened.join(" "), LINE).into_owned())
}

/// A word in at most `width` columns, with `…` in the place of its middle.
pub fn middle_out(word: &str, width: usize) -> Cow<'_, str> {
    if word.len() <= width || columns(word) <= width {
        return Cow::Borrowed(word);
    }
    let head = cut(word, width / 2);
    let room = width - columns(&head);
    let mut start = word.len();
    let mut taken = 0;
    for (place, c) in word.char_indices().rev() {
        taken += c.width().unwrap_or(0);
        if taken > room {
            break;
        }
        start = place;
    }
    Cow::Owned(format!("{head}{}", word.get(start..).unwrap_or_default()))
}

fn escaped(bytes: &[u8], stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let fits = |c: char| stays(c) || !is_dangerous(c);
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.chars().all(fits)
    {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if fits(c) {
                shown.push(c);
            } else {
                push_escape(&mut shown, c);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    Cow::Owned(shown)
}

fn push_escape(shown: &mut String, c: char) {
    let _ = match c {
        '\n' => shown.write_str("\\n"),
        '\t' => shown.write_str("\\t"),
        '\r' => shown.write_str("\\r"),
        c if c.is_ascii() => write!(shown, "\\x{:02x}", u32::from(c)),
        c => write!(shown, "\\u{{{:x}}}", u32::from(c)),
    };
}

/// `$'…'`, as bash, zsh and ksh read it.
fn dollar_quoted(bytes: &[u8]) -> String {
    let mut shown = String::from("$'");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => shown.extend(['\\', c]),
                c if !is_dangerous(c) => shown.push(c),
                // The shells read `\u202e`, but not `\u{202e}`: bytes are what all agree on.
                c if !c.is_ascii() => {
                    let mut buffer = [0; 4];
                    for byte in c.encode_utf8(&mut buffer).bytes() {
                        let _ = write!(shown, "\\x{byte:02x}");
                    }
                }
                c => push_escape(&mut shown, c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown.push('\'');
    shown
}

/// Whether a terminal would do something else than show `c`: control characters (C0, DEL, C1), line and
/// paragraph separators, and what changes the direction of writing (the "Trojan source" characters).
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_repeats_no_word_of_any_length() {
        assert_eq!(readable("cannot read a/b: No such file"), "cannot read a/b: No such file");
        let long = format!("cannot read /{}/end: No such file", "x".repeat(100_000));
        let shown = readable(&long);
        assert!(shown.starts_with("cannot read /xxx") && shown.ends_with("xxx/end: No such file"), "{shown}");
        assert!(shown.contains('…') && columns(&shown) < 320, "{shown}");
        let wide = format!("a {} b", "東".repeat(100_000));
        assert!(columns(&readable(&wide)) <= 270);
        assert!(columns(&readable(&"word ".repeat(100_000))) <= 2000);
        let path = format!("/{}", "d/".repeat(100));
        assert_eq!(readable(&path), path.as_str());
    }

    #[test]
    fn control_characters_are_shown_not_sent() {
        assert_eq!(line(b"\x1b[2J\x07a\nb\tc\r\x7f"), "\\x1b[2J\\x07a\\nb\\tc\\r\\x7f");
        assert_eq!(line("\u{9b}31m\u{202e}x\u{2028}".as_bytes()), "\\u{9b}31m\\u{202e}x\\u{2028}");
        assert_eq!(text(b"a\n\tb\x1b"), "a\n\tb\\x1b");
        assert_eq!(line(b"caf\xe9 \xff"), "caf\\xe9 \\xff");
        assert!(matches!(line("größe 東京".as_bytes()), Cow::Borrowed("größe 東京")));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        let everything: Vec<u8> = (0..=255).collect();
        assert!(line(&everything).chars().all(|c| !c.is_control()));
        assert!(word(&everything).chars().all(|c| !c.is_control()));
    }

    #[test]
    fn words_are_quoted_where_they_must_be() {
        let typed =
            [b"python3".to_vec(), b"a b".to_vec(), b"it's".to_vec(), b"".to_vec(), b"x\ny\\".to_vec()];
        assert_eq!(words(&typed), "python3 'a b' \"it's\" '' $'x\\ny\\\\'");
        assert_eq!(word(b"--lr=0.01"), "--lr=0.01");
        assert_eq!(word(b"it's $5"), "'it'\\''s $5'");
        assert_eq!(word(b"*.py"), "'*.py'");
        assert_eq!(word(b"~/x"), "'~/x'");
        assert_eq!(word(b"\xff"), "$'\\xff'");
    }

    #[test]
    fn a_shell_reads_the_same_bytes_from_quoted_words() {
        for bytes in
            [&b"a b"[..], b"it's", b"$HOME `x` \\", b"\x1b[0m\n\t\r", b"caf\xe9\xff'", "\u{202e}é".as_bytes()]
        {
            let script = format!("printf %s {}", word(bytes));
            let output = std::process::Command::new("bash").arg("-c").arg(&script).output().unwrap();
            assert_eq!(output.stdout, bytes, "{script}");
        }
    }

    #[test]
    fn phrases_are_wrapped_between_them() {
        let phrases: Vec<String> = ["LR changed", "data.csv changed", "x"].map(str::to_owned).into();
        assert_eq!(wrapped(&phrases, Some(20)), ["LR changed,", "data.csv changed, x"]);
        assert_eq!(wrapped(&phrases, None), ["LR changed, data.csv changed, x"]);
        assert!(wrapped(&[], Some(20)).is_empty());
    }

    #[test]
    fn what_is_too_long_is_cut_by_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("東京都庁", 5), "東京…");
        assert_eq!(cut("東京都庁", 4), "東…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(cut("abc", 1), "…");
        assert_eq!(brief(&b"x".repeat(100_000), 5), "xxxx…");
        assert_eq!(brief(b"short", 5), "short");
        for width in 0..12 {
            assert!(columns(&cut("a東b京c都d庁", width)) <= width, "{width}");
        }
    }
}
