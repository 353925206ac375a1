//! Image networks by name: residual ones with convolutions, with noise maps and without noise (method section 7), and LeNet.
//!
//! ```text
//! convolutional block:  conv 3x3 (stride s), norm, relu, conv 3x3, norm, + shortcut, relu
//! noise block:          noise map to p, max pool s, norm, relu, noise map to p, norm, + shortcut, relu
//! noise map to p:       relu(z + N), norm, 1x1 combination to p channels; its bias and the norm's shift are held at 0
//! shortcut:             identity, or conv 1x1 (stride s) and norm where the shape changes
//! stem:                 conv 3x3, norm, relu; above 64 pixels conv 7x7 stride 2, norm, relu, max pool 3x3 stride 2
//! out:                  mean of each channel, dense, softmax
//! ```

use crate::block::{Block, BlockSpec};
use crate::error::{Result, check};
use crate::layer::Noise;
use crate::layers::LayerSpec;
use crate::phi::Phi;
use reclra_compute::maps::{Extent, Window};

/// A model that can be named.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// As in `net.model`.
    pub name: &'static str,
    /// One line for lists.
    pub about: &'static str,
    /// Its width unless told.
    pub width: usize,
    net: Net,
}

/// What a model is made of.
#[derive(Clone, Copy, Debug)]
enum Net {
    /// A stem, so many residual blocks a stage, a readout.
    Residual(&'static [usize], Maps),
    /// LeNet-5.
    LeNet,
}

/// What maps within a residual block.
#[derive(Clone, Copy, Debug)]
enum Maps {
    /// 3x3 convolutions.
    Convolutions,
    /// Noise maps.
    Noise,
    /// Noise maps without the noise.
    NoiseFree,
}

const fn known(name: &'static str, width: usize, net: Net, about: &'static str) -> Known {
    Known { name, about, width, net }
}

/// Residual blocks a stage.
const EIGHT: &[usize] = &[1, 1, 1];
const EIGHTEEN: &[usize] = &[2, 2, 2, 2];
const TWENTY: &[usize] = &[3, 3, 3];

/// Every model.
pub const KNOWN: &[Known] = &[
    known(
        "resnet8",
        16,
        Net::Residual(EIGHT, Maps::Convolutions),
        "stem and 3 residual blocks of two 3x3 convolutions; width 16",
    ),
    known(
        "resnet18",
        64,
        Net::Residual(EIGHTEEN, Maps::Convolutions),
        "stem and 8 residual blocks of two 3x3 convolutions (He et al. 2016); width 64",
    ),
    known(
        "resnet20",
        16,
        Net::Residual(TWENTY, Maps::Convolutions),
        "stem and 9 residual blocks of two 3x3 convolutions (He et al. 2016); width 16",
    ),
    known(
        "noise-resnet8",
        16,
        Net::Residual(EIGHT, Maps::Noise),
        "as resnet8, with noise maps in place of convolutions",
    ),
    known(
        "noise-resnet18",
        64,
        Net::Residual(EIGHTEEN, Maps::Noise),
        "as resnet18, with noise maps: the paper's at width 160 (CIFAR-10) and 256 (ImageNet)",
    ),
    known(
        "noise-free-resnet8",
        16,
        Net::Residual(EIGHT, Maps::NoiseFree),
        "noise-resnet8 without the noise: the control",
    ),
    known(
        "noise-free-resnet18",
        64,
        Net::Residual(EIGHTEEN, Maps::NoiseFree),
        "noise-resnet18 without the noise: the control",
    ),
    known(
        "lenet",
        6,
        Net::LeNet,
        "two convolutions 5x5 with pools, two dense layers (LeCun et al. 1998), relu; width 6",
    ),
];

/// What a model by name leaves open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Extent of the image.
    pub input: Extent,
    /// Classes.
    pub classes: usize,
    /// Width f of the first stage; 0 for the model's own.
    pub width: usize,
    /// The noise of noise maps.
    pub noise: Noise,
    /// Factor on the weights of convolutions at the start, N(0, 2 / inputs).
    pub gain: f64,
    /// Factor on those of the last dense layer, N(0, 1 / inputs).
    pub head_gain: f64,
}

impl Plan {
    /// The model's own width, Gaussian noise of level 0.1, weights as drawn by He et al.
    #[must_use]
    pub fn new(input: Extent, classes: usize) -> Plan {
        Plan { input, classes, width: 0, noise: Noise::Gaussian(0.1), gain: 1.0, head_gain: 1.0 }
    }

    fn conv(&self, out: usize, kernel: usize, stride: usize) -> LayerSpec {
        let window = Window::square(kernel, stride, kernel / 2);
        LayerSpec::Conv { out, window, groups: 1, bias: false, gain: self.gain }
    }

