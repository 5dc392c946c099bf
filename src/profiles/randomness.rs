//! How programs of some languages draw random numbers, and how they fix the sequence by a seed.
//!
//! Bytes in, answers out. A search of the text: good for a warning, for nothing else.

/// A language that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Python.
    Python,
    /// JavaScript and TypeScript.
    JavaScript,
    /// Perl.
    Perl,
    /// Ruby.
    Ruby,
    /// R.
    R,
}

/// Calls that draw, and what stands in a program that sets a seed.
type Table = (&'static [&'static str], &'static [&'static str]);

const fn table(dialect: Dialect) -> Table {
    match dialect {
        Dialect::Python => (
            &[
                "random.random(",
                "random.randint(",
                "random.randrange(",
                "random.choice(",
                "random.choices(",
                "random.shuffle(",
                "random.sample(",
                "random.uniform(",
                "random.gauss(",
                "random.normal(",
                "random.rand(",
                "random.randn(",
                "random.permutation(",
                "default_rng()",
                "RandomState()",
                "torch.rand(",
                "torch.randn(",
                "uuid.uuid4(",
                "secrets.token_",
                "os.urandom(",
            ],
            &["seed(", "seed=", "random_state", "manual_seed", "Random(", "PRNGKey(", "Generator("],
        ),
        Dialect::JavaScript => {
            (&["Math.random(", "randomUUID(", "randomBytes(", "getRandomValues("], &["seed"])
        }
        Dialect::Perl => (&[" rand(", "=rand(", " rand;", "List::Util qw(shuffle"], &["srand"]),
        Dialect::Ruby => {
            (&[" rand(", "=rand(", ".shuffle", ".sample", "SecureRandom"], &["srand", "Random.new("])
        }
        Dialect::R => (&["runif(", "rnorm(", "sample(", "rbinom(", "rpois("], &["set.seed("]),
    }
}

/// More of the sources is not looked through, in bytes.
const MOST: usize = 1 << 20;

/// The first call by which one of `sources` draws random numbers, with the place of that source, unless some source sets a seed.
pub fn unseeded<'a>(
    dialect: Dialect,
    sources: impl Iterator<Item = &'a [u8]>,
) -> Option<(usize, &'static str)> {
    let (draws, seeds) = table(dialect);
    let mut found = None;
    let mut room = MOST;
    for (place, source) in sources.enumerate() {
        let source = source.get(..room).unwrap_or(source);
        room -= source.len();
        for line in source.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii_start();
            if line.starts_with(b"#") || line.starts_with(b"//") {
                continue;
            }
            let has = |text: &&str| line.windows(text.len()).any(|part| part == text.as_bytes());
            if seeds.iter().any(&has) {
                return None;
            }
            if found.is_none() {
                found = draws.iter().find(|draw| has(draw)).map(|draw| (place, *draw));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_without_a_seed_is_found() {
        let call = |dialect, sources: &[&str]| {
            unseeded(dialect, sources.iter().map(|source| source.as_bytes())).map(|(_, call)| call)
        };
        let python = |sources: &[&str]| call(Dialect::Python, sources);
        assert_eq!(python(&["import random\nprint(random.random())\n"]), Some("random.random("));
        assert_eq!(python(&["import lib\n", "x = np.random.rand(3)\n"]), Some("random.rand("));
        assert_eq!(python(&["rng = np.random.default_rng()\n"]), Some("default_rng()"));
        for seeded in [
            "random.seed(1)\nrandom.random()",
            "rng = np.random.default_rng(seed=3)",
            "train_test_split(x, random_state=0)\nrandom.random()",
            "r = random.Random(4)\nrandom.shuffle(x)",
            "# random.random()\nprint(1)",
            "print('random')",
        ] {
            assert_eq!(python(&[seeded]), None, "{seeded}");
        }
        assert_eq!(python(&["random.random()", "import torch\ntorch.manual_seed(0)"]), None);
        assert_eq!(call(Dialect::JavaScript, &["const x = Math.random()"]), Some("Math.random("));
        assert_eq!(call(Dialect::Perl, &["print rand(10);"]), Some(" rand("));
        assert_eq!(call(Dialect::Perl, &["srand(1); print rand(10);"]), None);
        assert_eq!(call(Dialect::R, &["set.seed(1)\nrunif(3)"]), None);
    }
}
