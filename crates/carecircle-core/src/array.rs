//! Arrays that are owned, or lie in bytes that somebody else holds: a file mapped into memory, for one.

use std::fmt;
use std::ops::Deref;
use std::ops::Range;
use std::sync::Arc;
use yoke::Yoke;
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Bytes that stay where they are for as long as anybody holds them.
pub type Region = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// What lies in memory as in a file: without padding, and told from bytes that are none of it.
pub trait Plain: TryFromBytes + IntoBytes + Immutable + KnownLayout + Send + Sync + 'static {}

impl<T: TryFromBytes + IntoBytes + Immutable + KnownLayout + Send + Sync + 'static> Plain for T {}

/// A slice that never changes, together with whoever holds it: a vector, or a [`Region`] that it is a part of.
#[derive(Clone)]
pub struct Array<T: 'static>(Yoke<&'static [T], Arc<dyn Held<T>>>);

trait Held<T>: Send + Sync {
    /// The slice; `None` when the bytes are none.
    fn slice(&self) -> Option<&[T]>;
}

impl<T: Send + Sync> Held<T> for Vec<T> {
    fn slice(&self) -> Option<&[T]> {
        Some(self)
    }
}

/// Some of a region's bytes.
#[derive(Clone)]
pub struct Part {
    /// The region.
    pub region: Region,
    /// Which of its bytes.
    pub range: Range<usize>,
}

impl Part {
    /// The bytes; `None` where they are not within the region.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.region.as_ref().as_ref().get(self.range.clone())
    }
}

impl<T: Plain> Held<T> for Part {
    fn slice(&self) -> Option<&[T]> {
        <[T]>::try_ref_from_bytes(self.bytes()?).ok()
    }
}

impl<T: Plain> Array<T> {
    /// The values that a part of a region is made of; `None` where it isn't within the region, isn't aligned, or holds bytes
    /// that are no such value.
    pub fn of(part: &Part) -> Option<Self> {
        let part: Arc<dyn Held<T>> = Arc::new(part.clone());
        Yoke::try_attach_to_cart(part, |part| part.slice().ok_or(())).ok().map(Self)
    }

    /// Its bytes, as they lie in memory.
    pub fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<T: Send + Sync> From<Vec<T>> for Array<T> {
    fn from(values: Vec<T>) -> Self {
        let values: Arc<dyn Held<T>> = Arc::new(values);
        Self(Yoke::attach_to_cart(values, |values| values.slice().unwrap_or_default()))
    }
}

impl<T: Send + Sync> FromIterator<T> for Array<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Vec::from_iter(values).into()
    }
}

impl<T: Send + Sync> Default for Array<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.get()
    }
}

impl<T: PartialEq> PartialEq for Array<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: fmt::Debug> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_region_outlives_whoever_made_it() {
        let bytes: Vec<u8> = [7_u32, 8, 9].iter().flat_map(|n| n.to_ne_bytes()).collect();
        let region: Region = Arc::new(bytes);
        let numbers = of::<u32>(&region, 4..12).unwrap();
        drop(region);
        assert_eq!(*numbers.clone(), [8, 9]);
        assert_eq!(numbers, Array::from(vec![8, 9]));
    }

    fn of<T: Plain>(region: &Region, range: Range<usize>) -> Option<Array<T>> {
        Array::of(&Part { region: Arc::clone(region), range })
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let region: Region = Arc::new(vec![0_u8, 1, 2, 0, 0, 0, 0, 0]);
        assert_eq!(*of::<bool>(&region, 0..2).unwrap(), [false, true]);
        assert!(of::<bool>(&region, 0..3).is_none(), "two is neither true nor false");
        assert!(of::<bool>(&region, 0..9).is_none(), "beyond the end");
        #[expect(clippy::reversed_empty_ranges, reason = "as a crafted file may have it")]
        let backwards = of::<bool>(&region, 2..1);
        assert!(backwards.is_none());
        assert!(of::<u32>(&region, 0..3).is_none(), "half a number");
        assert!(of::<u32>(&region, 1..5).is_none(), "not aligned");
    }
}
