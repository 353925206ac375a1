//! Blocks and layers by their numbers: extents, parameters, multiplications and storage, what is too large, the properties of each
//! kind of layer, and statistics that follow the batch.

use reclra::block::{BlockSpec, Inside, Lent, Shared};
use reclra::compute::rng::Key;
use reclra::layer::{Init, Noise, ParamSpec};
use reclra::layers::LayerSpec;
use reclra::rule::Rule;
use reclra::rules::HeadOnly;
use reclra::{Block, Device, Extent, Graph, Learner, Optim, Phi, Tensor, Window};

const INPUT: Extent = Extent { channels: 2, height: 6, width: 5 };
const BATCH: usize = 4;

fn conv(out: usize, kernel: usize, stride: usize) -> LayerSpec {
    LayerSpec::conv(out, kernel, stride, kernel / 2)
}

fn block(name: &str, path: Vec<LayerSpec>, shortcut: Option<Vec<LayerSpec>>, phi: Phi) -> BlockSpec {
    BlockSpec { name: name.into(), path, shortcut, phi }
}

fn head() -> BlockSpec {
    let dense = LayerSpec::Dense { out: 3, bias: true, gain: 1.0 };
    block("out", vec![LayerSpec::GlobalMean, dense], None, Phi::Softmax)
}

#[test]
fn the_numbers_of_a_block_follow_from_its_layers() {
    let of = |path: Vec<LayerSpec>, shortcut| Block::new(block("b", path, shortcut, Phi::Tanh), INPUT).unwrap();
    // From 60 units to 45: two outputs beside h in the path, two in the shortcut.
    let path = || vec![conv(5, 3, 2), LayerSpec::BATCH_NORM, LayerSpec::Act(Phi::Tanh)];
    let halved = of(path(), Some(vec![conv(5, 1, 2), LayerSpec::BATCH_NORM]));
    assert_eq!((halved.room(), halved.multiplications()), ([180, 180, 60], 45 * 18 + 45 * 2));
    // Weights, scales and shifts; the running statistics are no parameters.
    assert_eq!((halved.parameters(), halved.held()), (90 + 10 + 10 + 10, 0));
    // A 1x1 window needs no rows of its image, a wide one some.
    assert_eq!(of(vec![conv(5, 1, 1)], None).room(), [0, 450, 0]);
    assert_eq!(of(vec![conv(2, 5, 1)], None).room(), [0, 180, 20]);
    let dense = LayerSpec::Dense { out: 7, bias: true, gain: 1.0 };
    let dense = of(vec![LayerSpec::Flatten, dense], None);
    assert_eq!((dense.multiplications(), dense.parameters()), (420, 427));
    assert!(halved.params().chain(dense.params()).all(|(_, p)| !p.is_empty()));
    // Of a region that is a block no target is kept.
    let path = |out: usize, stride: usize| vec![conv(out, 3, stride), LayerSpec::BATCH_NORM];
    let blocks = vec![block("b1", path(4, 1), None, Phi::Tanh), block("b2", path(6, 2), None, Phi::Tanh), head()];
    let graph = Graph::of_blocks(INPUT, blocks).unwrap();
    assert_eq!((reclra::Backprop::of(&graph).held(&graph), HeadOnly.held(&graph)), (2 * (120 + 54 + 3), 2 * 3));
    let none = ParamSpec::new("W", [0, 3], Init::Constant(0.0));
    assert!(none.is_empty());
}

#[test]
fn blocks_are_equal_that_are_made_alike() {
    let of = |name: &str, from: Extent| Block::new(block(name, vec![conv(5, 3, 1)], None, Phi::Tanh), from).unwrap();
    assert_eq!(of("a", INPUT), of("a", INPUT));
    assert_ne!(of("a", INPUT), of("b", INPUT));
    assert_ne!(of("a", INPUT), of("a", Extent::new(2, 6, 6)));
}

