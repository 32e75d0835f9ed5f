//! Jitter, seeded by the operating system and not by a clock: hosts that fail in the same moment do not
//! retry in the same moment.

use std::hash::{BuildHasher, RandomState};

/// A number in `[0, 1)`.
pub(crate) fn unit() -> f64 {
    // The keys of a `RandomState` come from the operating system, and no two have the same.
    fastrand::Rng::with_seed(RandomState::new().hash_one(())).f64()
}

#[cfg(test)]
mod tests {
    use super::unit;

    #[test]
    fn draws_differ_and_fill_the_range() {
        let mut drawn: Vec<f64> = (0..1000).map(|_| unit()).collect();
        drawn.sort_by(f64::total_cmp);
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
        // A thousand fair draws leave a tenth of the range empty once in 10^45.
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            assert!(drawn.iter().any(|draw| (low..low + 0.1).contains(draw)));
        }
        assert!(drawn.first() >= Some(&0.0) && drawn.last() < Some(&1.0));
    }
}
