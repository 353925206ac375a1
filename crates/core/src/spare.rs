//! [`Spare`]: tensors that are free for the next who needs one, so that what one block has done with serves another.

use reclra_compute::{Device, Tensor};

/// Storage that is free.
#[derive(Clone, Debug, Default)]
pub struct Spare(Vec<Tensor>);

impl Spare {
    /// A matrix of that shape, its contents unspecified: the smallest that holds it, or else the largest, which grows; a new one
    /// if none is free.
    pub(crate) fn take(&mut self, device: &Device, rows: usize, cols: usize) -> Tensor {
        let need = 4 * rows * cols;
        let fit = |t: &Tensor| if t.bytes() >= need { (0, t.bytes()) } else { (1, usize::MAX - t.bytes()) };
        match (0..self.0.len()).min_by_key(|&i| fit(&self.0[i])) {
            Some(i) => {
                let mut tensor = self.0.swap_remove(i);
                tensor.reshape(rows, cols);
                tensor
            }
            None => device.zeros(&[rows, cols]),
        }
    }

    /// Gives tensors back that are no longer needed.
    pub(crate) fn give(&mut self, tensors: impl IntoIterator<Item = Tensor>) {
        self.0.extend(tensors.into_iter().filter(|t| t.bytes() > 0));
    }

    /// Takes over what is free in another.
    pub(crate) fn merge(&mut self, other: &mut Spare) {
        self.0.append(&mut other.0);
    }

    /// Deals everything out, so that each has about as much of every size.
    pub(crate) fn deal<'a>(&mut self, to: impl ExactSizeIterator<Item = &'a mut Spare>) {
        self.0.sort_by_key(|t| std::cmp::Reverse(t.bytes()));
        let (all, players) = (std::mem::take(&mut self.0), to.len());
        let mut hands: Vec<&mut Spare> = to.collect();
        for (n, tensor) in all.into_iter().enumerate() {
            hands[n % players].0.push(tensor);
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().map(|t| t.bytes() as u64).sum()
    }
}
