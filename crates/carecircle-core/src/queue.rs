//! The queue of a search in whole milliseconds: buckets of a few seconds each, emptied in order.
//!
//! Within a bucket no order is kept, so that a state may be settled again when a better time comes from the same bucket.
//! That happens to one state in a hundred and costs less than any order; docs/decisions/0004 has the measurements.

/// So many stand open at a time; what is due later waits aside.
const OPEN: usize = 1 << 10;

/// What waits to be settled: states by time. Buckets are two to the power of `SHIFT` milliseconds wide: of 4,096 ms, five
/// metres and a half at 4.8 km/h, unless said otherwise.
#[derive(Debug, Default)]
pub(crate) struct Buckets<const SHIFT: u32 = 12> {
    /// Entries by bucket: the time above, the state below.
    open: Vec<Vec<u64>>,
    /// How many the open buckets hold.
    waiting: usize,
    /// The bucket that is being emptied.
    now: u32,
    /// Due after the last open bucket.
    later: Vec<u64>,
    /// The first bucket that something is due in later.
    next: u32,
}

impl<const SHIFT: u32> Buckets<SHIFT> {
    /// Empties the queue and sets it to time 0.
    pub(crate) fn reset(&mut self) {
        if self.waiting > 0 || self.open.is_empty() {
            self.open.iter_mut().for_each(Vec::clear);
            self.open.resize_with(OPEN, Vec::new);
        }
        self.later.clear();
        (self.waiting, self.now, self.next) = (0, 0, u32::MAX);
    }

    /// Puts a state in, due no earlier than the bucket that is being emptied.
    #[inline]
    pub(crate) fn push(&mut self, time: u32, state: u32) {
        let (bucket, entry) = (time >> SHIFT, u64::from(time) << 32 | u64::from(state));
        if ((bucket - self.now) as usize) < OPEN {
            self.open[bucket as usize % OPEN].push(entry);
            self.waiting += 1;
        } else {
            self.later.push(entry);
            self.next = self.next.min(bucket);
        }
    }

    /// Takes a state out that is due in the first bucket with any.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(u32, u32)> {
        loop {
            if let Some(entry) = self.open[self.now as usize % OPEN].pop() {
                self.waiting -= 1;
                return Some(((entry >> 32) as u32, entry as u32));
            }
            if self.waiting == 0 {
                if self.later.is_empty() {
                    return None;
                }
                self.now = self.next;
            } else {
                self.now += 1;
            }
            if self.now >= self.next {
                self.next = u32::MAX;
                for entry in std::mem::take(&mut self.later) {
                    self.push((entry >> 32) as u32, entry as u32);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn states_come_by_bucket_however_far_apart(times in prop::collection::vec(any::<u32>(), 0..200), near in 1_u32..32) {
            const SHIFT: u32 = 12;
            let mut queue = Buckets::<SHIFT>::default();
            queue.reset();
            let times: Vec<u32> = times.iter().map(|t| t >> (t % near)).collect();
            times.iter().zip(0..).for_each(|(&time, state)| queue.push(time, state));
            let mut last = 0;
            let mut found = Vec::new();
            while let Some((time, state)) = queue.pop() {
                prop_assert!(time >> SHIFT >= last);
                last = time >> SHIFT;
                found.push((time, state));
            }
            let mut expected: Vec<(u32, u32)> = times.into_iter().zip(0..).collect();
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
