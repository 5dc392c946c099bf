//! Sweeps: the values of parameters, the combinations of them, and the commands that they make.
//!
//! Knows nothing of how a command is run or recorded.

pub mod arguments;
pub mod combine;
pub mod csv;
pub mod metrics;
pub mod rows;
pub mod template;
pub mod values;

pub use combine::Grid;
pub use rows::Rows;
pub use template::Template;
pub use values::Values;

use crate::digest::Digest;

/// The parameters of one run, by name, in the order in which they were given.
pub type Parameters = Vec<(String, Vec<u8>)>;

/// Digits of an [`id`].
const ID_DIGITS: usize = 12;

/// A short digest of parameters, the same in whatever order they were given.
#[must_use]
pub fn id(parameters: &[(String, Vec<u8>)]) -> String {
    let mut sorted: Vec<&(String, Vec<u8>)> = parameters.iter().collect();
    sorted.sort();
    let mut bytes = Vec::new();
    for (name, value) in sorted {
        for part in [name.as_bytes(), value] {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    let mut hex = Digest::of(&bytes).to_hex();
    hex.truncate(ID_DIGITS);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn an_id_is_stable_and_tells_parameters_apart() {
        let one = id(&parameters(&[("lr", "0.1"), ("depth", "2")]));
        assert_eq!(one.len(), ID_DIGITS);
        assert_eq!(one, id(&parameters(&[("depth", "2"), ("lr", "0.1")])));
        assert_ne!(one, id(&parameters(&[("lr", "0.12"), ("depth", "")])));
        assert_ne!(id(&parameters(&[("a", "b=c")])), id(&parameters(&[("a=b", "c")])));
    }
}
