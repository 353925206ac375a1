//! What every decoder keeps to.

/// Pictures of more decoded bytes are refused: a file of a few hundred bytes may claim terabytes.
pub(crate) const LARGEST: u64 = 256 << 20;
/// Description of a file that ends too early.
pub(super) const CUT: &str = "is cut short";
