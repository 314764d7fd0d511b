//! Ids and where they stand: the bookkeeping that lets three stages share work without a hash table.

/// A sorted set of ids that are wanted, each known by its position.
#[derive(Debug)]
pub(crate) struct IdIndex {
    ids: Vec<i64>,
    /// Where the ids of each bucket begin: a search looks through one bucket, not all ids.
    fence: Vec<u32>,
    shift: u32,
}

/// The ids in ascending order, each once. Node ids of one block of ways spread over few bits, so that sorting by digits
/// beats comparing.
pub(crate) fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    const DIGIT: u32 = 11;
    let low = ids.iter().copied().min().unwrap_or(0);
    let high = ids.iter().copied().max().unwrap_or(0);
    let key = |id: i64| id.wrapping_sub(low) as u64;
    let bits = u64::BITS - key(high).leading_zeros();
    if ids.len() < 4_096 || bits > 4 * DIGIT {
        ids.sort_unstable();
    } else {
        let mut other = vec![0; ids.len()];
        for shift in (0..bits).step_by(DIGIT as usize) {
            let digit = |id: i64| (key(id) >> shift) as usize & ((1 << DIGIT) - 1);
            let mut next = [0_u32; 1 << DIGIT];
            for &id in &ids {
                next[digit(id)] += 1;
            }
            let mut sum = 0;
            for slot in &mut next {
                sum += std::mem::replace(slot, sum);
            }
            for &id in &ids {
                let slot = &mut next[digit(id)];
                other[*slot as usize] = id;
                *slot += 1;
            }
            std::mem::swap(&mut ids, &mut other);
        }
    }
    ids.dedup();
    ids
}

/// Merges ascending runs into one, each id once.
fn merged(runs: &mut [Vec<i64>]) -> Vec<i64> {
    match runs {
        [] => Vec::new(),
        [run] => std::mem::take(run),
        runs => {
            let (left, right) = runs.split_at_mut(runs.len() / 2);
            let (left, right) = rayon::join(|| merged(left), || merged(right));
            let mut out = Vec::with_capacity(left.len() + right.len());
            let (mut i, mut j) = (0, 0);
            while i < left.len() && j < right.len() {
                let (a, b) = (left[i], right[j]);
                out.push(a.min(b));
                i += usize::from(a <= b);
                j += usize::from(b <= a);
            }
            out.extend_from_slice(&left[i..]);
            out.extend_from_slice(&right[j..]);
            out
        }
    }
}

impl IdIndex {
    /// The set of all ids in some runs, each ascending and without repetition.
    pub(crate) fn new(mut runs: Vec<Vec<i64>>) -> Self {
        let ids = merged(&mut runs);
        let (Some(&low), Some(&high)) = (ids.first(), ids.last()) else {
            return Self { ids, fence: vec![0, 0], shift: 0 };
        };
        let span = high.wrapping_sub(low) as u64;
        let mut shift = 0;
        while span >> shift > ids.len() as u64 {
            shift += 1;
        }
        let buckets = (span >> shift) as usize + 1;
        let mut fence = vec![0_u32; buckets + 1];
        for &id in &ids {
            fence[(id.wrapping_sub(low) as u64 >> shift) as usize + 1] += 1;
        }
        for bucket in 0..buckets {
            fence[bucket + 1] += fence[bucket];
        }
        Self { ids, fence, shift }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The position of an id in the set.
    pub(crate) fn position(&self, id: i64) -> Option<u32> {
        let low = *self.ids.first()?;
        if id < low {
            return None;
        }
        let bucket = usize::try_from(id.wrapping_sub(low) as u64 >> self.shift).ok()?;
        let (from, to) = (*self.fence.get(bucket)?, *self.fence.get(bucket + 1)?);
        let within = self.ids[from as usize..to as usize].binary_search(&id).ok()?;
        Some(from + within as u32)
    }

    /// The positions of ids that are all in the set. Neighbours on a way are often neighbours in the set.
    pub(crate) fn positions(&self, ids: &[i64], out: &mut [u32]) {
        let mut last = 0;
        for (id, out) in ids.iter().zip(out) {
            if self.ids.get(last as usize + 1) == Some(id) {
                last += 1;
            } else {
                last = self.position(*id).unwrap_or(u32::MAX - 1);
            }
            *out = last;
        }
    }

    /// A search for ids that come in ascending order, mostly.
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        Cursor { index: self, next: 0, last: i64::MIN }
    }
}

/// Walks through the set beside a run of ids.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    index: &'a IdIndex,
    next: usize,
    last: i64,
}