    fn head(&self) -> BlockSpec {
        let dense = LayerSpec::Dense { out: self.classes, bias: true, gain: self.head_gain };
        block("out", vec![LayerSpec::GlobalMean, dense], None, Phi::Softmax)
    }
}

/// The blocks of a model by name; none if there is no such model.
///
/// # Errors
/// If the image is too small or has no classes.
pub fn by_name(name: &str, plan: &Plan) -> Result<Option<Vec<BlockSpec>>> {
    let Some(model) = KNOWN.iter().find(|k| k.name == name) else { return Ok(None) };
    check(plan.classes >= 1, "classes", plan.classes, "must be at least 1")?;
    let side = plan.input.height.min(plan.input.width);
    check(side >= 8, "net.model", name, &format!("needs images of at least 8 pixels; these have {side}"))?;
    let f = if plan.width == 0 { model.width } else { plan.width };
    Ok(Some(match model.net {
        Net::LeNet => lenet(plan, f),
        Net::Residual(stages, maps) => resnet(plan, f, stages, maps),
    }))
}

/// The same blocks with the weights of convolutions, those of noise maps included, from N(0, gain^2): a unit Gaussian in place of
/// one of variance 2 / inputs.
///
/// # Errors
/// If a layer does not fit its input.
pub fn unit_gaussian(input: Extent, mut blocks: Vec<BlockSpec>) -> Result<Vec<BlockSpec>> {
    let mut from = input;
    for block in &mut blocks {
        let to = Block::new(block.clone(), from)?.to();
        for layers in [Some(&mut block.path), block.shortcut.as_mut()].into_iter().flatten() {
            let mut at = from;
            for layer in layers {
                let built = layer.build(at)?;
                // The convolution is the last of the layers that a noise map stands for.
                let Some(last) = built.last() else { continue };
                at = last.to();
                if let LayerSpec::Conv { gain, .. } | LayerSpec::NoiseMap { gain, .. } = layer {
                    let inputs = last.params().first().map_or(0, |w| w.shape[1]);
                    *gain *= (inputs as f64 / 2.0).sqrt();
                }
            }
        }
        from = to;
    }
    Ok(blocks)
}

fn block(name: &str, path: Vec<LayerSpec>, shortcut: Option<Vec<LayerSpec>>, phi: Phi) -> BlockSpec {
    BlockSpec { name: name.to_owned(), path, shortcut, phi }
}

fn resnet(plan: &Plan, f: usize, stages: &[usize], maps: Maps) -> Vec<BlockSpec> {
    let large = plan.input.height.min(plan.input.width) > 64;
    let stem = if large {
        // relu after the pool: the maximum of rectified numbers is the rectified maximum.
        vec![plan.conv(f, 7, 2), LayerSpec::BATCH_NORM, LayerSpec::MaxPool(Window::square(3, 2, 1))]
    } else {
        vec![plan.conv(f, 3, 1), LayerSpec::BATCH_NORM]
    };
    let mut blocks = vec![block("stem", stem, None, Phi::Relu)];
    let mut channels = f;
    let halved = |n: usize| n.div_ceil(2);
    let (mut height, mut width) = (plan.input.height, plan.input.width);
    if large {
        (height, width) = (halved(halved(height)), halved(halved(width)));
    }
    for (stage, &count) in stages.iter().enumerate() {
        for n in 0..count {
            let out = f << stage;
            let stride = if stage > 0 && n == 0 { 2 } else { 1 };
            let noise = match maps {
                Maps::Convolutions => None,
                Maps::Noise => Some(plan.noise),
                Maps::NoiseFree => Some(Noise::None),
            };
            let path = match noise {
                None => vec![
                    plan.conv(out, 3, stride),
                    LayerSpec::BATCH_NORM,
                    LayerSpec::Act(Phi::Relu),
                    plan.conv(out, 3, 1),
                    LayerSpec::BATCH_NORM,
                ],
                Some(noise) => {
                    let map = || LayerSpec::NoiseMap { out, noise, gain: plan.gain };
                    // Odd sides are padded, so that the pool comes out as large as the shortcut's convolution.
                    let window = Window { pad: [height % 2, width % 2], ..Window::square(2, 2, 0) };
                    let pool = (stride > 1).then_some(LayerSpec::MaxPool(window));
                    let last = [LayerSpec::BATCH_NORM, LayerSpec::Act(Phi::Relu), map(), LayerSpec::BATCH_NORM];
                    [map()].into_iter().chain(pool).chain(last).collect()
                }
            };
            let shortcut = if stride == 1 && channels == out {
                Vec::new()
            } else {
                vec![plan.conv(out, 1, stride), LayerSpec::BATCH_NORM]
            };
            blocks.push(block(&format!("b{}", blocks.len()), path, Some(shortcut), Phi::Relu));
            channels = out;
            if stride > 1 {
                (height, width) = (halved(height), halved(width));
            }
        }
    }
    blocks.push(plan.head());
    blocks
}