#[test]
fn each_kind_of_layer_has_the_properties_of_its_operation() {
    let grouped = LayerSpec::Conv { out: 4, window: Window::square(3, 1, 1), groups: 2, bias: true, gain: 1.0 };
    let path = vec![
        LayerSpec::Pad(1),
        LayerSpec::Noise(Noise::Gaussian(0.5)),
        grouped,
        LayerSpec::BATCH_NORM,
        LayerSpec::Act(Phi::Tanh),
        LayerSpec::MaxPool(Window::square(2, 2, 0)),
        LayerSpec::MeanPool(Window::square(2, 1, 0)),
        conv(3, 1, 1),
        LayerSpec::Dropout(0.5),
        LayerSpec::Dense { out: 6, bias: true, gain: 1.0 },
        LayerSpec::Flatten,
        LayerSpec::GlobalMean,
    ];
    let net = Block::new(block("b", path, None, Phi::Tanh), INPUT).unwrap();
    let found: Vec<_> = net.path().iter().map(|s| (s.name.as_str(), s.params, s.layer.to().units())).collect();
    let expected = [
        ("pad1", 0, 2 * 8 * 7),
        ("noise1", 0, 2 * 8 * 7),
        ("conv1", 2, 4 * 8 * 7),
        ("norm1", 4, 4 * 8 * 7),
        ("act1", 0, 4 * 8 * 7),
        ("max-pool1", 0, 4 * 4 * 3),
        ("mean-pool1", 0, 4 * 3 * 2),
        ("conv2", 1, 3 * 3 * 2),
        ("dropout1", 0, 3 * 3 * 2),
        ("dense1", 2, 6),
        ("flatten1", 0, 6),
        ("global-mean1", 0, 6),
    ];
    assert_eq!(found, expected);
    let device = Device::oracle();
    let fixed = net.fixed(&device, Key::new(1));
    let mut from = INPUT;
    for (stage, fixed) in net.path().iter().zip(fixed) {
        let (layer, name) = (&stage.layer, stage.name.as_str());
        assert_eq!(layer.from(), from, "{name}");
        from = layer.to();
        // A convolution of several groups has no rows of W that are one window of the image; a dense layer sees all of it.
        let (window, kernel, multiplications) = match name {
            "conv1" => (None, Some([4, 1, 3, 3]), 4 * 8 * 7 * 9),
            "conv2" => (Some([1, 1]), Some([3, 4, 1, 1]), 3 * 3 * 2 * 4),
            "dense1" => (None, None, 6 * 18),
            _ => (None, None, 0),
        };
        assert_eq!(
            (layer.window(), layer.kernel(), layer.multiplications()),
            (window, kernel, multiplications),
            "{name}"
        );
        let phi = match name {
            "noise1" => Some(Phi::Relu),
            "act1" => Some(Phi::Tanh),
            _ => None,
        };
        assert_eq!((layer.phi(), layer.has_synapses()), (phi, ["conv1", "conv2", "dense1"].contains(&name)), "{name}");
        assert_eq!(fixed.map(|mask| mask.len()), (name == "noise1").then_some(2 * 8 * 7), "{name}");
        // Statistics of the batch, a signal of its own, or nothing.
        let kept = ["norm1", "noise1"].contains(&name);
        assert_eq!(!layer.kept(&device).tensors.is_empty(), kept, "{name}");
        assert_eq!(layer.removes_offsets(), name == "norm1", "{name}");
    }
}