impl Cursor<'_> {
    /// The position of an id in the set; cheap when it is not far behind the one before.
    pub(crate) fn find(&mut self, id: i64) -> Option<u32> {
        let ids = self.index.ids.as_slice();
        if self.last == i64::MIN || id < self.last {
            self.next = ids.partition_point(|&wanted| wanted < id);
        }
        self.last = id;
        let mut step = 1;
        while self.next + step < ids.len() && ids[self.next + step] < id {
            self.next += step;
            step *= 2;
        }
        if step > 1 {
            let end = (self.next + step).min(ids.len());
            self.next += ids[self.next..end].partition_point(|&wanted| wanted < id);
        }
        while self.next < ids.len() && ids[self.next] < id {
            self.next += 1;
        }
        (ids.get(self.next) == Some(&id)).then_some(self.next as u32)
    }
}

/// The ids that a block held, as far as it takes to know whether one came twice.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) count: u32,
    ends: Option<(i64, i64)>,
    unordered: bool,
    /// Every id; only when ids don't ascend through the file, which proves without a list that none repeats.
    all: Option<Vec<i64>>,
}

impl Seen {
    pub(crate) fn new(thorough: bool) -> Self {
        Self { all: thorough.then(Vec::new), ..Self::default() }
    }

    /// Notes an id; answers its number within the block.
    pub(crate) fn note(&mut self, id: i64) -> u32 {
        match &mut self.ends {
            Some((_, last)) => {
                self.unordered |= id <= *last;
                *last = id;
            }
            none => *none = Some((id, id)),
        }
        if let Some(all) = &mut self.all {
            all.push(id);
        }
        self.count += 1;
        self.count - 1
    }
}

/// Whether ids ascend through all blocks.
pub(crate) fn ascend<'a>(blocks: impl Iterator<Item = &'a Seen>) -> bool {
    let mut last = None;
    for seen in blocks {
        if let Some((first, end)) = seen.ends {
            if seen.unordered || last.is_some_and(|last| first <= last) {
                return false;
            }
            last = Some(end);
        }
    }
    true
}

/// Block and number of every element whose id stood earlier in the file, in order. Takes thorough lists.
pub(crate) fn repeats<'a>(blocks: impl Iterator<Item = &'a Seen>) -> Vec<(u32, u32)> {
    let mut all: Vec<(i64, u32, u32)> = Vec::new();
    for (block, seen) in blocks.enumerate() {
        let ids = seen.all.as_deref().unwrap_or_default();
        all.extend(ids.iter().zip(0_u32..).map(|(&id, number)| (id, block as u32, number)));
    }
    all.sort_unstable();
    let mut repeats: Vec<(u32, u32)> =
        all.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| (pair[1].1, pair[1].2)).collect();
    repeats.sort_unstable();
    repeats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_found_and_no_other() {
        let ids: Vec<i64> = (0..2_000_i64).map(|i| i * i * 7 - 5_000).chain([i64::MIN, i64::MAX]).collect();
        let index = IdIndex::new(vec![sorted(ids.iter().rev().copied().chain([2, 2]).collect()), vec![2, 9], vec![]]);
        let mut cursor = index.cursor();
        for (position, &id) in index.ids.iter().enumerate() {
            assert_eq!(index.position(id), Some(position as u32));
            assert_eq!(cursor.find(id), Some(position as u32));
        }
        let mut positions = vec![0; 3];
        index.positions(&[index.ids[7], index.ids[8], index.ids[2]], &mut positions);
        assert_eq!(positions, [7, 8, 2]);
        for missing in [3, -4_999, i64::MAX - 1, i64::MIN + 1] {
            assert_eq!(index.position(missing), None);
            assert_eq!(cursor.find(missing), None);
        }
        assert_eq!(cursor.find(2), index.position(2), "a cursor goes back when it must");
        assert_eq!(IdIndex::new(Vec::new()).position(1), None);
        assert_eq!(IdIndex::new(Vec::new()).cursor().find(1), None);
    }

    #[test]
    fn sorting_by_digits_sorts() {
        let ids: Vec<i64> = (0..10_000_i64).map(|i| (i * 7_919) % 10_007 * 1_000_003 - 5_000_000_000).collect();
        let mut expected = ids.clone();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(sorted(ids.iter().chain(&ids[..50]).copied().collect()), expected);
    }

    #[test]
    fn the_first_of_equal_ids_counts() {
        let block = |ids: &[i64]| {
            let mut seen = Seen::new(true);
            for &id in ids {
                seen.note(id);
            }
            seen
        };
        assert!(ascend([block(&[1, 2]), block(&[]), block(&[3])].iter()));
        assert!(!ascend([block(&[1, 2]), block(&[2])].iter()));
        assert!(!ascend([block(&[2, 1])].iter()));
        assert_eq!(repeats([block(&[5, 1]), block(&[1, 7, 5])].iter()), [(1, 0), (1, 2)]);
    }
}
