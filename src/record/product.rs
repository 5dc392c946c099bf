//! Products: the paths that a run created, wrote or removed. What the run did to each decides whether its result can be restored
//! over the files that are there now.

use super::state::FileState;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// What a run did to a product before its own first change to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductClass {
    /// Nothing. The earlier content does not matter.
    Blind,
    /// It asked whether something exists, and did not use the content.
    Looked,
    /// It used the earlier content. The result depends on it.
    Consulted,
    /// It only added bytes at the end. The earlier content does not matter, and is kept.
    Appended,
    /// It only set the mode or times. The content is a dependency, and is kept.
    Mode,
}

/// A path inside the root that a run left created, written or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Relative to the root, as in the output tree.
    pub path: Vec<u8>,
    /// What the run did before the first change.
    pub class: ProductClass,
    /// The run wrote into the existing file, or the product is a directory. An existing one keeps its mode.
    pub in_place: bool,
    /// The run set its mode or other attributes after it had written it.
    pub attributes_set: bool,
    /// A directory that the run listed after it had created or emptied it. Other entries in an existing one are a difference.
    pub others_count: bool,
    /// A program that compares times looked at it.
    pub times_compared: bool,
    /// The run removed it after it had listed its directory.
    pub removed_after_listing: bool,
    /// A parent of a directory that the run tried to create, or that its code creates where it is missing. If it is gone, it is
    /// created again, provided that a run of the function has created it.
    pub is_parent: bool,
    /// State of a tool that describes products; only that tool used it.
    pub is_tool_state: bool,
    /// The run appended to it after looking at it or listing it: it counts whether it was absent, empty or not empty. Or the run
    /// truncated it by a call that creates no files, or a listing showed its name: it counts that it exists.
    pub emptiness_counts: bool,
    /// The run opened it for writing without emptying it, and left it as it was, or empty if it was missing (`touch`). Another
    /// content would have stayed.
    pub keeps_content: bool,
    /// The run asked to remove what was there before it wrote anything under this name, and found it or not. A file that is there keeps
    /// its bytes under its other names.
    pub removed_first: bool,
    /// The code of the run may test for it, found nothing, and made it: where it is there, the run may leave other products as they are,
    /// or make none.
    pub is_tested: bool,
    /// What was there when the run began.
    pub before: FileState,
}

impl Product {
    /// A product without flags.
    #[must_use]
    pub const fn new(path: Vec<u8>, class: ProductClass, before: FileState) -> Self {
        let [
            in_place,
            attributes_set,
            others_count,
            times_compared,
            removed_after_listing,
            is_parent,
            is_tool_state,
            emptiness_counts,
            keeps_content,
            removed_first,
            is_tested,
        ] = [false; FLAGS];
        Self {
            path,
            class,
            in_place,
            attributes_set,
            others_count,
            times_compared,
            removed_after_listing,
            is_parent,
            is_tool_state,
            emptiness_counts,
            keeps_content,
            removed_first,
            is_tested,
            before,
        }
    }

    fn flags(&self) -> [bool; FLAGS] {
        [
            self.in_place,
            self.attributes_set,
            self.others_count,
            self.times_compared,
            self.removed_after_listing,
            self.is_parent,
            self.is_tool_state,
            self.emptiness_counts,
            self.keeps_content,
            self.removed_first,
            self.is_tested,
        ]
    }
}

/// How many flags a product has.
const FLAGS: usize = 11;

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
        let [
            in_place,
            attributes_set,
            others_count,
            times_compared,
            removed_after_listing,
            is_parent,
            is_tool_state,
            emptiness_counts,
            keeps_content,
            removed_first,
            is_tested,
        ] = std::array::from_fn(|place| flags >> place & 1 != 0);
        let before = FileState::decode(from)?;
        Ok(Self {
            path,
            class,
            in_place,
            attributes_set,
            others_count,
            times_compared,
            removed_after_listing,
            is_parent,
            is_tool_state,
            emptiness_counts,
            keeps_content,
            removed_first,
            is_tested,
            before,
        })
    }
}

/// All products of a run, sorted by path, each path once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Products {
    products: Vec<Product>,
    /// The result stands also where every consulted product is as the run left it.
    pub valid_as_left: bool,
}

impl Products {
    /// These, in any order.
    #[must_use]
    pub fn new(mut products: Vec<Product>, valid_as_left: bool) -> Self {
        products.sort_by(|left, right| left.path.cmp(&right.path));
        products.dedup_by(|left, right| left.path == right.path);
        Self { products, valid_as_left }
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

    /// The products of which the run used the earlier content.
    pub fn consulted(&self) -> impl Iterator<Item = &Product> {
        self.products.iter().filter(|product| product.class == ProductClass::Consulted)
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
        to.flag(self.valid_as_left).list(&self.products);
    }
}

impl Decode for Products {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let valid_as_left = from.flag()?;
        let products: Vec<Product> = from.list()?;
        let sorted = products.iter().zip(products.iter().skip(1)).all(|(left, right)| left.path < right.path);
        if sorted { Ok(Self { products, valid_as_left }) } else { Err(DecodeError::NotCanonical) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(path: &str) -> Product {
        let before = FileState::Directory { mode: 0o755 };
        Product {
            in_place: true,
            others_count: true,
            is_parent: true,
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
