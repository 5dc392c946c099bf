//! make's jobserver, which hands out permission to run. What is read from it is not an input.

/// The jobserver that `MAKEFLAGS` names.
#[derive(Debug, Default)]
pub(super) struct Jobserver {
    /// The descriptors of its pipe.
    pub(super) descriptors: Vec<u32>,
    /// The path of its FIFO.
    pub(super) path: Option<Vec<u8>>,
}

impl Jobserver {
    /// Reads the value of `MAKEFLAGS`.
    pub(super) fn parse(flags: &[u8]) -> Self {
        let mut found = Self::default();
        for word in flags.split(|byte| *byte == b' ') {
            let value = [b"--jobserver-auth=".as_slice(), b"--jobserver-fds="]
                .iter()
                .find_map(|option| word.strip_prefix(*option));
            match value {
                Some(value) if value.starts_with(b"fifo:") => {
                    found.path = value.get(5..).map(<[u8]>::to_vec);
                }
                Some(value) => {
                    let numbers = value.split(|byte| *byte == b',');
                    found.descriptors =
                        numbers.filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok()).collect();
                }
                None => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn make_names_its_jobserver() {
        let found = Jobserver::parse(b" -j4 --jobserver-auth=3,4 -- X=1");
        assert_eq!((found.descriptors, found.path), (vec![3, 4], None));
        let found = Jobserver::parse(b"w --jobserver-auth=fifo:/tmp/GMfifo12");
        assert_eq!((found.descriptors, found.path), (vec![], Some(b"/tmp/GMfifo12".to_vec())));
    }
}
