//! [`Verdict`]: how far an output is from the labels.

/// How far a batch's output is from its labels, summed over the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Cross-entropy ln(sum exp h) - h_label where z = softmax(h), else half the squared distance to the one-hot label.
    pub loss: f64,
    /// Samples whose largest output is not that of the label. An output that is not a number is wrong.
    pub wrong: usize,
    /// Squared distance |z - y|^2.
    pub distance: f64,
}
