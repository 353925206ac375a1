//! [`Prepare`]: what is done to every image between reading and the network, a value that is fitted on training images
//! alone, applied to any image, and kept with a trained network.

pub(super) mod fit;
mod whitening;

use super::shape::ImageShape;
use reclra::state::Kept;
use std::sync::Arc;
use whitening::Whitening;

/// No deviation is taken to be smaller: an image of one colour stays finite. A quarter of a byte's step.
pub const LEAST: f64 = 1.0 / 1024.0;
/// Name of the tensor of the channels' means in a file.
pub const MEAN: &str = "prepare.mean";
/// Name of the tensor of the channels' standard deviations.
pub const STD: &str = "prepare.std";
/// Name of the tensor of the mean that a whitening takes off.
pub const CENTRE: &str = "prepare.centre";
/// Name of the tensor of a whitening.
pub const ZCA: &str = "prepare.zca";

/// What is taken out of an image x, pixels from 0 to 1, channel by channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalise {
    /// Nothing.
    #[default]
    None,
    /// x_c = (x_c - m_c) / s_c: mean m and standard deviation s of channel c over all pixels of all training images.
    MeanStd,
    /// Global contrast: x_c = x_c - mean(x_c), the mean of each channel of this very image.
    Gcn,
    /// The same, then divided by the standard deviation of what is left, over all channels of this image, or by 1/1024
    /// where that is larger.
    GcnStd,
}

impl Normalise {
    /// All there are.
    pub const ALL: [Normalise; 4] = [Normalise::None, Normalise::MeanStd, Normalise::Gcn, Normalise::GcnStd];

    /// As after `data.normalise`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Normalise::None => "none",
            Normalise::MeanStd => "mean-std",
            Normalise::Gcn => "gcn",
            Normalise::GcnStd => "gcn-std",
        }
    }
}

/// What is done to every image: normalised, then perhaps whitened.
///
/// ```
/// use reclra_data::{ImageShape, Prepare};
/// let nothing = Prepare::none(ImageShape { channels: 1, height: 1, width: 2 });
/// let mut image = [0.25, 0.5];
/// nothing.apply(&mut image);
/// assert_eq!(image, [0.25, 0.5]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Prepare {
    shape: ImageShape,
    normalise: Normalise,
    /// Mean and standard deviation of each channel, of [`Normalise::MeanStd`]; else none.
    channels: Vec<[f32; 2]>,
    whitening: Option<Arc<Whitening>>,
    /// Which samples it was fitted on, and how: equal for equal ones.
    pub(super) fitted: String,
}

impl Prepare {
    /// Leaves images of that shape as they are.
    #[must_use]
    pub fn none(shape: ImageShape) -> Prepare {
        Prepare { shape, normalise: Normalise::None, channels: Vec::new(), whitening: None, fitted: String::new() }
    }

