//! What a run did to the paths that it left changed, as far as that decides whether it may be made again on top of what is
//! there.

use super::state::FileState;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// What a run did to a product before its own first change to it (SPEC-2, 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductClass {
    /// Nothing: what was there makes no difference.
    Blind,
    /// It asked whether something is there, and used none of it.
    Looked,
    /// It used what was there: the result depends on it.
    Consulted,
    /// It added bytes at the end: what was there makes no difference, and stays.
    Appended,
    /// It set nothing but its mode or times: what is in it counts, and stays.
    Mode,
}

/// A path inside the root that a run left created, written or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Relative to the root, as in the output tree.
    pub path: Vec<u8>,
    /// What was done before the first change.
    pub class: ProductClass,
    /// It was written where it was, or is a directory: one that is there keeps its mode.
    pub in_place: bool,
    /// Its mode or other attributes were set afterwards.
    pub altered: bool,
    /// A directory that the run listed after it made it, or emptied before: in one that is there, other names count.
    pub alone: bool,
    /// A program that decides by times looked at it.
    pub by_time: bool,
    /// It was removed after the directory that it lay in had been listed.
    pub from_listed: bool,
    /// A directory above one that the run asked to make, or that its code would make: where it is gone, it is made again if a
    /// run of the function has made it.
    pub above: bool,
    /// State of a tool that describes products, which that tool alone used.
    pub of_tool: bool,
    /// It was appended to after it was looked at: whether it was absent, empty or filled counts.
    pub counts_filled: bool,
    /// What was there when the run began.
    pub before: FileState,
}

impl Product {
    /// A path of which nothing is known but what was done before, and what was there.
    #[must_use]
    pub const fn new(path: Vec<u8>, class: ProductClass, before: FileState) -> Self {
        let [in_place, altered, alone, by_time, from_listed, above, of_tool, counts_filled] = [false; FLAGS];
        Self {
            path,
            class,
            in_place,
            altered,
            alone,
            by_time,
            from_listed,
            above,
            of_tool,
            counts_filled,
            before,
        }
    }

    fn flags(&self) -> [bool; FLAGS] {
        [
            self.in_place,
            self.altered,
            self.alone,
            self.by_time,
            self.from_listed,
            self.above,
            self.of_tool,
            self.counts_filled,
        ]
    }
}

/// How many flags a product has.
const FLAGS: usize = 8;

impl Encode for Product {
    fn encode(&self, to: &mut Encoder) {
        let class = match self.class {
            ProductClass::Blind => 0,
            ProductClass::Looked => 1,
            ProductClass::Consulted => 2,
            ProductClass::Appended => 3,
            ProductClass::Mode => 4,
        };
        let flags = self.flags().iter().rev().fold(0, |bits, flag| bits << 1 | u64::from(*flag));
        to.bytes(&self.path).unsigned(class).unsigned(flags).value(&self.before);
    }
}

impl Decode for Product {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let path = from.bytes()?.to_vec();
        let class = match from.unsigned()? {
            0 => ProductClass::Blind,
            1 => ProductClass::Looked,
            2 => ProductClass::Consulted,
            3 => ProductClass::Appended,
            4 => ProductClass::Mode,
            tag => return Err(DecodeError::UnknownTag(tag)),
        };
        let flags = from.unsigned()?;
        if flags >> FLAGS != 0 {
            return Err(DecodeError::NotCanonical);
        }
        let [in_place, altered, alone, by_time, from_listed, above, of_tool, counts_filled] =
            std::array::from_fn(|place| flags >> place & 1 != 0);
        let before = FileState::decode(from)?;
        Ok(Self {
            path,
            class,
            in_place,
            altered,
            alone,
            by_time,
            from_listed,
            above,
            of_tool,
            counts_filled,
            before,
        })
    }
}

/// All products of a run, sorted by path, each path once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Products {
    products: Vec<Product>,
    /// The result stands also where every consulted product is as the run left it.
    pub holds_at_end: bool,
}

impl Products {
    /// These, in any order.
    #[must_use]
    pub fn new(mut products: Vec<Product>, holds_at_end: bool) -> Self {
        products.sort_by(|left, right| left.path.cmp(&right.path));
        products.dedup_by(|left, right| left.path == right.path);
        Self { products, holds_at_end }
    }

    /// Sorted by path.
    #[must_use]
    pub fn all(&self) -> &[Product] {
        &self.products
    }

    /// The product of exactly this path.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<&Product> {
        let place = self.products.binary_search_by(|product| product.path.as_slice().cmp(path));
        place.ok().and_then(|place| self.products.get(place))
    }

    /// The names of products directly in `directory`, which is relative to the root.
    pub fn names_in<'a>(&'a self, directory: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.products.iter().filter_map(move |product| name_in(&product.path, directory))
    }
}

/// The name of `path` where it lies directly in `directory`, both relative to the root.
#[must_use]
pub fn name_in<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    let name = match directory {
        [] => path,
        _ => path.strip_prefix(directory)?.strip_prefix(b"/")?,
    };
    (!name.contains(&b'/')).then_some(name)
}

impl Encode for Products {
    fn encode(&self, to: &mut Encoder) {
        to.flag(self.holds_at_end).list(&self.products);
    }
}

impl Decode for Products {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let holds_at_end = from.flag()?;
        let products: Vec<Product> = from.list()?;
        let sorted = products.iter().zip(products.iter().skip(1)).all(|(left, right)| left.path < right.path);
        if sorted { Ok(Self { products, holds_at_end }) } else { Err(DecodeError::NotCanonical) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(path: &str) -> Product {
        let before = FileState::Directory { mode: 0o755 };
        Product {
            in_place: true,
            alone: true,
            above: true,
            ..Product::new(path.into(), ProductClass::Looked, before)
        }
    }

    #[test]
    fn products_go_both_ways_and_are_found_by_path_and_by_directory() {
        let products =
            Products::new(vec![product("d/b"), product("a"), product("d"), product("d/e/f")], true);
        assert_eq!(Products::from_bytes(&products.to_bytes()), Ok(products.clone()));
        assert!(products.find(b"d/b").is_some() && products.find(b"b").is_none());
        let names =
            |directory: &'static str| -> Vec<&[u8]> { products.names_in(directory.as_bytes()).collect() };
        assert_eq!(names(""), [b"a", b"d"]);
        assert_eq!(names("d"), [b"b"]);
        assert_eq!(names("d/e"), [b"f"]);
    }
}
