//! [`Fold`]: one part of several, for cross-validation.

/// One of several parts, whose sizes differ by one at most, that the training part is cut into for cross-validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Which part validates, from 1.
    pub part: usize,
    /// Number of parts.
    pub of: usize,
}

impl Fold {
    /// Reads `2/5`: the second of five parts.
    #[must_use]
    pub fn parse(text: &str) -> Option<Fold> {
        let (part, of) = text.split_once('/')?;
        let number = |t: &str| t.bytes().all(|b| b.is_ascii_digit()).then(|| t.parse().ok()).flatten();
        let fold = Fold { part: number(part)?, of: number(of)? };
        (fold.of >= 2 && (1..=fold.of).contains(&fold.part)).then_some(fold)
    }

    /// Places of the part in a shuffled list of `samples`; sizes of parts differ by at most one.
    #[must_use]
    pub fn range(self, samples: usize) -> std::ops::Range<usize> {
        let end = |part: usize| (part as u128 * samples as u128 / self.of.max(1) as u128) as usize;
        end(self.part.saturating_sub(1))..end(self.part)
    }
}

impl std::fmt::Display for Fold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}
