//! Every key a spec may hold: the one table behind the reader, "did you mean", `reclra list keys` and the documentation.

/// A key of the spec.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `section.name`
    pub path: &'static str,
    /// What it means, its unit, and its default, in one line.
    pub about: &'static str,
    /// The rules it belongs to; empty for all.
    pub rules: &'static [&'static str],
    /// The networks it belongs to.
    pub nets: Nets,
}

/// Kinds of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nets {
    /// All of them.
    All,
    /// Multilayer perceptrons alone.
    Mlp,
    /// Image networks alone: `net.model` names one.
    Image,
}

impl Nets {
    /// Whether a key of these belongs to such a network.
    #[must_use]
    pub fn hold(self, image: bool) -> bool {
        self == Nets::All || (self == Nets::Image) == image
    }
}

const fn key(path: &'static str, about: &'static str) -> Key {
    Key { path, about, rules: &[], nets: Nets::All }
}

const fn of(rules: &'static [&'static str], path: &'static str, about: &'static str) -> Key {
    Key { path, about, rules, nets: Nets::All }
}

const fn mlp(key: Key) -> Key {
    Key { nets: Nets::Mlp, ..key }
}

const fn image(key: Key) -> Key {
    Key { nets: Nets::Image, ..key }
}

const REC_LRA: &[&str] = &["rec-lra"];
const LRA: &[&str] = &["rec-lra", "lra-e"];
const FEEDBACK: &[&str] = &["feedback-alignment", "direct-feedback-alignment"];
const TARGETS: &[&str] = &["target-prop", "difference-target-prop"];
const EQUILIBRIUM: &[&str] = &["equilibrium-prop"];
const HEBBIAN: &[&str] = &["hebbian"];

