//! Splits and batches: each a pure function of integers, so that a resumed run stores no generator.

use super::dataset::Dataset;
use super::error::{DataError, Result, whole};
use super::shape::{ImageShape, Part};
use super::split::Split;
use super::view::Zoom;
use crate::streams;
use rand::RngExt;
use rayon::prelude::*;
use reclra_compute::rng::Key;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// How training images are varied, besides a shift: each a function of (seed, epoch, position). The default varies nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Zeros that an image is padded with on each side before it is cut to its size at random, `data.crop`.
    pub crop: usize,
    /// Whether every other image is mirrored left to right, `data.flip`.
    pub flip: bool,
    /// Smallest share of the area that a random part has, which is brought to size, `data.zoom`; 1 for none.
    pub zoom: f64,
}

impl Default for Augment {
    fn default() -> Augment {
        Augment { crop: 0, flip: false, zoom: 1.0 }
    }
}

/// Samples of one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Pixels, one sample a row.
    pub x: Vec<f32>,
    /// Their classes.
    pub labels: Vec<u32>,
    /// Their places in the training part.
    pub samples: Vec<u32>,
}

/// Draws training batches.
pub struct Loader<'a> {
    dataset: &'a dyn Dataset,
    samples: &'a [u32],
    batch: usize,
    shift: usize,
    augment: Augment,
    key: Key,
    /// The order of the epoch asked for last.
    order: Mutex<Option<(u64, Vec<u32>)>>,
}

impl<'a> Loader<'a> {
    /// Batches of `batch` samples of the split's training samples, images shifted by up to `shift` pixels.
    #[must_use]
    pub fn new(dataset: &'a dyn Dataset, split: &'a Split, batch: usize, shift: usize, seed: u64) -> Loader<'a> {
        Loader {
            dataset,
            samples: split.train(),
            batch: batch.max(1),
            shift,
            augment: Augment::default(),
            key: Key::new(seed),
            order: Mutex::new(None),
        }
    }

    /// The same, training images varied as told.
    #[must_use]
    pub fn augmented(self, augment: Augment) -> Loader<'a> {
        Loader { augment, ..self }
    }

    /// Whether making a sample is work: decoding a picture, or bringing a part of it to size.
    pub(super) fn works(&self) -> bool {
        self.dataset.lazy() || self.augment.zoom < 1.0
    }

    /// Batches in an epoch; the last may be smaller.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.samples.len().div_ceil(self.batch) as u64
    }

    /// Makes `batch` the one at `position` of `epoch`, both counted from 0.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn fill(&self, epoch: u64, position: u64, batch: &mut Batch) -> Result<()> {
        let Batch { x, labels, samples } = batch;
        let mut cached = self.order.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if cached.as_ref().is_none_or(|(e, _)| *e != epoch) {
            let order = self.key.child(streams::SHUFFLE).child(epoch).permutation(self.samples.len());
            *cached = Some((epoch, order));
        }
        let Some((_, order)) = &*cached else { return Ok(()) };
        let from = (position as usize).saturating_mul(self.batch).min(order.len());
        let chosen = &order[from..(from + self.batch).min(order.len())];
        let shape = self.dataset.shape();
        let n = shape.len();
        samples.clear();
        samples.extend(chosen.iter().map(|&i| self.samples[i as usize]));
        // Whoever fills another batch of the epoch need not wait.
        drop(cached);
        let within = |stream: u64| self.key.child(stream).child(epoch).child(position);
        let Augment { crop, flip, zoom } = self.augment;
        labels.clear();
        labels.extend(samples.iter().map(|&s| self.dataset.label(Part::Train, s as usize)));
        x.resize(samples.len() * n, 0.0);
        let key = within(streams::ZOOM);
        each_row(self.works(), samples, x, n, |i, sample, row| {
            self.with_stand_in(sample, |sample| {
                if zoom < 1.0 {
                    let zoom = Zoom { least: zoom, key: key.child(i as u64) };
                    return self.dataset.zoomed(Part::Train, sample as usize, zoom, row);
                }
                self.dataset.pixels(Part::Train, sample as usize, row)
            })
        })?;
        if flip {
            let mut rng = within(streams::FLIP).rng();
            x.chunks_exact_mut(n).filter(|_| rng.random::<bool>()).for_each(|row| mirror(row, shape.width));
        }
        // A padded crop is a shift: what is cut off on one side comes in as padding on the other.
        for (reach, stream) in [(crop, streams::CROP), (self.shift, streams::SHIFT)] {
            if reach > 0 {
                // One draw a sample, in the order of the batch: uniform over the (2 reach + 1)^2 offsets.
                let mut rng = within(stream).rng();
                let s = reach as i64;
                for row in x.chunks_exact_mut(n) {
                    let (down, right) = (rng.random_range(-s..=s), rng.random_range(-s..=s));
                    shift(row, shape, down as isize, right as isize);
                }
            }
        }
        Ok(())
    }

    /// Reads a sample; in place of one whose picture is broken, the next of its class that is trained on. So it is a function
    /// of the sample alone, and none that validates is ever trained on.
    fn with_stand_in(&self, sample: u32, mut read: impl FnMut(u32) -> Result<()>) -> Result<()> {
        let broken = match read(sample) {
            Err(e @ DataError::Broken { .. }) => e,
            done => return done,
        };
        let class = |s: u32| self.dataset.label(Part::Train, s as usize);
        let next = self.samples.partition_point(|&s| s <= sample);
        let others = self.samples[next..].iter().chain(&self.samples[..next]);
        for &other in others.filter(|&&s| s != sample && class(s) == class(sample)) {
            if whole(read(other))? {
                return Ok(());
            }
        }
        Err(broken)
    }
}

