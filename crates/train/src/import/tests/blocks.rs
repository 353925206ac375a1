//! Weights of image networks: kernels in four dimensions, the names of PyTorch, and what the numbers then compute.

use super::*;
use crate::spec::DataFacts;
use reclra_data::ImageShape;

/// Two channels of 3 x 5; a kernel of 2 x 3 gives three channels of 2 x 3.
const IN: [usize; 3] = [2, 3, 5];
const KERNEL: [usize; 4] = [3, 2, 2, 3];
const PLACES: [usize; 2] = [2, 3];
const CLASSES: usize = 3;
const UNITS: usize = 18;

const NORMALISED: &str = "rule.name = \"backprop\"\nnet.model = \"custom\"\nnet.layers = \"\"\"\n[[block]]\nlayers = [{ kind = \"conv\", \
    out = 3, kernel = [2, 3], bias = true }, { kind = \"batch-norm\" }]\n[[block]]\nlayers = [{ kind = \"flatten\" }, { kind = \
    \"dense\" }]\n\"\"\"";

fn facts() -> DataFacts {
    let [channels, height, width] = IN;
    DataFacts { shape: ImageShape { channels, height, width }, ..toy_facts("toy", 3, CLASSES, 50, 5) }
}

fn of_blocks(text: &str) -> RunSpec {
    let plain = "train.batch = 2\noptim.name = \"sgd\"\noptim.lr = 0.5\noptim.momentum = 0\noptim.schedule = \"constant\"\noptim.radius = 0\n";
    RunSpec::resolve(&Settings::parse(&format!("{plain}{text}"), "spec").unwrap(), &facts()).unwrap()
}

/// Numbers without a pattern, from -1 to 1.
fn numbers(salt: f32, n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i as f32 + salt) * 12.9898).sin()).collect()
}

fn of(name: &'static str, shape: &[usize], values: &[f32]) -> Made {
    (name, Dtype::F32, shape.to_vec(), f32s(values))
}

/// As `torch.nn.Sequential(Conv2d, BatchNorm2d, ReLU, Flatten, Linear)` has them.
fn torch() -> Vec<Made> {
    vec![
        of("0.weight", &KERNEL, &numbers(1.0, 36)),
        of("0.bias", &[3], &numbers(2.0, 3)),
        of("1.weight", &[3], &numbers(3.0, 3)),
        of("1.bias", &[3], &numbers(4.0, 3)),
        of("1.running_mean", &[3], &numbers(5.0, 3)),
        of("1.running_var", &[3], &[0.5, 1.0, 2.0]),
        ("1.num_batches_tracked", Dtype::I64, vec![], vec![0; 8]),
        of("4.weight", &[CLASSES, UNITS], &numbers(6.0, CLASSES * UNITS)),
        of("4.bias", &[CLASSES], &numbers(7.0, CLASSES)),
    ]
}

/// What reading says.
fn taken(tensors: &[Made], map: Option<&str>, text: &str) -> Result<Vec<Imported>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), tensors);
    let map = map.map(|text| {
        std::fs::write(dir.path().join("map.toml"), text).unwrap();
        NameMap::read(&dir.path().join("map.toml")).unwrap()
    });
    read(&path, map.as_ref(), &of_blocks(text)).map(|w| w.tensors).map_err(|e| e.to_string())
}

#[test]
fn layers_of_pytorch_are_told_by_their_numbers() {
    let list = taken(&torch(), None, NORMALISED).unwrap();
    let pairs: Vec<(&str, &str)> = list.iter().map(|i| (i.name.as_str(), i.from.as_str())).collect();
    let want = [
        ("b1.conv1.W", "0.weight"),
        ("b1.conv1.b", "0.bias"),
        ("b1.norm1.scale", "1.weight"),
        ("b1.norm1.shift", "1.bias"),
        ("b1.norm1.mean", "1.running_mean"),
        ("b1.norm1.variance", "1.running_var"),
        ("out.dense1.W", "4.weight"),
        ("out.dense1.b", "4.bias"),
    ];
    assert_eq!(pairs, want);
    // A map says the same, and a matrix holds the same numbers.
    let map: String = want.iter().map(|(ours, theirs)| format!("{ours:?} = {theirs:?}\n")).collect();
    assert_eq!(taken(&torch(), Some(&map), NORMALISED).unwrap(), list);
    let ignored = format!("ignore = [\"1.num_batches_tracked\"]\n{map}");
    assert_eq!(taken(&torch(), Some(&ignored), NORMALISED).unwrap(), list);
    let mut flat = torch();
    flat[0].2 = vec![3, 12];
    flat[7].2 = vec![CLASSES, UNITS, 1, 1];
    assert_eq!(taken(&flat, None, NORMALISED).unwrap(), list);
    // A dense layer that is held as n_from x n_to.
    let turned = map.replace("\"4.weight\"", "{ name = \"4.weight\", transpose = true }");
    flat[7].2 = vec![UNITS, CLASSES];
    let values = &taken(&flat, Some(&turned), NORMALISED).unwrap()[6].values;
    assert_eq!(values[1], f64::from(numbers(6.0, CLASSES * UNITS)[CLASSES]));
}