/// Batch statistics, masks and what is dropped are those of a training step under the same key.
#[test]
fn an_evaluation_in_training_is_the_forward_pass_of_a_step() {
    let drop = || LayerSpec::Dropout(0.5);
    let path =
        vec![drop(), conv(3, 3, 1), LayerSpec::BATCH_NORM, drop(), LayerSpec::Noise(Noise::Gaussian(0.5)), drop()];
    let shortcut = vec![drop(), conv(3, 1, 1), drop()];
    let block = Block::new(block("b", path, Some(shortcut), Phi::Tanh), INPUT).unwrap();
    let device = Device::oracle();
    let tensor = |shape: &[usize], key: u64| {
        let n = shape.iter().product();
        device.tensor(shape, &Key::new(key).normal(n, 1.0))
    };
    let params: Vec<Tensor> = block.params().zip(1..).map(|((_, p), key)| tensor(&p.dims(), key)).collect();
    let (x, fixed) = (tensor(&[INPUT.units(), BATCH], 100), block.fixed(&device, Key::new(7)));
    let [mut h, mut again, mut other] = [(); 3].map(|()| device.zeros(&[block.to().units(), BATCH]));
    let (mut inside, mut shared) = (Inside::new(&device, &block), Shared::default());
    let (device, params, fixed) = (&device, &params[..], &fixed[..]);
    let mut run = |key, inside: Option<&mut Inside>, h: &mut Tensor| {
        let lent = Lent { device, params, fixed, key: Key::new(key), training: true, shared: &mut shared };
        block.forward(lent, inside, &x, h);
    };
    run(3, Some(&mut inside), &mut h);
    run(3, None, &mut again);
    run(4, None, &mut other);
    assert_eq!(h.to_vec(), again.to_vec());
    assert_ne!(h.to_vec(), other.to_vec());
}

/// 2^28 units and 2^31 parameters fit, one more does not; nothing of them is made.
#[test]
fn blocks_that_are_too_large_are_refused() {
    let fits = |layer: LayerSpec, from: Extent| match Block::new(block("b", vec![layer], None, Phi::Tanh), from) {
        Ok(_) => true,
        Err(error) => {
            assert!(error.to_string().contains("more than 2^28 or 2^31; make it smaller"), "{error}");
            false
        }
    };
    let dense = |out: usize, bias: bool| LayerSpec::Dense { out, bias, gain: 1.0 };
    assert!(fits(conv(1, 1, 1), Extent::new(3, 1 << 14, 1 << 14)));
    assert!(!fits(conv(1, 1, 1), Extent::new(3, (1 << 14) + 1, 1 << 14)));
    assert!(fits(conv(1 << 10, 1, 1), Extent::new(1, 1 << 8, 1 << 10)));
    assert!(!fits(conv((1 << 10) + 1, 1, 1), Extent::new(1, 1 << 8, 1 << 10)));
    assert!(fits(dense(1 << 11, false), Extent::new(1 << 10, 1 << 5, 1 << 5)));
    assert!(!fits(dense(1 << 11, true), Extent::new(1 << 10, 1 << 5, 1 << 5)));
    assert!(!fits(dense((1 << 11) + 1, false), Extent::new(1 << 10, 1 << 5, 1 << 5)));
}

/// Of one number there is no variance; of two the running statistics follow, the variance as that of the population.
#[test]
fn running_statistics_follow_from_two_numbers_on() {
    let path = vec![LayerSpec::GlobalMean, LayerSpec::BATCH_NORM];
    let graph = Graph::of_blocks(INPUT, vec![block("b1", path, None, Phi::Tanh), head()]).unwrap();
    let statistics = |samples: usize| {
        let mut net = Learner::new(
            graph.clone(),
            Box::new(reclra::Backprop::of(&graph)),
            1.0,
            Optim::default(),
            Device::oracle(),
            1,
        )
        .unwrap();
        // All pixels of the first sample are 1, of the second 3.
        let x: Vec<f32> = (0..samples * INPUT.units()).map(|i| if i < INPUT.units() { 1.0 } else { 3.0 }).collect();
        net.step(&x, &[0, 2][..samples]);
        let of = |name: &str| net.parameters().into_iter().find(|p| p.name == name).unwrap().to_vec()[0];
        [of("b1.norm1.mean"), of("b1.norm1.variance")]
    };
    assert_eq!(statistics(1), [0.0, 1.0]);
    let [mean, variance] = statistics(2);
    assert!((mean - 0.1 * 2.0).abs() < 1e-12 && (variance - (0.9 + 0.1 * 2.0)).abs() < 1e-12, "{mean} {variance}");
}
