//! Many short names in one piece: a hit reads hundreds of them and looks at none where the directory did not change.

use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use std::fmt;
use std::sync::Arc;

/// A list of names, kept as it is encoded; copies share it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names {
    count: usize,
    /// Each with its length before it.
    framed: Arc<[u8]>,
}

impl Names {
    /// These names, in their order.
    #[must_use]
    pub fn of(names: &[Vec<u8>]) -> Self {
        let mut encoder = Encoder::new();
        for name in names {
            encoder.bytes(name);
        }
        Self { count: names.len(), framed: encoder.finish().into() }
    }

    /// Each by itself.
    #[must_use]
    pub fn apart(&self) -> Vec<Vec<u8>> {
        let mut decoder = Decoder::new(&self.framed);
        std::iter::from_fn(|| decoder.bytes().ok()).map(<[u8]>::to_vec).collect()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.apart();
        formatter.debug_list().entries(names.iter().map(|name| String::from_utf8_lossy(name))).finish()
    }
}

impl Encode for Names {
    fn encode(&self, to: &mut Encoder) {
        to.length(self.count).framed(&self.framed);
    }
}

impl Decode for Names {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (count, framed) = from.framed_strings()?;
        Ok(Self { count, framed: framed.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(names: &[Vec<u8>]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(names);
        encoder.finish()
    }

    struct List;

    impl Decode for List {
        fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
            from.list::<Vec<u8>>().map(|_| Self)
        }
    }

    proptest! {
        #[test]
        fn names_are_encoded_as_a_list_of_byte_strings(names: Vec<Vec<u8>>, any: Vec<u8>) {
            let together = Names::of(&names);
            prop_assert_eq!(together.to_bytes(), list(&names));
            prop_assert_eq!(Names::from_bytes(&together.to_bytes()), Ok(together.clone()));
            prop_assert_eq!(together.apart(), names);
            // The same bytes are refused.
            prop_assert_eq!(Names::from_bytes(&any).map(|_| ()), List::from_bytes(&any).map(|_| ()));
        }
    }
}