/// All keys, in the order in which a resolved spec is printed.
pub const KEYS: &[Key] = &[
    key("seed", "all randomness of the run follows from it [0]"),
    key(
        "preset",
        "where the defaults of all other keys come from: default, paper (the paper's settings), tuned (recipes of this project with lower errors) [default]",
    ),
    key("data.name", "data set: digits, mnist, fashion-mnist, cifar10, idx, image-folder [digits]"),
    key("data.dir", "folder that holds the files; \"\" for the user's data folder [\"\"]"),
    key("data.size", "image-folder: height and width that pictures are brought to; 0 for their own, if it is one [0]"),
    key("data.broken", "image-folder: share of the pictures that may be broken; 10 always may, unless it is 0 [0.01]"),
    key("data.memory", "image-folder: MiB of decoded pictures kept in memory; more are decoded when asked for [1024]"),
    key(
        "data.fold",
        "for cross-validation: 2/5 validates on the second of five equal parts of the training part, cut with the seed; \"\" draws data.validation images [\"\"]",
    ),
    key(
        "data.validation",
        "images drawn from the training part, with the seed, for validation [a tenth of the training part, at most 2000 of idx files, 5000 of cifar10, 10000 of image-folder; 144 of digits; the folder val of image-folder]",
    ),
    key(
        "data.shift",
        "training images are shifted by up to so many pixels each way [0; 1 for grey images, fewer than 5,000 training images]",
    ),
    key(
        "data.crop",
        "training images are padded with so many zeros on each side and cut to size at random; zeros stand for the mean where data.normalise takes it out [0]",
    ),
    key(
        "data.flip",
        "whether every other training image, at random, is mirrored left to right [false; true for image-folder with data.size]",
    ),
    key(
        "data.zoom",
        "smallest share of a training image's area that a random part of it, brought to size, has; 1 for none [1; 0.08 for image-folder with data.size]",
    ),
    key(
        "data.normalise",
        "what is taken out of images: none, mean-std (of each channel), gcn (each image's own mean of each channel), gcn-std (and its deviation) [none; mean-std for colour]",
    ),
    key("data.zca", "whether images are whitened then, by the training images; of images in memory only [false]"),
    key("data.zca_epsilon", "what is added to the variances that whitening divides by [0.001]"),
    key(
        "net.model",
        "mlp, or an image network: resnet8, resnet18, resnet20, noise-resnet8, noise-resnet18, noise-free-resnet8, noise-free-resnet18, lenet, custom [mlp]",
    ),
    mlp(key(
        "net.arch",
        "widths from input to output; 784-3x256-10 is 784, three times 256, 10 [PIXELS-3x256-CLASSES]",
    )),
    mlp(key("net.act", "activation of hidden regions: tanh, sigmoid, relu, lrelu, elu, sign, identity [tanh]")),
    mlp(key("net.residual", "residual gap g: region l also gets z of l - g where l mod g = 0; 0 for none [0]")),
    mlp(key("net.bias", "whether regions have biases [true]")),
    mlp(key(
        "net.w_std",
        "standard deviation of the Gaussian W starts from [0.05; 0.15 for fewer than 5,000 training images; 0.05 for equilibrium-prop with more than 1 hidden region; 0.025 for sigmoid with more than 3 hidden regions]",
    )),
    image(key(
        "net.layers",
        "the blocks of an image network of your own as TOML text; `--model FILE.toml` reads them [\"\"]",
    )),
    image(key("net.width", "width f of the first stage of a model by name; 0 for the model's own [0]")),
    image(key("net.noise", "noise of noise maps: gaussian, uniform, none [gaussian]")),
    image(key("net.level", "level of the noise [0.1]")),
    image(key(
        "net.init",
        "what the weights of convolutions start from: he (a Gaussian of variance 2 / inputs), gaussian (one of variance 1, as in the preset paper) [he]",
    )),
    image(key(
        "net.gain",
        "factor on the weights of convolutions at the start [1; 0.2 for rule.inner rec-lra; 0.05 for the wirings layer, gap, list; 1 for lenet]",
    )),
    image(key(
        "net.head_gain",
        "factor on the weights of the last dense layer at the start [1; 0 for the wirings layer, gap, list]",
    )),
    key("rule.name", "rule of credit assignment [rec-lra]"),
    image(of(REC_LRA, "rule.inner", "how a block's inside learns: backprop, rec-lra, hebbian [backprop]")),
    image(of(REC_LRA, "rule.synapse", "form of skip-error synapses: channel, grid, full, low-rank, seeded [channel]")),
    image(of(REC_LRA, "rule.grid", "cells a side of the form grid [2]")),
    image(of(REC_LRA, "rule.rank", "rank of the form low-rank [4]")),
    image(of(
        REC_LRA,
        "rule.twin_std",
        "deviation of error synapses of an operation's shape at the start, in He's [0; 1 for fixed plasticity]",
    )),
    of(
        REC_LRA,
        "rule.wiring",
        "error synapses: chain, gap, full, graph, list; on image networks skip, layer, gap, list [chain; gap for more than 3 hidden regions; full for sigmoid and sign; skip for image networks]",
    ),
    of(REC_LRA, "rule.gap", "g of the wirings gap and graph [2]"),
    of(REC_LRA, "rule.synapses", "error synapses of the wiring list, such as [\"out->b2\", \"b2->b1\"] [[]]"),
    mlp(of(REC_LRA, "rule.depth", "levels below the output that are given error neurons; 0 for all [0]")),
    of(
        &["rec-lra", "lra-e", "equilibrium-prop"],
        "rule.beta",
        "target modulation: y = phi(h - beta d); strength of the nudge [0.1; 1 for rec-lra with sigmoid; 0.01 for image networks; 0.5 for equilibrium-prop]",
    ),
    mlp(of(LRA, "rule.gamma", "factor on updates of E; inert under Adam [1; 0.9 for lra-e]")),
    of(
        REC_LRA,
        "rule.plasticity",
        "how E learns: mirror, fixed, algorithm1, algorithm2; on image networks mirror, readout, fixed [mirror; readout for the wiring skip; mirror for low-rank error synapses]",
    ),
    image(of(
        REC_LRA,
        "rule.stem",
        "under skip, what teaches the first block: own (an error synapse of its own), inside (it counts as part of the block above) [own; inside for the wiring skip]",
    )),
    image(of(
        REC_LRA,
        "rule.message",
        "error that skip-error synapses carry: output (the output's), readout (that of the block's own readout), both [output; both for the wiring skip with a readout of each block]",
    )),
    of(LRA, "rule.e_rate", "factor on the learning rate of E [1]"),
    of(
        LRA,
        "rule.e_std",
        "standard deviation of the Gaussian E starts from [0.1; 0.05 from width 1024; 0.15 for fewer than 5,000 training images; 1 for rec-lra with sigmoid and sign; 0.1 for image networks; 0 for the wirings layer, gap, list with error synapses that learn]",
    ),
    of(
        REC_LRA,
        "rule.error",
        "error neurons e from v = z - y: l2 (v), l1 (sign v), mixed, lp; the discrepancy D is the sum over regions of kappa (|v|_p)^q, p = q = 2 for l2, p = q = 1 for l1 [l2]",
    ),
    of(REC_LRA, "rule.mix", "share a of l2 in mixed: e = a v + (1 - a) sign v [0.5]"),
    of(
        REC_LRA,
        "rule.p",
        "p of lp, 1 or more: e = (|v|_p)^(q - p) |v|^(p - 1) sign v, the norm over a region's units [2]",
    ),
    of(REC_LRA, "rule.q", "q of lp, 1 or more [2]"),
    mlp(of(REC_LRA, "rule.kappa", "kappa of each region after the input, factors on its updates; [] for all 1 [[]]")),
    of(
        FEEDBACK,
        "rule.b_std",
        "standard deviation of the Gaussian the fixed feedback B is drawn from; on image networks feedback-alignment takes it in units of He's, and direct-feedback-alignment has one weight for each channel and class, the same at every place [0.3; 1 for feedback-alignment on image networks]",
    ),
    of(
        TARGETS,
        "rule.eta",
        "how far the top target lies along the gradient [0.3; 10 for target-prop; 1000 for target-prop on image networks]",
    ),
    of(TARGETS, "rule.sigma", "standard deviation of the noise the inverses learn to undo [0.1]"),
    of(
        TARGETS,
        "rule.v_std",
        "standard deviation of the Gaussian the inverses V start from; on image networks a factor on 1 / sqrt(inputs) [0.1; 0.05 for target-prop; 1 for image networks]",
    ),
    of(
        TARGETS,
        "rule.v_rate",
        "factor on the learning rate of the inverses [3; 5 for target-prop; 1 for image networks; 3 for target-prop on image networks]",
    ),
    of(EQUILIBRIUM, "rule.free", "sweeps of the free phase, where there is more than one hidden region [10]"),
    of(EQUILIBRIUM, "rule.nudged", "sweeps of each nudged phase [4]"),
    of(
        EQUILIBRIUM,
        "rule.symmetric",
        "nudge both ways, by beta and -beta; else the free state is the other one [true]",
    ),
    of(EQUILIBRIUM, "rule.fall", "learning rate of a hidden region over that of the one below it [0.1]"),
    of(
        EQUILIBRIUM,
        "rule.persistent",
        "begin a training sample's free phase at its last free state, not at the forward pass [false]",
    ),
    of(HEBBIAN, "rule.oja", "whether hidden regions learn by Oja's rule; false leaves random features [true]"),
    of(HEBBIAN, "rule.rate", "factor on the learning rate of hidden regions [0.3]"),
    key("optim.name", "adam or sgd [adam]"),
    key(
        "optim.lr",
        "learning rate at the top of the schedule [2e-4; 1e-3 for equilibrium-prop and hebbian; 3e-3 for image networks; 1e-2 for the wiring skip; 3e-3 for fewer than 5,000 training images; 1e-3 for sign; 0.1 for sgd]",
    ),
    key(
        "optim.schedule",
        "constant, linear, cosine, step [constant; linear for fewer than 5,000 training images, sign and image networks]",
    ),
    key("optim.warmup_epochs", "epochs over which the rate first rises from 0; may be a fraction [0]"),
    key("optim.step_epochs", "schedule step: epochs between two drops [10]"),
    key("optim.step_factor", "schedule step: what the rate is multiplied by at each drop [0.1]"),
    key("optim.beta1", "Adam: decay of the first moment [0.9]"),
    key("optim.beta2", "Adam: decay of the second moment [0.999]"),
    key("optim.epsilon", "Adam: added to the root [1e-8]"),
    key("optim.momentum", "SGD: momentum [0.9]"),
    key("optim.nesterov", "SGD: look ahead along the momentum [false]"),
    key("optim.weight_decay", "decoupled decay of W: W loses lr * weight_decay * W a step [0]"),
    key(
        "optim.radius",
        "c of the re-projection Nm(D, c) of each matrix's update; 0 for none [1; 0 for sign and image networks]",
    ),
    key(
        "optim.average",
        "decay of the moving average of weights that evaluation uses, at most (1 + t) / (10 + t) after t steps, so that it follows the first steps closely; 0 for none [0]",
    ),
    key(
        "train.epochs",
        "passes over the training images [12; 10 for image networks; 100 for fewer than 5,000 training images; 30 for image networks on fewer than 5,000 training images]",
    ),
    key(
        "train.batch",
        "samples in a step; the default is no more than there are training images [32; 64 for image networks; 16 for image networks on fewer than 5,000 training images]",
    ),
    key(
        "train.alignment",
        "measure the angle between each region's update and the gradient after every epoch, on 1,000 samples, of image networks on as many as a step has [false]",
    ),
];

