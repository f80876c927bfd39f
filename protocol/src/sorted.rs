//! A map and a set that keep what they hold in order, in rows.
//!
//! They answer like the `BTreeMap` and `BTreeSet` whose names they borrow: the same values, in the
//! same order, from the part of their methods that the cores use. A B-tree is some kilobytes of
//! code, made anew for each pair of key and value; the extension's core has near a hundred such
//! pairs, and they were a quarter of its module. A row takes one binary search for each kind of key,
//! and `Vec` does the rest.
//!
//! The price: an entry that comes or goes moves all that stand behind it. For the thousands that a
//! core holds, that is less work than to walk a tree; for what a page may hold by the hundred
//! thousand in no order, take a `BTreeMap`. So does a JSON object, which is one.

use serde::{Serialize, Serializer};
use std::borrow::Borrow;
use std::fmt;
use std::iter::Zip;
use std::ops::Index;
use std::{slice, vec};

/// Values in ascending order, none twice.
#[derive(Clone, PartialEq, Eq)]
pub struct SortedSet<T> {
    row: Vec<T>,
}

/// Values by key, in ascending order of their keys, no key twice.
#[derive(Clone, PartialEq, Eq)]
pub struct SortedMap<K, V> {
    /// Apart from the values, so that maps with the same kind of key share its code.
    keys: SortedSet<K>,
    /// The value at each place belongs to the key at the same place.
    values: Vec<V>,
}

impl<T> SortedSet<T> {
    #[must_use]
    pub const fn new() -> Self {
        Self { row: Vec::new() }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.row.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }

    pub fn clear(&mut self) {
        self.row.clear();
    }

    pub fn iter(&self) -> slice::Iter<'_, T> {
        self.row.iter()
    }

    /// The smallest.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.row.first()
    }

    /// The greatest.
    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.row.last()
    }

    /// Takes the smallest.
    pub fn pop_first(&mut self) -> Option<T> {
        (!self.row.is_empty()).then(|| self.row.remove(0))
    }

    /// Drops what `keep` says no to.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.row.retain(keep);
    }
}

impl<T: Ord> SortedSet<T> {
    /// Where `value` stands, or else where it would.
    fn place<Q: Ord + ?Sized>(&self, value: &Q) -> Result<usize, usize>
    where
        T: Borrow<Q>,
    {
        self.row.binary_search_by(|own| own.borrow().cmp(value))
    }

    /// Whether it was new. One that was there already stays, and `value` is dropped.
    pub fn insert(&mut self, value: T) -> bool {
        match self.place(&value) {
            Ok(_) => false,
            Err(at) => {
                self.row.insert(at, value);
                true
            }
        }
    }

    /// Whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        let place = self.place(value);
        place.is_ok_and(|at| {
            self.row.remove(at);
            true
        })
    }

    #[must_use]
    pub fn contains<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.place(value).is_ok()
    }

    /// Those of this set that are not in the other.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a T> {
        self.iter().filter(|own| !other.contains(*own))
    }
}

impl<K, V> SortedMap<K, V> {
    #[must_use]
    pub const fn new() -> Self {
        Self {
            keys: SortedSet::new(),
            values: Vec::new(),
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
    }

    pub fn iter(&self) -> Zip<slice::Iter<'_, K>, slice::Iter<'_, V>> {
        self.keys.iter().zip(&self.values)
    }

    pub fn iter_mut(&mut self) -> Zip<slice::Iter<'_, K>, slice::IterMut<'_, V>> {
        self.keys.iter().zip(&mut self.values)
    }

    pub fn keys(&self) -> slice::Iter<'_, K> {
        self.keys.iter()
    }