/// Reads samples of a part, one a row, and their classes, without those whose picture is broken. The samples that are left.
pub fn gather(
    dataset: &dyn Dataset,
    part: Part,
    samples: &[u32],
    x: &mut Vec<f32>,
    labels: &mut Vec<u32>,
) -> Result<Vec<u32>> {
    let n = dataset.shape().len();
    x.resize(samples.len() * n, 0.0);
    let gone: Vec<AtomicBool> = samples.iter().map(|_| AtomicBool::new(false)).collect();
    each_row(dataset.lazy(), samples, x, n, |i, sample, row| {
        let there = whole(dataset.pixels(part, sample as usize, row))?;
        gone[i].store(!there, Ordering::Relaxed);
        Ok(())
    })?;
    let mut kept = Vec::with_capacity(samples.len());
    for (i, &sample) in samples.iter().enumerate().filter(|(i, _)| !gone[*i].load(Ordering::Relaxed)) {
        if kept.len() < i {
            x.copy_within(i * n..(i + 1) * n, kept.len() * n);
        }
        kept.push(sample);
    }
    x.truncate(kept.len() * n);
    labels.clear();
    labels.extend(kept.iter().map(|&s| dataset.label(part, s as usize)));
    Ok(kept)
}

/// Fills one row a sample, by the sample's place in the list and itself: with several threads if that is `work`, which
/// changes no bit. The error is that of the first sample that cannot be read.
fn each_row(
    work: bool,
    samples: &[u32],
    x: &mut [f32],
    n: usize,
    fill: impl Fn(usize, u32, &mut [f32]) -> Result<()> + Sync,
) -> Result<()> {
    if !work {
        let rows = samples.iter().zip(x.chunks_exact_mut(n));
        return rows.enumerate().try_for_each(|(i, (&sample, row))| fill(i, sample, row));
    }
    let rows = samples.par_iter().zip(x.par_chunks_exact_mut(n));
    let errors = rows.enumerate().filter_map(|(i, (&sample, row))| fill(i, sample, row).err().map(|e| (i, e)));
    errors.min_by_key(|(i, _)| *i).map_or(Ok(()), |(_, e)| Err(e))
}