/// LeNet-5 with rectified units and max pools; images of 28 pixels are padded to 32.
fn lenet(plan: &Plan, f: usize) -> Vec<BlockSpec> {
    let conv = |out: usize, pad: usize| LayerSpec::Conv {
        out,
        window: Window::square(5, 1, pad),
        groups: 1,
        bias: true,
        gain: plan.gain,
    };
    let dense = |out: usize| LayerSpec::Dense { out, bias: true, gain: plan.gain * 2.0_f64.sqrt() };
    let pool = || LayerSpec::MaxPool(Window::square(2, 2, 0));
    let side = plan.input.height.min(plan.input.width);
    let pad = if side < 32 { 2 } else { 0 };
    let second = if side < 24 { 2 } else { 0 };
    let scaled = |n: usize| (n * f).div_ceil(6);
    vec![
        block("b1", vec![conv(f, pad), pool()], None, Phi::Relu),
        block("b2", vec![conv(scaled(16), second), pool()], None, Phi::Relu),
        block("b3", vec![LayerSpec::Flatten, dense(scaled(120))], None, Phi::Relu),
        block("b4", vec![dense(scaled(84))], None, Phi::Relu),
        block(
            "out",
            vec![LayerSpec::Dense { out: plan.classes, bias: true, gain: plan.head_gain }],
            None,
            Phi::Softmax,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;

    fn graph(name: &str, width: usize, side: usize, classes: usize) -> Graph {
        let input = Extent::new(3, side, side);
        let plan = Plan { width, ..Plan::new(input, classes) };
        Graph::of_blocks(input, by_name(name, &plan).unwrap().unwrap()).unwrap()
    }

    fn parameters(name: &str, width: usize, side: usize, classes: usize) -> usize {
        graph(name, width, side, classes).parameters()
    }

    /// Of a noise map that a batch norm follows: the bias of its combination, and the shift before it.
    fn held(name: &str, width: usize) -> usize {
        graph(name, width, 32, 10).held()
    }

    #[test]
    fn models_have_the_parameters_that_are_known_of_them() {
        // Method section 7; those of the convolutional ones are torchvision's and everybody's.
        assert_eq!(parameters("noise-resnet18", 160, 32, 10), 8_771_690);
        assert_eq!(parameters("noise-free-resnet18", 160, 32, 10), 8_771_690);
        assert_eq!(held("noise-resnet18", 160), 113 * 160);
        assert_eq!((held("resnet18", 0), held("resnet20", 0)), (0, 0));
        assert_eq!(parameters("noise-resnet18", 256, 224, 1000), 24_449_768);
        assert_eq!(parameters("resnet18", 0, 32, 10), 11_173_962);
        assert_eq!(parameters("resnet18", 0, 224, 1000), 11_689_512);
        // LeNet-5 on one channel of 28 x 28: 61,706.
        let input = Extent::new(1, 28, 28);
        let blocks = by_name("lenet", &Plan::new(input, 10)).unwrap().unwrap();
        assert_eq!(Graph::of_blocks(input, blocks).unwrap().parameters(), 61_706);
    }

    #[test]
    fn unit_gaussians_have_variance_one() {
        use crate::layer::Init;
        let input = Extent::new(3, 32, 32);
        for name in ["resnet8", "noise-resnet18", "lenet"] {
            for gain in [1.0, 0.05] {
                let blocks = by_name(name, &Plan { gain, ..Plan::new(input, 10) }).unwrap().unwrap();
                let (he, unit) = (blocks.clone(), unit_gaussian(input, blocks).unwrap());
                let weights = |blocks: Vec<BlockSpec>| {
                    let graph = Graph::of_blocks(input, blocks).unwrap();
                    let inside = graph.regions().iter().filter_map(|r| r.inside.clone());
                    inside
                        .flat_map(|b| b.params().collect::<Vec<_>>())
                        .filter(|(_, p)| p.is_weight())
                        .collect::<Vec<_>>()
                };
                let mut convolutions = 0;
                for ((n, p), (_, before)) in weights(unit).into_iter().zip(weights(he)) {
                    let (Init::Normal(std), Init::Normal(was)) = (p.init, before.init) else { panic!("{n}") };
                    if n.contains("conv") {
                        assert!((std - gain).abs() < 1e-12, "{name} {n}: {std}");
                        assert!((was - gain * (2.0 / p.shape[1] as f64).sqrt()).abs() < 1e-12, "{name} {n}: {was}");
                        convolutions += 1;
                    } else {
                        assert_eq!(std, was, "{name} {n}: dense layers stay");
                    }
                }
                assert!(convolutions > 1, "{name}");
            }
        }
    }

    #[test]
    fn all_models_fit_small_and_large_images() {
        for Known { name, .. } in KNOWN {
            for side in [8, 9, 28, 32, 33, 96, 224] {
                let input = Extent::new(3, side, side);
                let blocks = by_name(name, &Plan::new(input, 7)).unwrap().unwrap();
                let graph = Graph::of_blocks(input, blocks).unwrap_or_else(|e| panic!("{name} on {side}: {e}"));
                assert_eq!(graph.regions()[graph.output()].width, 7);
            }
        }
        assert!(by_name("resnet9", &Plan::new(Extent::new(3, 32, 32), 10)).unwrap().is_none());
    }

    #[test]
    fn models_are_made_of_the_layers_that_are_documented() {
        let input = Extent::new(3, 8, 8);
        let plan = Plan { width: 4, noise: Noise::Uniform(0.2), gain: 0.5, head_gain: 0.25, ..Plan::new(input, 5) };
        let made = |name: &str| by_name(name, &plan).unwrap().unwrap();
        let conv = |out: usize, kernel: usize, stride: usize| LayerSpec::Conv {
            out,
            window: Window::square(kernel, stride, kernel / 2),
            groups: 1,
            bias: false,
            gain: 0.5,
        };
        let (bn, relu) = (LayerSpec::BATCH_NORM, LayerSpec::Act(Phi::Relu));
        let dense = |out: usize, gain: f64| LayerSpec::Dense { out, bias: true, gain };
        let stem = || block("stem", vec![conv(4, 3, 1), bn.clone()], None, Phi::Relu);
        let head = || block("out", vec![LayerSpec::GlobalMean, dense(5, 0.25)], None, Phi::Softmax);
        let widths = [(4, 1), (8, 2), (16, 2)];

        let mut blocks = vec![stem()];
        for (n, (out, stride)) in (1..).zip(widths) {
            let path = vec![conv(out, 3, stride), bn.clone(), relu.clone(), conv(out, 3, 1), bn.clone()];
            let shortcut = if stride == 1 { vec![] } else { vec![conv(out, 1, stride), bn.clone()] };
            blocks.push(block(&format!("b{n}"), path, Some(shortcut), Phi::Relu));
        }
        blocks.push(head());
        assert_eq!(made("resnet8"), blocks);

        for (name, noise) in [("noise-resnet8", Noise::Uniform(0.2)), ("noise-free-resnet8", Noise::None)] {
            let mut blocks = vec![stem()];
            for (n, (out, stride)) in (1..).zip(widths) {
                let map = LayerSpec::NoiseMap { out, noise, gain: 0.5 };
                let pool = (stride > 1).then_some(LayerSpec::MaxPool(Window::square(2, 2, 0)));
                let rest = [bn.clone(), relu.clone(), map.clone(), bn.clone()];
                let path = [map].into_iter().chain(pool).chain(rest).collect();
                let shortcut = if stride == 1 { vec![] } else { vec![conv(out, 1, stride), bn.clone()] };
                blocks.push(block(&format!("b{n}"), path, Some(shortcut), Phi::Relu));
            }
            blocks.push(head());
            assert_eq!(made(name), blocks, "{name}");
        }

        let window = |pad: usize| Window::square(5, 1, pad);
        let first = |out: usize| LayerSpec::Conv { out, window: window(2), groups: 1, bias: true, gain: 0.5 };
        let pool = || LayerSpec::MaxPool(Window::square(2, 2, 0));
        let rectified = 0.5 * 2.0_f64.sqrt();
        let lenet = vec![
            block("b1", vec![first(4), pool()], None, Phi::Relu),
            block("b2", vec![first(11), pool()], None, Phi::Relu),
            block("b3", vec![LayerSpec::Flatten, dense(80, rectified)], None, Phi::Relu),
            block("b4", vec![dense(56, rectified)], None, Phi::Relu),
            block("out", vec![dense(5, 0.25)], None, Phi::Softmax),
        ];
        assert_eq!(made("lenet"), lenet);
        let names: Vec<String> = made("resnet20").into_iter().map(|b| b.name).collect();
        assert_eq!(names, ["stem", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "out"]);
        let large = by_name("resnet18", &Plan::new(Extent::new(3, 96, 96), 5)).unwrap().unwrap();
        let pooled = LayerSpec::MaxPool(Window::square(3, 2, 1));
        let conv = LayerSpec::Conv { out: 64, window: Window::square(7, 2, 3), groups: 1, bias: false, gain: 1.0 };
        assert_eq!(large[0], block("stem", vec![conv, LayerSpec::BATCH_NORM, pooled], None, Phi::Relu));
    }
}