    /// In ascending order of their keys.
    pub fn values(&self) -> slice::Iter<'_, V> {
        self.values.iter()
    }

    /// In ascending order of their keys.
    pub fn values_mut(&mut self) -> slice::IterMut<'_, V> {
        self.values.iter_mut()
    }

    #[must_use]
    pub fn into_keys(self) -> vec::IntoIter<K> {
        self.keys.into_iter()
    }

    /// In ascending order of their keys.
    #[must_use]
    pub fn into_values(self) -> vec::IntoIter<V> {
        self.values.into_iter()
    }

    /// Takes the entry with the smallest key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let key = self.keys.pop_first()?;
        Some((key, self.values.remove(0)))
    }

    /// Drops the entries that `keep` says no to.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for (key, mut value) in std::mem::take(self) {
            if keep(&key, &mut value) {
                self.keys.row.push(key);
                self.values.push(value);
            }
        }
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// The value that `key` had until now. Its key stays the one that was there first.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.keys.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.values[at], value)),
            Err(at) => {
                self.keys.row.insert(at, key);
                self.values.insert(at, value);
                None
            }
        }
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        Some(self.remove_entry(key)?.1)
    }

    pub fn remove_entry<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let at = self.keys.place(key).ok()?;
        Some((self.keys.row.remove(at), self.values.remove(at)))
    }

    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.values.get(self.keys.place(key).ok()?)
    }

    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.values.get_mut(self.keys.place(key).ok()?)
    }

    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.keys.contains(key)
    }

    /// The place of `key`, to be filled if it is empty.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        let (at, missing) = match self.keys.place(&key) {
            Ok(at) => (at, None),
            Err(at) => (at, Some(key)),
        };
        Entry {
            map: self,
            at,
            missing,
        }
    }

    /// Takes the entries from `key` on.
    #[must_use]
    pub fn split_off<Q: Ord + ?Sized>(&mut self, key: &Q) -> Self
    where
        K: Borrow<Q>,
    {
        let (Ok(at) | Err(at)) = self.keys.place(key);
        Self {
            keys: SortedSet {
                row: self.keys.row.split_off(at),
            },
            values: self.values.split_off(at),
        }
    }
}

/// A place in a map, found once.
pub struct Entry<'a, K, V> {
    map: &'a mut SortedMap<K, V>,
    at: usize,
    /// The key, where the map has none like it.
    missing: Option<K>,
}

impl<'a, K, V> Entry<'a, K, V> {
    pub fn or_insert_with(self, value: impl FnOnce() -> V) -> &'a mut V {
        let Self { map, at, missing } = self;
        if let Some(key) = missing {
            map.values.insert(at, value());
            map.keys.row.insert(at, key);
        }
        &mut map.values[at]
    }

    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
}

impl<K: Ord + Borrow<Q>, Q: Ord + ?Sized, V> Index<&Q> for SortedMap<K, V> {
    type Output = V;

    /// # Panics
    /// Where the map has no such key.
    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the key is in the map")
    }
}

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SortedSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Serialize, V: Serialize> Serialize for SortedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<T: Ord> Extend<T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.insert(value);
        }
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    /// Of those with one key, the last counts.
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut set = Self::new();
        set.extend(values);
        set
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    /// Of those with one key, the last counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for SortedSet<T> {
    fn from(values: [T; N]) -> Self {
        Self::from_iter(values)
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        Self::from_iter(entries)
    }
}

