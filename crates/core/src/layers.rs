//! The layers of image networks, one file each, and [`LayerSpec`], which makes them.

mod act;
mod conv;
mod dense;
mod dropout;
mod flatten;
mod noise;
mod norm;
mod pool;

use crate::error::{Error, Result};
use crate::layer::{Layer, Noise};
use crate::phi::Phi;
use reclra_compute::maps::{Convolution, Extent, Pooling, Statistic, Window};
use std::sync::Arc;

/// (name in a model file, one line) of each layer.
pub const KNOWN: &[(&str, &str)] = &[
    ("conv", "convolution: out, kernel, stride, pad, dilation, groups, bias, gain"),
    ("noise-map", "noise, batch norm, 1x1 combination: out, noise, level, gain"),
    ("noise", "relu of the input and a fixed mask of noise: noise, level"),
    ("batch-norm", "batch normalisation: epsilon, momentum"),
    ("act", "activation: phi"),
    ("max-pool", "maxima of windows: kernel, stride, pad, dilation"),
    ("mean-pool", "means of windows: kernel, stride, pad, dilation"),
    ("global-mean", "mean of each channel"),
    ("pad", "zeros around the image: by"),
    ("flatten", "units in a row"),
    ("dropout", "units dropped in training: share"),
    ("dense", "dense synapse: out, bias, gain"),
];

/// What a layer is, before it knows its input.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerSpec {
    /// A convolution to `out` channels.
    Conv {
        /// Channels of the result.
        out: usize,
        /// The window.
        window: Window,
        /// Groups of channels that see only each other.
        groups: usize,
        /// Whether channels have a bias.
        bias: bool,
        /// Factor on the weights at the start, N(0, 2 / inputs).
        gain: f64,
    },
    /// phi(x + N), phi relu: the first part of a noise map.
    Noise(Noise),
    /// The whole of a noise map: noise, batch norm, 1x1 combination to `out` channels with a bias (method section 7).
    NoiseMap {
        /// Channels of the result.
        out: usize,
        /// The noise.
        noise: Noise,
        /// Factor on the weights at the start, N(0, 2 / inputs).
        gain: f64,
    },
    /// Batch normalisation.
    BatchNorm {
        /// Added to the variance.
        epsilon: f64,
        /// Share of the batch's statistics in the running ones, at each step.
        momentum: f64,
    },
    /// An activation.
    Act(Phi),
    /// Maxima of windows.
    MaxPool(Window),
    /// Means of windows.
    MeanPool(Window),
    /// The mean of each channel.
    GlobalMean,
    /// Zeros around the image.
    Pad(usize),
    /// Units in a row.
    Flatten,
    /// Each unit dropped with this probability in training.
    Dropout(f64),
    /// A dense synapse to `out` units.
    Dense {
        /// Units of the result.
        out: usize,
        /// Whether units have a bias.
        bias: bool,
        /// Factor on the weights at the start, N(0, 1 / inputs).
        gain: f64,
    },
}

impl LayerSpec {
    /// Batch normalisation as everybody sets it.
    pub const BATCH_NORM: LayerSpec = LayerSpec::BatchNorm { epsilon: 1e-5, momentum: 0.1 };

    /// A square convolution without bias.
    #[must_use]
    pub fn conv(out: usize, kernel: usize, stride: usize, pad: usize) -> LayerSpec {
        LayerSpec::Conv { out, window: Window::square(kernel, stride, pad), groups: 1, bias: false, gain: 1.0 }
    }

    /// The layers it stands for, on an input of that extent.
    ///
    /// # Errors
    /// If it does not fit the input.
    pub fn build(&self, from: Extent) -> Result<Vec<Arc<dyn Layer>>> {
        Ok(match *self {
            LayerSpec::Conv { out, window, groups, bias, gain } => {
                vec![conv(from, out, window, groups, bias, gain)?]
            }
            LayerSpec::Noise(kind) => vec![noise(from, kind)?],
            LayerSpec::NoiseMap { out, noise: kind, gain } => vec![
                noise(from, kind)?,
                norm(from, 1e-5, 0.1)?,
                conv(from, out, Window::square(1, 1, 0), 1, true, gain)?,
            ],
            LayerSpec::BatchNorm { epsilon, momentum } => vec![norm(from, epsilon, momentum)?],
            LayerSpec::Act(phi) => vec![act(from, phi)?],
            LayerSpec::MaxPool(window) => vec![max_pool(from, window)?],
            LayerSpec::MeanPool(window) => vec![mean_pool(from, window)?],
            LayerSpec::GlobalMean => vec![Arc::new(pool::GlobalMean::new(from))],
            LayerSpec::Pad(by) => vec![pad(from, by)?],
            LayerSpec::Flatten => vec![Arc::new(flatten::Flatten::new(from))],
            LayerSpec::Dropout(share) => vec![dropout(from, share)?],
            LayerSpec::Dense { out, bias, gain } => vec![dense(from, out, bias, gain)?],
        })
    }
}