/// Mirrors an image left to right.
fn mirror(pixels: &mut [f32], width: usize) {
    pixels.chunks_exact_mut(width).for_each(<[f32]>::reverse);
}

/// Moves an image by whole pixels; what comes in from outside is 0.
pub(super) fn shift(pixels: &mut [f32], shape: ImageShape, down: isize, right: isize) {
    let (h, w) = (shape.height, shape.width);
    let (dy, dx) = (down.unsigned_abs(), right.unsigned_abs());
    if dy >= h || dx >= w {
        return pixels.fill(0.0);
    }
    for image in pixels.chunks_exact_mut(h * w) {
        // One move of all rows, which brings what leaves a row at one side in at the other; then zeros there.
        let by = down * w as isize + right;
        let (n, far) = (h * w, by.unsigned_abs());
        if by >= 0 {
            image.copy_within(..n - far, far);
            image[..far].fill(0.0);
        } else {
            image.copy_within(far.., 0);
            image[n - far..].fill(0.0);
        }
        for column in if right >= 0 { 0..dx } else { w - dx..w } {
            image.iter_mut().skip(column).step_by(w).for_each(|v| *v = 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Labelled;
    use crate::{MemoryImages, digits};

    #[test]
    fn an_epoch_holds_every_training_sample_once_and_the_order_is_a_function_of_the_epoch() {
        let d = digits().unwrap();
        let split = Split::new(&d, 144, 7).unwrap();
        assert_eq!(split.train().len() + split.validation().len(), d.len(Part::Train));
        assert!(split.validation().iter().all(|v| !split.train().contains(v)));
        let loader = Loader::new(&d, &split, 32, 0, 7);
        let mut batch = Batch::default();
        let mut count = [0_usize; 10];
        let mut sum = 0.0_f64;
        for p in 0..loader.batches() {
            loader.fill(3, p, &mut batch).unwrap();
            let Batch { x, labels: y, samples } = &batch;
            assert!(samples.iter().zip(y).all(|(&s, &c)| d.label(Part::Train, s as usize) == c));
            y.iter().for_each(|&c| count[c as usize] += 1);
            sum += x.iter().map(|&v| f64::from(v)).sum::<f64>();
            assert_eq!(x.len(), y.len() * 64);
        }
        let mut expected = [0_usize; 10];
        let (mut total, mut row) = (0.0_f64, [0.0; 64]);
        for &i in split.train() {
            expected[d.label(Part::Train, i as usize) as usize] += 1;
            d.pixels(Part::Train, i as usize, &mut row).unwrap();
            total += row.iter().map(|&v| f64::from(v)).sum::<f64>();
        }
        assert_eq!(count, expected);
        assert!((sum - total).abs() < 1e-6, "{sum} {total}");
        // Asked for out of order, by another loader: the same.
        let mut other = Batch::default();
        loader.fill(3, 5, &mut batch).unwrap();
        Loader::new(&d, &split, 32, 0, 7).fill(3, 5, &mut other).unwrap();
        assert_eq!(batch, other);
        loader.fill(4, 5, &mut other).unwrap();
        assert_ne!(batch.samples, other.samples);
    }

    #[test]
    fn shifts_agree_with_the_naive_formula() {
        let shape = ImageShape { channels: 2, height: 3, width: 4 };
        let image: Vec<f32> = (1..=24).map(|v| v as f32).collect();
        for down in -4_isize..=4 {
            for right in -5_isize..=5 {
                let mut moved = image.clone();
                shift(&mut moved, shape, down, right);
                for c in 0..2 {
                    for y in 0..3_isize {
                        for x in 0..4_isize {
                            let (fy, fx) = (y - down, x - right);
                            let inside = (0..3).contains(&fy) && (0..4).contains(&fx);
                            let at = |y: isize, x: isize| c * 12 + (y * 4 + x) as usize;
                            let want = if inside { image[at(fy, fx)] } else { 0.0 };
                            assert_eq!(moved[at(y, x)], want, "shift {down} {right} at {c} {y} {x}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn each_sample_has_a_shift_of_its_own_and_the_batch_is_reproducible() {
        let d = digits().unwrap();
        let split = Split::new(&d, 144, 1).unwrap();
        let still = Loader::new(&d, &split, 64, 0, 1);
        let moving = Loader::new(&d, &split, 64, 1, 1);
        let [mut x, mut y, mut again] = [(); 3].map(|()| Batch::default());
        still.fill(0, 2, &mut x).unwrap();
        moving.fill(0, 2, &mut y).unwrap();
        let mut offsets = std::collections::BTreeSet::new();
        for (a, b) in x.x.chunks(64).zip(y.x.chunks(64)) {
            let shape = d.shape();
            let found = (-1..=1).flat_map(|i| (-1..=1).map(move |j| (i, j))).find(|&(i, j)| {
                let mut m = a.to_vec();
                shift(&mut m, shape, i, j);
                m == b
            });
            offsets.insert(found.expect("a shift of at most one pixel"));
        }
        assert_eq!(offsets.len(), 9, "all nine shifts occur among 64 samples");
        Loader::new(&d, &split, 64, 1, 1).fill(0, 2, &mut again).unwrap();
        assert_eq!(y, again);
    }

    #[test]
    fn images_are_varied_each_by_itself_and_the_same_every_time() {
        let d = digits().unwrap();
        let split = Split::new(&d, 144, 1).unwrap();
        let fill = |augment: Augment, position: u64| {
            let mut batch = Batch::default();
            Loader::new(&d, &split, 64, 0, 1).augmented(augment).fill(2, position, &mut batch).unwrap();
            batch
        };
        let still = fill(Augment::default(), 3);
        let flips = Augment { flip: true, ..Augment::default() };
        let flipped = fill(flips, 3);
        let mut turned = 0;
        for (a, b) in still.x.chunks(64).zip(flipped.x.chunks(64)) {
            let mirrored: Vec<f32> = (0..64).map(|i| a[i / 8 * 8 + 7 - i % 8]).collect();
            assert!(a == b || mirrored == b);
            turned += usize::from(a != b);
        }
        assert!((16..48).contains(&turned), "{turned} of 64");
        // A crop is a shift, of other draws than those of data.shift.
        let cropped = fill(Augment { crop: 2, ..Augment::default() }, 3);
        for (a, b) in still.x.chunks(64).zip(cropped.x.chunks(64)) {
            let moved = (-2..=2).flat_map(|i| (-2..=2).map(move |j| (i, j))).any(|(i, j)| {
                let mut m = a.to_vec();
                shift(&mut m, d.shape(), i, j);
                m == b
            });
            assert!(moved);
        }
        let zoom = Augment { zoom: 0.5, crop: 1, flip: true };
        let zoomed = fill(zoom, 3);
        assert_ne!(zoomed.x, fill(Augment { zoom: 1.0, ..zoom }, 3).x);
        assert!(zoomed.x.iter().all(|v| (0.0..=1.0001).contains(v)));
        assert_eq!((&zoomed.labels, &zoomed.samples), (&still.labels, &still.samples));
        assert_eq!(fill(zoom, 3), zoomed);
        assert_ne!(fill(zoom, 4).x, zoomed.x);
    }

    #[test]
    fn batches_of_one_image_are_varied_by_epoch_and_position() {
        let shape = ImageShape { channels: 1, height: 4, width: 4 };
        let part = |count: u8| Labelled {
            pixels: (0..count).flat_map(|_| (1..=16).map(|v| 15 * v)).collect(),
            labels: vec![0; count.into()],
        };
        let d = MemoryImages::new("toy", shape, vec!["a".to_owned()], 255, [part(96), part(1)], 0);
        let split = Split::new(&d, 0, 1).unwrap();
        let none = Augment::default();
        let ways = [(1, none), (0, Augment { crop: 1, ..none }), (0, Augment { flip: true, ..none })];
        for (reach, augment) in ways.into_iter().chain([(0, Augment { zoom: 0.3, ..none })]) {
            let fill = |epoch: u64, position: u64| {
                let mut batch = Batch::default();
                Loader::new(&d, &split, 32, reach, 1).augmented(augment).fill(epoch, position, &mut batch).unwrap();
                batch.x
            };
            assert_ne!(fill(0, 0), fill(0, 1), "shift {reach}, {augment:?}: two positions");
            assert_ne!(fill(0, 0), fill(1, 0), "shift {reach}, {augment:?}: two epochs");
            assert_eq!(fill(1, 1), fill(1, 1));
        }
    }

    #[test]
    fn the_next_of_its_class_stands_in_for_a_broken_picture() {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let part = |labels: &[u16]| Labelled { pixels: (0..labels.len() as u8).collect(), labels: labels.to_vec() };
        let names = ["a", "b"].map(str::to_owned).to_vec();
        let parts = [part(&[0, 1, 0, 1, 0, 1, 0, 1]), part(&[0])];
        let mut d = MemoryImages::new("toy", shape, names, 1, parts, 0);
        let split = Split::new(&d, 0, 1).unwrap();
        let read = |d: &MemoryImages| -> Result<Vec<f32>> {
            let mut batch = Batch::default();
            Loader::new(d, &split, 8, 0, 1).fill(0, 0, &mut batch)?;
            let mut pairs: Vec<_> = batch.samples.into_iter().zip(batch.x).collect();
            pairs.sort_by_key(|(sample, _)| *sample);
            Ok(pairs.into_iter().map(|(_, pixel)| pixel).collect())
        };
        assert_eq!(read(&d).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        // Of class a: 2 by 4, and the last by the first. Of class b: 3 by 7, as 5 is broken too.
        let broken = [2, 3, 5, 6].map(|sample| (sample, ("x.png".into(), "is no picture".to_owned())));
        d.broken[0] = broken.into();
        assert_eq!(read(&d).unwrap(), [0.0, 1.0, 4.0, 7.0, 4.0, 7.0, 0.0, 7.0]);
        let all = [0, 2, 4, 6].map(|sample| (sample, ("x.png".into(), "is no picture".to_owned())));
        d.broken[0] = all.into();
        assert!(matches!(read(&d), Err(DataError::Broken { .. })), "none of class a is left");
    }

    /// Images whose random parts are of another colour.
    struct Parts(MemoryImages);

    impl Dataset for Parts {
        fn name(&self) -> &str {
            self.0.name()
        }

        fn shape(&self) -> ImageShape {
            self.0.shape()
        }

        fn class_names(&self) -> &[String] {
            self.0.class_names()
        }

        fn len(&self, part: Part) -> usize {
            self.0.len(part)
        }

        fn label(&self, part: Part, index: usize) -> u32 {
            self.0.label(part, index)
        }

        fn pixels(&self, part: Part, index: usize, out: &mut [f32]) -> Result<()> {
            self.0.pixels(part, index, out)
        }

        fn zoomed(&self, _: Part, _: usize, zoom: Zoom, out: &mut [f32]) -> Result<()> {
            out.fill(-zoom.least as f32);
            Ok(())
        }
    }

    #[test]
    fn random_parts_are_taken_below_the_whole_area_alone() {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let part = || Labelled { pixels: vec![1; 4], labels: vec![0; 4] };
        let d = Parts(MemoryImages::new("toy", shape, vec!["a".to_owned()], 1, [part(), part()], 0));
        let split = Split::new(&d, 0, 1).unwrap();
        let fill = |zoom: f64| {
            let mut batch = Batch::default();
            let augment = Augment { zoom, ..Augment::default() };
            Loader::new(&d, &split, 4, 0, 1).augmented(augment).fill(0, 0, &mut batch).unwrap();
            batch.x
        };
        assert_eq!((fill(1.0), fill(0.5)), (vec![1.0; 4], vec![-0.5; 4]));
    }
}
