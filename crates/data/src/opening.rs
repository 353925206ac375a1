//! [`Opening`]: how an image folder is read.

/// How an image folder is read. Other data sets do not ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opening {
    /// Height and width that pictures are brought to, `data.size`; 0 for their own, which must then be one.
    pub size: usize,
    /// Share of the pictures that may be broken, `data.broken`; 10 always may, unless it is 0.
    pub broken: f64,
    /// MiB of decoded pictures that are kept in memory at most, `data.memory`.
    pub memory: usize,
}

impl Default for Opening {
    fn default() -> Opening {
        Opening { size: 0, broken: 0.01, memory: 1024 }
    }
}