    /// Of the images it is for.
    #[must_use]
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Whether it leaves images as they are.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.normalise == Normalise::None && self.whitening.is_none()
    }

    /// How images are normalised.
    #[must_use]
    pub fn normalisation(&self) -> Normalise {
        self.normalise
    }

    /// Whether images are whitened.
    #[must_use]
    pub fn whitens(&self) -> bool {
        self.whitening.is_some()
    }

    /// Prepares one image, channel by channel, row by row, pixels from 0 to 1.
    ///
    /// # Panics
    /// If it has another shape.
    pub fn apply(&self, image: &mut [f32]) {
        self.apply_all(image);
    }

    /// Prepares images that lie one after the other.
    ///
    /// # Panics
    /// If their numbers are no multiple of an image's.
    pub fn apply_all(&self, images: &mut [f32]) {
        assert_eq!(images.len() % self.shape.len().max(1), 0, "images of {:?}", self.shape);
        images.chunks_exact_mut(self.shape.len()).for_each(|image| self.normalise(image));
        if let Some(whitening) = &self.whitening {
            whitening.apply(images);
        }
    }

    /// The first half: one image normalised.
    pub(super) fn normalise(&self, image: &mut [f32]) {
        let plane = (self.shape.height * self.shape.width).max(1);
        match self.normalise {
            Normalise::None => {}
            Normalise::MeanStd => {
                for (pixels, [mean, std]) in image.chunks_exact_mut(plane).zip(&self.channels) {
                    let scale = 1.0 / std;
                    pixels.iter_mut().for_each(|v| *v = (*v - mean) * scale);
                }
            }
            Normalise::Gcn | Normalise::GcnStd => {
                for pixels in image.chunks_exact_mut(plane) {
                    let mean = (pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / plane as f64) as f32;
                    pixels.iter_mut().for_each(|v| *v -= mean);
                }
                if self.normalise == Normalise::GcnStd {
                    let squares = image.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
                    let scale = (1.0 / (squares / image.len().max(1) as f64).sqrt().max(LEAST)) as f32;
                    image.iter_mut().for_each(|v| *v *= scale);
                }
            }
        }
    }

    /// What it is in words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let first = match self.normalise {
            Normalise::None => "pixels from 0 to 1".to_owned(),
            Normalise::MeanStd => {
                let each: Vec<String> = self.channels.iter().map(|[m, s]| format!("({m:.4}, {s:.4})")).collect();
                format!("less the mean of each channel, divided by its standard deviation: {}", each.join(" "))
            }
            Normalise::Gcn => "less the image's own mean of each channel".to_owned(),
            Normalise::GcnStd => "less the image's own mean of each channel, divided by its deviation".to_owned(),
        };
        if self.whitens() { format!("{first}; then whitened (ZCA)") } else { first }
    }

    /// What a file of tensors must say of it in its metadata: one line.
    #[must_use]
    pub fn line(&self) -> String {
        let ImageShape { channels, height, width } = self.shape;
        let zca = if self.whitens() { "zca" } else { "none" };
        format!("{} {zca} {channels} {height} {width} {}", self.normalise.name(), self.fitted)
    }

    /// Its tensors, to be kept beside the weights: `prepare.mean` and `prepare.std` [channels], `prepare.centre` [n] and
    /// `prepare.zca` [n, n], those there are.
    #[must_use]
    pub fn tensors(&self) -> Vec<Kept> {
        let mut all = Vec::new();
        let n = self.shape.len();
        if !self.channels.is_empty() {
            for (at, name) in [MEAN, STD].into_iter().enumerate() {
                let values = self.channels.iter().map(|c| c[at]).collect();
                all.push(Kept { name: name.to_owned(), shape: vec![self.channels.len()], values });
            }
        }
        if let Some(w) = &self.whitening {
            all.push(Kept { name: CENTRE.to_owned(), shape: vec![n], values: w.centre.clone() });
            all.push(Kept { name: ZCA.to_owned(), shape: vec![n, n], values: w.matrix.clone() });
        }
        all
    }

    /// Back from [`Prepare::line`] and the tensors, which `read` gives by name and shape.
    ///
    /// # Errors
    /// Those of `read`; `None` within if the line is damaged, or a tensor holds what cannot be.
    pub fn restore<E>(
        line: &str,
        mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Option<Prepare>, E> {
        let words: Vec<&str> = line.split(' ').collect();
        let [normalise, zca, channels, height, width, fitted] = words[..] else { return Ok(None) };
        let (Some(normalise), Ok(channels), Ok(height), Ok(width)) = (
            Normalise::ALL.into_iter().find(|n| n.name() == normalise),
            channels.parse::<usize>(),
            height.parse::<usize>(),
            width.parse::<usize>(),
        ) else {
            return Ok(None);
        };
        // A line is a claim: sizes are taken from no more than can be.
        let sane = [channels, height, width].into_iter().all(|v| (1..=1 << 16).contains(&v));
        if !sane || !["zca", "none"].contains(&zca) {
            return Ok(None);
        }
        let shape = ImageShape { channels, height, width };
        let mut prepare = Prepare { normalise, fitted: fitted.to_owned(), ..Prepare::none(shape) };
        if normalise == Normalise::MeanStd {
            let (mean, std) = (read(MEAN, &[channels])?, read(STD, &[channels])?);
            if mean.len() != channels || std.len() != channels || !std.iter().all(|s| *s > 0.0) {
                return Ok(None);
            }
            prepare.channels = mean.into_iter().zip(std).map(|(m, s)| [m, s]).collect();
        }
        if zca == "zca" {
            let n = shape.len();
            let Some(w) = Whitening::new(read(CENTRE, &[n])?, read(ZCA, &[n, n])?) else { return Ok(None) };
            if w.centre.len() != n {
                return Ok(None);
            }
            prepare.whitening = Some(Arc::new(w));
        }
        Ok(Some(prepare))
    }
}

#[cfg(test)]
mod tests;