type Made = Result<Arc<dyn Layer>>;

fn unfit(layer: &'static str, from: Extent, want: &str) -> Error {
    Error::Setting { name: layer, value: format!("on {from} (channels x rows x columns)"), want: want.to_owned() }
}

fn fitting(layer: &'static str, from: Extent, window: Window) -> Result<()> {
    let whole = window.stride.iter().chain(&window.kernel).chain(&window.dilation).all(|&n| n >= 1);
    if whole && window.places(from.height, from.width).is_some() {
        return Ok(());
    }
    Err(unfit(
        layer,
        from,
        "does not fit: its window is larger than the padded image, or a kernel, stride or dilation is 0",
    ))
}

fn conv(from: Extent, out: usize, window: Window, groups: usize, bias: bool, gain: f64) -> Made {
    fitting("conv", from, window)?;
    if out == 0 || groups == 0 || !from.channels.is_multiple_of(groups) || !out.is_multiple_of(groups) {
        return Err(unfit("conv", from, "needs out of at least 1, and groups that divide the channels on both sides"));
    }
    Ok(Arc::new(conv::Conv::new(Convolution { from, out, window, groups }, bias, sized("conv", from, gain)?)))
}

fn dense(from: Extent, out: usize, bias: bool, gain: f64) -> Made {
    if out == 0 {
        return Err(unfit("dense", from, "needs out of at least 1"));
    }
    Ok(Arc::new(dense::Dense::new(from, out, bias, sized("dense", from, gain)?)))
}

fn sized(layer: &'static str, from: Extent, gain: f64) -> Result<f64> {
    let fits = gain.is_finite() && gain >= 0.0;
    if fits { Ok(gain) } else { Err(unfit(layer, from, "needs a gain that is 0 or a positive number")) }
}

fn noise(from: Extent, noise: Noise) -> Made {
    if let Noise::Gaussian(level) | Noise::Uniform(level) = noise
        && !(level.is_finite() && level > 0.0)
    {
        return Err(unfit("noise", from, "needs a positive level, or noise = \"none\""));
    }
    Ok(Arc::new(noise::NoiseLayer::new(from, noise)))
}

fn norm(from: Extent, epsilon: f64, momentum: f64) -> Made {
    if !(epsilon.is_finite() && epsilon > 0.0 && momentum > 0.0 && momentum <= 1.0) {
        return Err(unfit("batch-norm", from, "needs a positive epsilon and a momentum in (0, 1]"));
    }
    Ok(Arc::new(norm::BatchNorm::new(from, epsilon, momentum)))
}

fn act(from: Extent, phi: Phi) -> Made {
    if phi == Phi::Softmax {
        return Err(unfit("act", from, "cannot be softmax inside a block: the last block ends in one by itself"));
    }
    Ok(Arc::new(act::Act::new(from, phi)))
}

fn max_pool(from: Extent, window: Window) -> Made {
    fitting("max-pool", from, window)?;
    let wide = |a: usize| window.pad[a] > 0 && (window.pad[a] >= window.kernel[a] || window.dilation[a] > 1);
    if wide(0) || wide(1) {
        // A window that lies in the padding alone has no maximum.
        return Err(unfit("max-pool", from, "needs a padding smaller than its window, and none with a dilation"));
    }
    Ok(Arc::new(pool::Pool::new("max-pool", Pooling { from, window, statistic: Statistic::Max })))
}

fn mean_pool(from: Extent, window: Window) -> Made {
    fitting("mean-pool", from, window)?;
    Ok(Arc::new(pool::Pool::new("mean-pool", Pooling { from, window, statistic: Statistic::Mean })))
}

/// Zeros around the image: means of 1x1 windows, those of the border over nothing.
fn pad(from: Extent, by: usize) -> Made {
    let window = Window::square(1, 1, by);
    Ok(Arc::new(pool::Pool::new("pad", Pooling { from, window, statistic: Statistic::Mean })))
}

fn dropout(from: Extent, share: f64) -> Made {
    if !(0.0..1.0).contains(&share) {
        return Err(unfit("dropout", from, "needs a share in [0, 1)"));
    }
    Ok(Arc::new(dropout::Dropout::new(from, share)))
}
