//! The queue of a search in whole milliseconds: buckets of several seconds each, emptied in order.
//!
//! Within a bucket states come as they were put in, so that a state may be settled again when a better time comes from the
//! same bucket. That costs less than any order; docs/decisions/0004 has the measurements.

/// So many stand open at a time; what is due later waits aside.
const OPEN: usize = 1 << 9;

/// What waits to be settled: states by time. Buckets are two to the power of `SHIFT` milliseconds wide: of 16,384 ms, twenty-two
/// metres at 4.8 km/h, unless said otherwise.
#[derive(Debug)]
pub(crate) struct Buckets<const SHIFT: u32 = 14> {
    /// Entries by bucket: the time above, the state below.
    open: Box<[Vec<u64>; OPEN]>,
    /// The bucket that is being emptied, and how much of it is.
    now: u32,
    taken: usize,
    /// The last bucket that something was put in.
    last: u32,
    /// Due after the last open bucket.
    later: Vec<u64>,
    /// The first bucket that something is due in later.
    next: u32,
}

impl<const SHIFT: u32> Default for Buckets<SHIFT> {
    fn default() -> Self {
        let open = Box::new([const { Vec::new() }; OPEN]);
        Self { open, now: 0, taken: 0, last: 0, later: Vec::new(), next: u32::MAX }
    }
}

impl<const SHIFT: u32> Buckets<SHIFT> {
    /// Sets a queue that was emptied to time 0.
    pub(crate) fn reset(&mut self) {
        (self.now, self.last) = (0, 0);
    }

    /// Puts a state in, due no earlier than the bucket that is being emptied.
    #[inline]
    pub(crate) fn push(&mut self, time: u32, state: u32) {
        let (bucket, entry) = (time >> SHIFT, u64::from(time) << 32 | u64::from(state));
        if ((bucket - self.now) as usize) < OPEN {
            self.open[bucket as usize % OPEN].push(entry);
            self.last = self.last.max(bucket);
        } else {
            self.later.push(entry);
            self.next = self.next.min(bucket);
        }
    }

    /// Takes a state out that is due in the first bucket with any.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(u32, u32)> {
        loop {
            if let Some(entry) = self.open[self.now as usize % OPEN].get(self.taken) {
                self.taken += 1;
                return Some(((entry >> 32) as u32, *entry as u32));
            }
            if !self.advance() {
                return None;
            }
        }
    }

    /// Goes on to the next bucket with entries, if there is one.
    #[inline(never)] // so that `pop` is small enough to stand in the loop of a search
    fn advance(&mut self) -> bool {
        self.open[self.now as usize % OPEN].clear();
        self.taken = 0;
        let found = (self.now + 1..=self.last).find(|&bucket| !self.open[bucket as usize % OPEN].is_empty());
        let now = found.unwrap_or(u32::MAX).min(self.next);
        if now == u32::MAX {
            return false;
        }
        self.now = now;
        if now == self.next {
            self.next = u32::MAX;
            for entry in std::mem::take(&mut self.later) {
                self.push((entry >> 32) as u32, entry as u32);
            }
        }
        true
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
