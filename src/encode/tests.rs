//! Every encoding decodes to its value, and other bytes are rejected.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn integers_go_both_ways(unsigned: u64, signed: i64) {
        let mut encoder = Encoder::new();
        encoder.unsigned(unsigned).signed(signed);
        let bytes = encoder.finish();
        let mut decoder = Decoder::new(&bytes);
        prop_assert_eq!(decoder.unsigned(), Ok(unsigned));
        prop_assert_eq!(decoder.signed(), Ok(signed));
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn any_bytes_decode_or_fail_and_what_decodes_encodes_to_itself(bytes: Vec<u8>) {
        if let Ok(list) = Vec::<u8>::from_bytes(&bytes) {
            prop_assert_eq!(list.to_bytes(), bytes.clone());
        }
        let mut decoder = Decoder::new(&bytes);
        if let Ok(value) = decoder.unsigned() {
            let mut encoder = Encoder::new();
            encoder.unsigned(value);
            prop_assert!(bytes.starts_with(&encoder.finish()));
        }
    }
}

#[test]
fn a_length_beyond_the_bytes_is_refused_before_allocation() {
    let mut encoder = Encoder::new();
    encoder.unsigned(u64::MAX);
    let bytes = encoder.finish();
    assert_eq!(Decoder::new(&bytes).length(), Err(DecodeError::Truncated));
    assert_eq!(Decoder::new(&bytes).bytes(), Err(DecodeError::Truncated));
    assert_eq!(Decoder::new(&bytes).list::<u64>(), Err(DecodeError::Truncated));
}

#[test]
fn a_longer_form_is_refused() {
    assert_eq!(Decoder::new(&[128, 0]).unsigned(), Err(DecodeError::NotCanonical));
    assert_eq!(Decoder::new(&[2]).flag(), Err(DecodeError::NotCanonical));
}

#[test]
fn integers_end_where_sixty_four_bits_do() {
    let nine = [255; 9];
    let read = |last: &[u8]| Decoder::new(&[&nine[..], last].concat()).unsigned();
    assert_eq!(read(&[1]), Ok(u64::MAX));
    assert_eq!(read(&[2]), Err(DecodeError::NotCanonical));
    assert_eq!(read(&[0]), Err(DecodeError::NotCanonical));
    assert_eq!(read(&[129, 0]), Err(DecodeError::NotCanonical));
    assert_eq!(read(&[]), Err(DecodeError::Truncated));
    assert_eq!(Decoder::new(&[]).unsigned(), Err(DecodeError::Truncated));
    for shift in 0..64 {
        for value in [1_u64 << shift, (1 << shift) - 1] {
            let mut encoder = Encoder::new();
            encoder.unsigned(value).unsigned(7);
            let bytes = encoder.finish();
            let mut decoder = Decoder::new(&bytes);
            assert_eq!((decoder.unsigned(), decoder.unsigned()), (Ok(value), Ok(7)));
        }
    }
}

#[test]
fn integers_are_read_alike_whatever_follows() {
    for shift in 0..64 {
        for value in [1_u64 << shift, (1 << shift) - 1, 0x5555_5555_5555_5555 >> shift, u64::MAX >> shift] {
            let mut encoder = Encoder::new();
            encoder.unsigned(value);
            let bytes = encoder.finish();
            for next in [[0; 12], [127; 12], [128; 12], [255; 12]] {
                let followed = [&bytes[..], &next].concat();
                let mut decoder = Decoder::new(&followed);
                assert_eq!(decoder.unsigned(), Ok(value), "{followed:?}");
                assert_eq!(decoder.unsigned(), Decoder::new(&next).unsigned());
                // One group too many, which holds nothing.
                let mut longer = bytes.clone();
                *longer.last_mut().unwrap() |= 128;
                let longer = [&longer[..], &[0], &next].concat();
                assert_eq!(Decoder::new(&longer).unsigned(), Err(DecodeError::NotCanonical), "{longer:?}");
            }
        }
    }
}