#[test]
fn what_does_not_fit_an_image_network_is_said_in_its_own_words() {
    let with = |change: &dyn Fn(&mut Vec<Made>)| {
        let mut changed = torch();
        change(&mut changed);
        let line = taken(&changed, None, NORMALISED).unwrap_err();
        assert!(!line.contains("--arch") && !line.contains("net.bias"), "{line}");
        line
    };
    for (shape, says) in [
        (vec![3, 2, 3, 2], "0.weight is [3, 2, 3, 2] where b1.conv1.W needs [3, 2, 2, 3] or [3, 12]; set --model"),
        (vec![3, 3, 2, 2], "set --model"),
        (vec![2, 3, 2, 3], "bring it into that order before it is saved, as by numpy.transpose(w, (3, 2, 0, 1))"),
        (vec![12, 3], "give it `transpose = true` in the map"),
        (vec![36], "0.weight is [36]"),
    ] {
        let line = with(&|t| t[0].2.clone_from(&shape));
        assert!(line.contains(says), "{line}");
    }
    let line = with(&|t| drop(t.remove(4)));
    assert!(line.contains("layer 1 has no running_mean, which is to be b1.norm1.mean; give a --map"), "{line}");
    let line = with(&|t| t.push(made("4.running_mean", &[3])));
    assert!(line.contains("4.running_mean is not used; set --model"), "{line}");
    let line = with(&|t| t.push(made("5.weight", &[3])));
    assert!(line.contains("holds 4 layers where the network has 3; set --model"), "{line}");
    let shortcut = NORMALISED.replace(
        "\n[[block]]\nlayers = [{ kind = \"flatten\"",
        "\nshortcut = [{ kind = \"conv\", out = 3, kernel = [2, 3] }]\n[[block]]\nlayers = [{ kind = \"flatten\"",
    );
    let more = [torch(), vec![made("2.weight", &KERNEL)]].concat();
    let line = taken(&more, None, &shortcut).unwrap_err();
    assert!(line.contains("do not say which one is b1.shortcut.conv1.W") && line.contains("--map"), "{line}");
}

/// A network of one convolution and one dense layer, written down by its definition, in float64.
struct Plain {
    kernel: Vec<f64>,
    dense: Vec<f64>,
}

impl Plain {
    fn probabilities(&self, x: &[f32]) -> Vec<f64> {
        let [_, channels, rows, columns] = KERNEL;
        let mut units = Vec::new();
        for o in 0..KERNEL[0] {
            for (y, z) in (0..PLACES[0]).flat_map(|y| (0..PLACES[1]).map(move |z| (y, z))) {
                let mut h = 0.0;
                for c in 0..channels {
                    for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                        let w = self.kernel[((o * channels + c) * rows + i) * columns + j];
                        h += w * f64::from(x[(c * IN[1] + y + i) * IN[2] + z + j]);
                    }
                }
                units.push(h.tanh());
            }
        }
        let row = |k: usize| self.dense[k * UNITS..(k + 1) * UNITS].iter().zip(&units).map(|(w, u)| w * u).sum::<f64>();
        let exp: Vec<f64> = (0..CLASSES).map(|k| row(k).exp()).collect();
        exp.iter().map(|e| e / exp.iter().sum::<f64>()).collect()
    }

    fn loss(&self, x: &[f32], labels: &[u32]) -> f64 {
        let all = x.chunks(x.len() / labels.len()).zip(labels);
        all.map(|(x, &label)| -self.probabilities(x)[label as usize].ln()).sum::<f64>() / labels.len() as f64
    }
}

/// A kernel that is not square, read in four dimensions, computes and learns what its indices say.
#[test]
fn a_kernel_in_four_dimensions_is_the_kernel() {
    let text = NORMALISED.replace(", bias = true }, { kind = \"batch-norm\" }]", " }]\nact = \"tanh\"");
    let text = text.replace("{ kind = \"dense\" }", "{ kind = \"dense\", bias = false }");
    let (kernel, dense) = (numbers(1.0, 36), numbers(2.0, CLASSES * UNITS));
    let file = [of("0.weight", &KERNEL, &kernel), of("3.weight", &[CLASSES, UNITS], &dense)];
    let spec = of_blocks(&text);
    let mut ours = learner(&spec, &taken(&file, None, &text).unwrap(), Device::cpu(1)).unwrap();
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let mut plain = Plain { kernel: wide(&kernel), dense: wide(&dense) };
    let (x, labels) = (numbers(3.0, 2 * 30), [2, 0]);
    let close = |a: f64, b: f64| (a - b).abs() < 1e-5;
    for x in x.chunks(30) {
        let (p, want) = (ours.predict(x), plain.probabilities(x));
        assert!(p.iter().zip(&want).all(|(&a, &b)| close(f64::from(a), b)), "{p:?} {want:?}");
    }
    // One step of gradient descent, the gradient by finite differences.
    let step = 1e-4;
    let mut loss_with = |i: usize, by: f64| {
        let before = plain.kernel[i];
        plain.kernel[i] += by;
        let loss = plain.loss(&x, &labels);
        plain.kernel[i] = before;
        loss
    };
    let gradient: Vec<f64> = (0..36).map(|i| (loss_with(i, step) - loss_with(i, -step)) / (2.0 * step)).collect();
    ours.step(&x, &labels);
    let now = ours.parameters().into_iter().find(|p| p.name == "b1.conv1.W").unwrap().values();
    for i in 0..36 {
        let (got, want) = (f64::from(now[i]) - f64::from(kernel[i]), -0.5 * gradient[i]);
        assert!(close(got, want) && gradient[i].abs() > 1e-4, "{i}: {got} {want}");
    }
}
