//! The words of a command as parameters: `--lr 0.1`, `--lr=0.1`, `-k 3`, `model=trees`, `--fast`, and the rest by place.

/// Names and values, in the order of the words; of a name that comes twice the values are joined by commas.
#[must_use]
pub fn parameters(words: &[Vec<u8>]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut places = 0;
    let mut options_end = false;
    let mut rest = words.iter().map(|word| String::from_utf8_lossy(word)).peekable();
    while let Some(word) = rest.next() {
        if options_end || !is_option(&word) {
            let pair = word.split_once('=').filter(|(name, _)| !options_end && is_key(name));
            let (name, value) = if let Some((name, value)) = pair {
                (name.to_owned(), value.to_owned())
            } else {
                places += 1;
                (format!("arg{places}"), word.into_owned())
            };
            add(&mut found, name, value);
            continue;
        }
        if word == "--" {
            options_end = true;
            continue;
        }
        let name = word.trim_start_matches('-');
        if let Some((name, value)) = name.split_once('=') {
            add(&mut found, name.to_owned(), value.to_owned());
            continue;
        }
        let value = rest.next_if(|next| !is_option(next)).map_or_else(|| "yes".to_owned(), Into::into);
        add(&mut found, name.to_owned(), value);
    }
    found
}

/// Whether a word is an option: a dash and something that is not a number.
fn is_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-') && word.parse::<f64>().is_err()
}

fn is_key(name: &str) -> bool {
    let name = name.trim_start_matches('+');
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn add(found: &mut Vec<(String, String)>, name: String, value: String) {
    match found.iter_mut().find(|(known, _)| *known == name) {
        Some((_, known)) => {
            known.push(',');
            known.push_str(&value);
        }
        None => found.push((name, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_option_is_read() {
        for (line, expected) in [
            ("--lr 0.1 --depth=3 -k 5", &["lr=0.1", "depth=3", "k=5"][..]),
            ("--fast --lr -0.5 x.csv", &["fast=yes", "lr=-0.5", "arg1=x.csv"]),
            ("model=trees +opt.lr=1e-3 out/a=b", &["model=trees", "+opt.lr=1e-3", "arg1=out/a=b"]),
            ("-v --tag a --tag b", &["v=yes", "tag=a,b"]),
            ("a -- --lr 3", &["arg1=a", "arg2=--lr", "arg3=3"]),
            ("- -", &["arg1=-", "arg2=-"]),
            ("", &[]),
        ] {
            let words: Vec<Vec<u8>> = line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
            let shown: Vec<String> =
                parameters(&words).iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(shown, expected, "{line}");
        }
    }
}
