//! What a network needs values for.

use reclra::rule::ParamId;

/// A parameter the network has, and so needs values for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) param: ParamId,
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// The shape that other programs give the W of a convolution: outputs, inputs of a group, rows, columns.
    pub(super) kernel: Option<[usize; 4]>,
    /// Whether it is W or b of a dense region; else its name ends in that of its layer and what it is there.
    pub(super) is_dense: bool,
}

impl Wanted {
    /// Whether a tensor of that shape holds its numbers in their order: in the same shape, as the kernel of a convolution, or
    /// with dimensions of 1 that move no number.
    pub(super) fn is_held_as(&self, shape: &[usize]) -> bool {
        let same = match self.shape[..] {
            [n] => shape.iter().filter(|&&d| d != 1).eq([n].iter().filter(|&&d| d != 1)),
            [to, from] => shape == [to, from, 1, 1],
            _ => false,
        };
        same || shape == self.shape || self.kernel.is_some_and(|k| shape == k)
    }

    /// The shapes it may have, in words.
    pub(super) fn shapes(&self) -> String {
        match self.kernel {
            Some(kernel) => format!("{kernel:?} or {:?}", self.shape),
            None => format!("{:?}", self.shape),
        }
    }
}

/// `, did you mean X?` if one of `known` is near. Names of tensors are compared whole: their last parts are all alike.
pub(super) fn nearest(word: &str, known: &[&str]) -> String {
    let near = |k: &str| strsim::jaro_winkler(word, k);
    let best = known.iter().max_by(|a, b| near(a).total_cmp(&near(b)));
    best.filter(|k| near(k) > 0.8).map_or(String::new(), |k| format!(", did you mean `{k}`?"))
}
