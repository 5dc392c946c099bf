//! Finds words that look like secrets, for a warning before they are stored.
//!
//! This is a guess from the words alone. A wrong guess costs one line of output.

/// Suffixes of names of options and variables whose value is always a secret.
const SURE: &[&str] =
    &["password", "passwd", "passphrase", "api-key", "apikey", "secret-key", "access-key", "client-secret"];

/// Suffixes of names whose value is a secret if it looks like one: `--pad-token` has another meaning.
const LIKELY: &[&str] = &["token", "secret"];

/// Prefixes of well-known secrets, and the minimum number of letters and digits after them.
const BEGINNINGS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("hf_", 24),
    ("npm_", 30),
    ("pypi-", 30),
    ("sk-", 20),
    ("sk_live_", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
];

/// A description of the first word that contains what looks like a secret; the description does not contain it.
pub(super) fn first(words: &[Vec<u8>]) -> Option<String> {
    let mut before: Option<&str> = None;
    for word in words {
        let text = std::str::from_utf8(word).unwrap_or_default();
        if let Some(found) = in_word(text).or_else(|| after_option(before, text)) {
            return Some(found);
        }
        before = Some(text);
    }
    None
}

fn in_word(word: &str) -> Option<String> {
    if let Some((name, value)) = word.split_once('=')
        && is_secret(name, value)
    {
        return Some(format!("{name}=…"));
    }
    if has_password(word) {
        return Some("an address with a password".to_owned());
    }
    if word.contains("-----BEGIN") && word.contains("PRIVATE KEY") {
        return Some("a private key".to_owned());
    }
    BEGINNINGS.iter().find_map(|(beginning, least)| {
        let mut places = word.match_indices(beginning);
        let found = places.any(|(place, _)| {
            let (before, rest) = word.split_at(place);
            let is_start = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
            let follows = rest.trim_start_matches(beginning).chars().take_while(|c| is_of_secret(*c)).count();
            is_start && follows >= *least
        });
        found.then(|| format!("{beginning}…"))
    })
}

/// `--password` followed by its value.
fn after_option(before: Option<&str>, word: &str) -> Option<String> {
    let name = before.filter(|before| before.starts_with("--") && !before.contains('='))?;
    (!word.starts_with('-') && is_secret(name, word)).then(|| format!("{name} …"))
}

fn is_secret(name: &str, value: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase().replace('_', "-");
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let ends = |list: &[&str]| list.iter().any(|end| name.ends_with(end));
    // The name of a file or variable with the secret may be stored, and so may a placeholder.
    let is_elsewhere = value.is_empty() || value.starts_with(['@', '/', '.', '$', '[', '<']);
    is_name && !is_elsewhere && (ends(SURE) || (ends(LIKELY) && looks_random(value)))
}

fn looks_random(value: &str) -> bool {
    value.len() >= 12
        && value.chars().any(|c| c.is_ascii_digit())
        && value.chars().any(|c| c.is_ascii_alphabetic())
        && value.chars().all(|c| is_of_secret(c) || matches!(c, '.' | '+' | '/' | '='))
}

const fn is_of_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// `https://user:password@host`.
fn has_password(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let user = host.rsplit_once('@').map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
    password.is_some_and(|password| !password.is_empty() && !password.starts_with(['$', '[', '<']))
}

#[cfg(test)]
mod tests {
    use super::first;

    fn found(line: &str) -> Option<String> {
        first(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn secrets_are_seen_and_never_shown() {
        for (line, shown) in [
            ("deploy --token=a1b2c3d4e5f6a7b8", "--token=…"),
            ("deploy --password x", "--password …"),
            ("deploy --db-password=hunter2", "--db-password=…"),
            ("env API_KEY=abc deploy", "API_KEY=…"),
            ("env GITHUB_TOKEN=a1b2c3d4e5f6a7b8 deploy", "GITHUB_TOKEN=…"),
            ("aws AKIAIOSFODNN7EXAMPLE", "AKIA…"),
            ("curl -HAuthorization:ghp_0123456789abcdefghijABCDEFGHIJ012345", "ghp_…"),
            ("git clone https://me:hunter2@example.org/x.git", "an address with a password"),
        ] {
            assert_eq!(found(line).as_deref(), Some(shown), "{line}");
        }
    }

    #[test]
    fn everyday_words_are_none() {
        for line in [
            "python train.py --pad-token=<pad> --max-tokens=1000000",
            "python train.py --eos-token end --token-type bearer",
            "deploy --password-file=secret.txt --token=@token.txt --password=[redacted]",
            "deploy --password $PASSWORD --token /run/secrets/token",
            "git clone https://example.org/me@home:1/x.git",
            "git clone ssh://git@example.org:22/x.git",
            "sed s/AKIA/x/ task-0123456789012345678901234",
            "echo password",
            "make secret=1 token=",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