impl Key {
    /// What it means, without the default.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.about.rsplit_once(" [").map_or(self.about, |(meaning, _)| meaning)
    }

    /// Its default in words: the last square brackets of `about`.
    #[must_use]
    pub fn default(&self) -> &'static str {
        self.about.rsplit_once(" [").map_or("", |(_, d)| d.strip_suffix(']').unwrap_or(d))
    }
}

/// The page of the guide that has all keys.
#[must_use]
pub fn page() -> String {
    let mut text = String::from(
        "# Every spec key\n\nA spec is a TOML file of these keys; `reclra train --print-spec` prints one with every key that \
         applies. `--set KEY=VALUE` sets any of them. Of several defaults that apply the last \
         counts; fewer than 5,000 training images are counted before validation is drawn. This page is made from the program, by `reclra list keys --page`.\n",
    );
    let mut section = "-";
    for key in KEYS {
        let (own, _) = key.path.split_once('.').unwrap_or(("", key.path));
        if own != section {
            section = own;
            let heading = if own.is_empty() { "The run".to_owned() } else { format!("`[{own}]`") };
            text.push_str(&format!("\n## {heading}\n\n| key | meaning | default | rules |\n|---|---|---|---|\n"));
        }
        let escaped = |s: &str| s.replace('|', "\\|").replace('[', "\\[");
        let rules = if key.rules.is_empty() { "all".to_owned() } else { key.rules.join(", ") };
        let rules = match key.nets {
            Nets::All => rules,
            Nets::Mlp => format!("{rules}; mlp"),
            Nets::Image => format!("{rules}; image networks"),
        };
        text.push_str(&format!(
            "| `{}` | {} | {} | {rules} |\n",
            key.path,
            escaped(key.meaning()),
            escaped(key.default())
        ));
    }
    text
}

/// The key of that path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.path == path)
}

#[cfg(test)]
mod tests;
