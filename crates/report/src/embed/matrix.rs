//! [`Matrix`]: activities and maps as numbers.

/// Numbers row by row: one sample a row, one unit a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// Numbers in a row.
    pub cols: usize,
    /// All rows, one after the other.
    pub values: Vec<f32>,
}

impl Matrix {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.cols.max(1)
    }

    /// Row `i`, counted from 0.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.cols..(i + 1) * self.cols]
    }
}