impl<T> IntoIterator for SortedSet<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.row.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a SortedSet<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = Zip<vec::IntoIter<K>, vec::IntoIter<V>>;
    fn into_iter(self) -> Self::IntoIter {
        self.keys.into_iter().zip(self.values)
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Zip<slice::Iter<'a, K>, slice::Iter<'a, V>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut SortedMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = Zip<slice::Iter<'a, K>, slice::IterMut<'a, V>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Numbers in no order, the same each time: Knuth's linear congruential generator.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
            self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    #[test]
    fn a_map_is_the_tree_whose_name_it_borrows_through_ten_thousand_random_steps() {
        let mut numbers = Numbers(1);
        let (mut map, mut tree) = (SortedMap::new(), BTreeMap::new());
        for step in 0..10_000_u64 {
            let key = numbers.below(60).to_string();
            match numbers.below(12) {
                0..=3 => assert_eq!(map.insert(key.clone(), step), tree.insert(key, step)),
                4 => assert_eq!(map.remove(key.as_str()), tree.remove(key.as_str())),
                5 => assert_eq!(
                    map.remove_entry(key.as_str()),
                    tree.remove_entry(key.as_str())
                ),
                6 => {
                    *map.entry(key.clone()).or_default() += step;
                    *tree.entry(key).or_default() += step;
                }
                7 => assert_eq!(
                    map.entry(key.clone()).or_insert(step),
                    tree.entry(key).or_insert(step)
                ),
                8 => assert_eq!(map.pop_first(), tree.pop_first()),
                9 => {
                    let (ours, theirs) = (map.get_mut(&key), tree.get_mut(&key));
                    assert_eq!(ours, theirs);
                    if let (Some(ours), Some(theirs)) = (ours, theirs) {
                        (*ours, *theirs) = (step, step);
                    }
                }
                10 => {
                    let kept = |key: &String, value: &mut u64| {
                        *value += 1;
                        !value.is_multiple_of(9) || key.len() == 1
                    };
                    map.retain(kept);
                    tree.retain(kept);
                }
                _ => {
                    let (behind, beyond) = (map.split_off(&key), tree.split_off(&key));
                    assert!(behind.iter().eq(&beyond), "step {step}: {behind:?}");
                    // The later half's values come back by all that takes many entries at once.
                    map.extend(behind);
                    tree.extend(beyond);
                }
            }
            assert!(
                map.iter().eq(&tree),
                "step {step}: {map:?} against {tree:?}"
            );
            assert_eq!((map.len(), map.is_empty()), (tree.len(), tree.is_empty()));
            let key = numbers.below(60).to_string();
            assert_eq!(map.get(&key), tree.get(&key));
            assert_eq!(map.contains_key(&key), tree.contains_key(&key));
        }
    }

    #[test]
    fn a_set_is_the_tree_whose_name_it_borrows_through_ten_thousand_random_steps() {
        let mut numbers = Numbers(2);
        let (mut set, mut tree) = (SortedSet::new(), BTreeSet::new());
        for step in 0..10_000 {
            let value = numbers.below(80);
            match numbers.below(6) {
                0..=2 => assert_eq!(set.insert(value), tree.insert(value)),
                3 => assert_eq!(set.remove(&value), tree.remove(&value)),
                4 => assert_eq!(set.pop_first(), tree.pop_first()),
                _ => {
                    set.retain(|own| own % 7 != value % 7);
                    tree.retain(|own| own % 7 != value % 7);
                }
            }
            assert!(
                set.iter().eq(&tree),
                "step {step}: {set:?} against {tree:?}"
            );
            assert_eq!((set.first(), set.last()), (tree.first(), tree.last()));
            assert_eq!((set.len(), set.is_empty()), (tree.len(), tree.is_empty()));
            assert_eq!(set.contains(&value), tree.contains(&value));
            let [other, others] = [numbers.below(80), numbers.below(80)];
            let ours = SortedSet::from([other, others]);
            let theirs = BTreeSet::from([other, others]);
            assert!(set.difference(&ours).eq(tree.difference(&theirs)));
        }
    }

    #[test]
    fn of_entries_with_one_key_the_last_counts() {
        let map = SortedMap::from([(2, 'b'), (1, 'a'), (2, 'c')]);
        assert!(map.into_iter().eq([(1, 'a'), (2, 'c')]));
    }

    #[test]
    fn a_map_is_written_as_a_json_object_in_order() {
        let map = SortedMap::from([(20, "b"), (3, "a")]);
        assert_eq!(
            serde_json::to_string(&map).unwrap(),
            r#"{"3":"a","20":"b"}"#
        );
    }
}
