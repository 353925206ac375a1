//! Counter-based randomness: every random number of the project is a pure function of a [`Key`].
//!
//! Nothing holds a generator between two steps. Whoever needs randomness names it: the run's seed, then a stream
//! (weights, shuffle, shifts), then an index (epoch, batch). So a resumed run stores integers, two threads never
//! share a generator, and adding a consumer does not move the numbers of another. The numbers come from ChaCha8,
//! which is counter-based by design (`rand_chacha`).

use rand::{Rng, RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A name for an endless sequence of random numbers. Keys form a tree: `Key::new(seed).child(stream).child(step)`.
///
/// ```
/// use reclra_compute::rng::Key;
/// let shuffle = Key::new(7).child(2).child(0);
/// assert_eq!(shuffle.permutation(5), Key::new(7).child(2).child(0).permutation(5));
/// assert_ne!(shuffle.permutation(100), Key::new(7).child(2).child(1).permutation(100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// The root of the tree of a run.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Key(key)
    }

    /// The child numbered `index`; different indices give unrelated sequences.
    #[must_use]
    pub fn child(self, index: u64) -> Self {
        let mut rng = ChaCha8Rng::from_seed(self.0);
        rng.set_stream(index.wrapping_add(1)); // stream 0 is what `rng` hands out
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Key(key)
    }

    /// A child named by text: a parameter's name, say, so that its numbers do not depend on the order of creation.
    #[must_use]
    pub fn child_named(self, name: &str) -> Self {
        name.bytes().fold(self.child(name.len() as u64), |key, byte| key.child(u64::from(byte)))
    }

    /// A generator at the start of this key's sequence. Keep it inside one function.
    #[must_use]
    pub fn rng(self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.0)
    }

    /// `len` independent draws from N(0, std^2).
    #[must_use]
    pub fn normal(self, len: usize, std: f64) -> Vec<f64> {
        self.normals(std).take(len).collect()
    }

    /// The same without end, one by one: for more of them than there should be room for.
    pub fn normals(self, std: f64) -> impl Iterator<Item = f64> {
        let mut rng = self.rng();
        std::iter::repeat_with(move || {
            let x: f64 = StandardNormal.sample(&mut rng);
            std * x
        })
    }

    /// `len` independent draws, uniform in [-level, level).
    #[must_use]
    pub fn uniform(self, len: usize, level: f64) -> Vec<f64> {
        let mut rng = self.rng();
        (0..len).map(|_| level * (2.0 * rng.random::<f64>() - 1.0)).collect()
    }

    /// A uniformly drawn ordering of `0..len`.
    ///
    /// # Panics
    /// If `len` does not fit 32 bits: no data set here is that large.
    #[must_use]
    pub fn permutation(self, len: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..u32::try_from(len).expect("at most 2^32 samples")).collect();
        order.shuffle(&mut self.rng());
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_has_the_asked_moments() {
        let x = Key::new(1).child_named("W.b1").normal(40_000, 0.5);
        let mean = x.iter().sum::<f64>() / 40_000.0;
        let var = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 40_000.0;
        assert!(mean.abs() < 0.01 && (var.sqrt() - 0.5).abs() < 0.01, "{mean} {var}");
    }

    #[test]
    fn siblings_and_generations_differ() {
        let root = Key::new(3);
        let keys = [root, root.child(0), root.child(1), root.child(0).child(0), root.child_named("a"), Key::new(4)];
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i + 1..] {
                assert_ne!(a.normal(4, 1.0), b.normal(4, 1.0));
            }
        }
    }

    #[test]
    fn permutation_holds_every_index_once() {
        let mut p = Key::new(9).permutation(1000);
        assert_ne!(p[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        p.sort_unstable();
        assert!(p.iter().enumerate().all(|(i, &v)| i as u32 == v));
    }
}
