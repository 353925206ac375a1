//! [`Tensor`]: numbers with a shape, wherever they live.
//!
//! The storage is an enum, so that one learning rule, written once, runs on the fast float32 kernels, on the naive
//! float64 oracle it is tested against, and later on a GPU, without a type parameter anywhere above this room.
//! Activity tensors are feature-major: `n x B`, one row a unit, one column a sample, as in the paper's column vectors.

use aligned_vec::{AVec, RuntimeAlign};
use smallvec::SmallVec;

/// Floats on a 64-byte boundary: one cache line, one AVX-512 register.
pub(crate) type Aligned<T> = AVec<T, RuntimeAlign>;

/// A huge page where the system has them (x86-64, most of aarch64).
const HUGE: usize = 2 << 20;

/// So many zeros. Large arrays ask for huge pages: a pass over rows that lie pages apart else waits for page tables.
pub(crate) fn zeros<T: Copy + Default>(len: usize) -> Aligned<T> {
    let bytes = len * size_of::<T>();
    let mut v: Aligned<T> = Aligned::with_capacity(if bytes >= HUGE { HUGE } else { 64 }, len);
    #[cfg(target_os = "linux")]
    if bytes >= HUGE {
        // SAFETY: a hint about memory that this vector has just been given and nobody has touched; the length is rounded
        // down to whole huge pages within it. Failure (no support) changes nothing.
        unsafe {
            libc::madvise(v.as_mut_ptr().cast(), bytes / HUGE * HUGE, libc::MADV_HUGEPAGE);
        }
    }
    v.resize(len, T::default());
    v
}

/// Where the numbers of a tensor are, and in which precision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Storage {
    /// Host memory, float32: what the fast kernels read.
    F32(Aligned<f32>),
    /// Host memory, float64: what the oracle reads.
    F64(Aligned<f64>),
}

/// A row-major array of one or two dimensions (or more, for image layers) on a [`crate::Device`].
///
/// Made by [`crate::Device::zeros`] and [`crate::Device::tensor`]; read back with [`Tensor::to_vec`].
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub(crate) storage: Storage,
    pub(crate) shape: SmallVec<[usize; 4]>,
}

/// A signal and the factor it is taken with.
pub type Scaled<'a> = (f64, &'a Tensor);

impl Default for Tensor {
    /// The empty tensor: what is left behind while another is lent out of a list.
    fn default() -> Self {
        Tensor { storage: Storage::F32(Aligned::new(64)), shape: SmallVec::from_slice(&[0, 0]) }
    }
}

impl Tensor {
    /// Length of each dimension.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// First dimension: units, for an activity.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shape[0]
    }

    /// Product of all dimensions after the first: samples, for an activity.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes the storage holds, spare room for larger batches included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.storage {
            Storage::F32(v) => v.len() * 4,
            Storage::F64(v) => v.len() * 8,
        }
    }

    /// Gives a two-dimensional tensor `cols` columns; the contents are unspecified afterwards.
    ///
    /// Memory is taken only when the tensor has never been that large, so that a smaller last batch costs nothing.
    pub fn set_cols(&mut self, cols: usize) {
        self.reshape(self.rows(), cols);
    }

    /// Makes it a matrix of that many rows and columns; contents and memory as with [`Tensor::set_cols`].
    pub fn reshape(&mut self, rows: usize, cols: usize) {
        let need = rows * cols;
        self.shape.clear();
        self.shape.extend_from_slice(&[rows, cols]);
        match &mut self.storage {
            Storage::F32(v) if v.len() < need => v.resize(need, 0.0),
            Storage::F64(v) if v.len() < need => v.resize(need, 0.0),
            _ => {}
        }
    }

    /// All elements, row by row, in float64.
    #[must_use]
    pub fn to_vec(&self) -> Vec<f64> {
        match &self.storage {
            Storage::F32(v) => v[..self.len()].iter().map(|&x| f64::from(x)).collect(),
            Storage::F64(v) => v[..self.len()].to_vec(),
        }
    }

    /// All elements, row by row, in float32: exact for tensors of the CPU device.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.storage {
            Storage::F32(v) => v[..self.len()].to_vec(),
            Storage::F64(v) => v[..self.len()].iter().map(|&x| x as f32).collect(),
        }
    }

    /// Overwrites all elements, row by row.
    ///
    /// # Panics
    /// If `values` has another number of elements.
    pub fn copy_from_f64(&mut self, values: &[f64]) {
        let len = self.len();
        assert_eq!(values.len(), len, "copy_from_f64: {} values into shape {:?}", values.len(), self.shape);
        match &mut self.storage {
            Storage::F32(v) => v[..len].iter_mut().zip(values).for_each(|(a, &x)| *a = x as f32),
            Storage::F64(v) => v[..len].copy_from_slice(values),
        }
    }

    /// Whether all elements are finite numbers.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        match &self.storage {
            Storage::F32(v) => v[..self.len()].iter().all(|x| x.is_finite()),
            Storage::F64(v) => v[..self.len()].iter().all(|x| x.is_finite()),
        }
    }

    /// Overwrites as many elements as there are values, the n-th value at `place(n)` in the order of rows: none is held twice.
    ///
    /// # Panics
    /// If a place lies outside.
    pub fn place(&mut self, values: impl Iterator<Item = f64>, place: impl Fn(usize) -> usize) {
        let len = self.len();
        let values = values.take(len).enumerate();
        match &mut self.storage {
            Storage::F32(v) => values.for_each(|(n, x)| v[..len][place(n)] = x as f32),
            Storage::F64(v) => values.for_each(|(n, x)| v[..len][place(n)] = x),
        }
    }

    /// Overwrites all elements, row by row.
    ///
    /// # Panics
    /// If `values` has another number of elements.
    pub fn copy_from_f32(&mut self, values: &[f32]) {
        let len = self.len();
        assert_eq!(values.len(), len, "copy_from_f32: {} values into shape {:?}", values.len(), self.shape);
        match &mut self.storage {
            Storage::F32(v) => v[..len].copy_from_slice(values),
            Storage::F64(v) => v[..len].iter_mut().zip(values).for_each(|(a, &x)| *a = f64::from(x)),
        }
    }

    /// Sets every element to `value`.
    pub fn fill(&mut self, value: f64) {
        match &mut self.storage {
            Storage::F32(v) => v.fill(value as f32),
            Storage::F64(v) => v.fill(value),
        }
    }

    pub(crate) fn f32(&self) -> &[f32] {
        match &self.storage {
            Storage::F32(v) => &v[..self.shape.iter().product()],
            Storage::F64(_) => panic!("a float64 tensor of the oracle device was handed to the float32 CPU device"),
        }
    }

    pub(crate) fn f32_mut(&mut self) -> &mut [f32] {
        let len = self.len();
        match &mut self.storage {
            Storage::F32(v) => &mut v[..len],
            Storage::F64(_) => panic!("a float64 tensor of the oracle device was handed to the float32 CPU device"),
        }
    }

    pub(crate) fn f64(&self) -> &[f64] {
        match &self.storage {
            Storage::F64(v) => &v[..self.shape.iter().product()],
            Storage::F32(_) => panic!("a float32 tensor of the CPU device was handed to the oracle device"),
        }
    }

    pub(crate) fn f64_mut(&mut self) -> &mut [f64] {
        let len = self.len();
        match &mut self.storage {
            Storage::F64(v) => &mut v[..len],
            Storage::F32(_) => panic!("a float32 tensor of the CPU device was handed to the oracle device"),
        }
    }
}
