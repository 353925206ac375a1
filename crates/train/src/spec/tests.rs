//! Specs: defaults, overrides, round trips, and every way to get one wrong.

use super::keys::KEYS;
use super::*;
use reclra::optim::Schedule;

fn facts() -> DataFacts {
    toy_facts("mnist", 28, 10, 60_000, 2_000)
}

fn resolve(text: &str) -> Result<RunSpec> {
    RunSpec::resolve(&Settings::parse(text, "spec.toml")?, &facts())
}

fn error(text: &str) -> String {
    resolve(text).expect_err(text).to_string()
}

#[test]
fn a_resolved_spec_prints_to_the_same_spec_and_holds_every_key_of_its_rule() {
    let spec = resolve("[net]\nact = \"elu\"\n[optim]\nlr = 1e-3\nschedule = \"linear\"").unwrap();
    assert_eq!(resolve(&spec.to_toml()).unwrap(), spec);
    let printed = Settings::parse(&spec.to_toml(), "printed").unwrap();
    let own = |k: &&keys::Key| k.nets.hold(false) && (k.rules.is_empty() || k.rules.contains(&spec.rule.name()));
    let expected: Vec<&str> = KEYS.iter().filter(own).map(|k| k.path).collect();
    assert_eq!(printed.keys().collect::<Vec<_>>(), expected);
}

#[test]
fn defaults_follow_activation_and_depth() {
    let of = |text: &str| {
        let spec = resolve(text).unwrap();
        let RuleSpec::RecLra(c) = &spec.rule else { panic!("{text}: {:?}", spec.rule) };
        (c.wiring.clone(), c.beta, spec.net.w_std, c.std, spec.optim(1).rate, spec.optim(1).radius)
    };
    assert_eq!(of(""), (Wiring::Chain, 0.1, 0.05, 0.1, 2e-4, Some(1.0)));
    assert_eq!(of("net.arch = \"784-3x1024-10\"").3, 0.05);
    assert_eq!(of("net.arch = \"784-8x256-10\"").0, Wiring::Gap(2));
    let sigmoid = of("net.act = \"sigmoid\"\nnet.arch = \"784-8x256-10\"");
    assert_eq!(sigmoid, (Wiring::Full, 1.0, 0.025, 1.0, 2e-4, Some(1.0)));
    assert_eq!(of("net.act = \"sign\""), (Wiring::Full, 0.1, 0.05, 1.0, 1e-3, None));
    assert_eq!(resolve("net.act = \"sign\"").unwrap().optim(1).schedule, Schedule::Linear);
}

use reclra::Wiring;

/// The same defaults whether the preset is named or not; a key that is set overrides a preset; a kept spec is another preset's too
/// if its values are.
#[test]
fn presets_are_defaults() {
    let same = |text: &str| resolve(text).unwrap().values();
    for text in ["", "net.act = \"sign\"", "net.model = \"resnet8\"", "rule.name = \"hebbian\""] {
        assert_eq!(same(text), same(&format!("preset = \"default\"\n{text}")));
        let paper = resolve(&format!("preset = \"paper\"\n{text}")).unwrap();
        assert_eq!(paper.value("optim.radius"), Some(&Value::Float(1.0)), "{text}");
        assert_ne!(same(text), paper.values(), "{text}");
        assert_eq!(resolve(&paper.to_toml()).unwrap(), paper, "what the program writes it reads");
    }
    let sign = resolve("preset = \"paper\"\nnet.act = \"sign\"\noptim.lr = 3e-3\ntrain.epochs = 3").unwrap();
    assert_eq!((sign.optim(1).rate, sign.epochs, sign.optim(1).schedule), (3e-3, 3, Schedule::Constant));
    let sgd = resolve("preset = \"paper\"\noptim.name = \"sgd\"").unwrap();
    assert_eq!(sgd.optim(1).rate, 0.1, "a preset's rate is Adam's");
    for (text, epochs) in [
        ("net.arch = \"784-3x1024-10\"", 100),
        ("net.arch = \"784-5x256-10\"", 500),
        ("net.arch = \"784-8x256-10\"", 500),
        ("net.arch = \"784-8x256-10\"\nnet.act = \"sigmoid\"", 100),
        ("", 100),
    ] {
        assert_eq!(resolve(&format!("preset = \"paper\"\n{text}")).unwrap().epochs, epochs, "{text}");
    }
    let tuned = resolve("preset = \"tuned\"").unwrap();
    assert_eq!((tuned.optim(1).rate, tuned.epochs, tuned.data.shift), (1e-3, 15, 1));
    let spelt = "optim.lr = 1e-3\noptim.schedule = \"linear\"\ntrain.epochs = 15\ndata.shift = 1";
    assert_eq!(tuned.values(), same(spelt));
    // Small data sets: the start of weights is the paper's under its preset.
    let digits = toy_facts("digits", 8, 10, 1_300, 300);
    let std = |text: &str| {
        let spec = RunSpec::resolve(&Settings::parse(text, "spec").unwrap(), &digits).unwrap();
        let RuleSpec::RecLra(c) = &spec.rule else { panic!("{:?}", spec.rule) };
        (spec.net.w_std, c.std)
    };
    assert_eq!((std(""), std("preset = \"paper\"")), ((0.15, 0.15), (0.05, 0.1)));
    assert_eq!(
        error("preset = \"papper\""),
        "preset = \"papper\": must be one of default, paper, tuned, did you mean `paper`?"
    );
}

#[test]
fn a_spec_is_recognized_whatever_preset_its_values_came_from() {
    let facts = facts();
    let (wide, twelve) = ("net.arch = \"784-3x1024-10\"", "train.epochs = 12");
    let before = resolve(&format!("{wide}\n{twelve}")).unwrap();
    let old = before.to_toml().replace("preset = \"default\"\n", "");
    assert!(!old.contains("preset"));
    let paper = resolve(&format!("preset = \"paper\"\n{wide}\n{twelve}")).unwrap();
    assert!(paper.is_that_of(&old, &facts) && before.is_that_of(&paper.to_toml(), &facts));
    let longer = resolve(&format!("preset = \"paper\"\n{wide}")).unwrap();
    assert!(!longer.is_that_of(&old, &facts));
}

#[test]
fn later_settings_override_earlier_ones() {
    let mut s = Settings::parse("[optim]\nlr = 0.1\n[train]\nbatch = 8", "spec.toml").unwrap();
    s.assign("optim.lr=0.2").unwrap();
    s.assign("rule.wiring = full").unwrap();
    s.assign("rule.kappa=[1, 1, 0.5, 2]").unwrap();
    let spec = RunSpec::resolve(&s, &facts()).unwrap();
    let RuleSpec::RecLra(c) = &spec.rule else { panic!("{:?}", spec.rule) };
    assert_eq!((spec.optim(1).rate, spec.batch, &c.wiring), (0.2, 8, &Wiring::Full));
    assert_eq!(c.kappa, [1.0, 1.0, 0.5, 2.0]);
}

#[test]
fn epochs_become_steps() {
    let text = "optim.schedule = \"step\"\noptim.step_epochs = 3\noptim.warmup_epochs = 0.5\ntrain.epochs = 10";
    let optim = resolve(text).unwrap().optim(100);
    assert_eq!((optim.schedule, optim.warmup, optim.total), (Schedule::Step { every: 300, factor: 0.1 }, 50, 1000));
}

#[test]
fn every_mistake_is_one_line_with_key_and_remedy() {
    for (text, want) in [
        ("[optim]\nlrr = 1", "spec.toml: unknown key `optim.lrr`, did you mean `optim.lr`?"),
        ("lr = 1", "spec.toml: unknown key `lr`, did you mean `optim.lr`?"),
        ("[optm]\nlr = 1", "spec.toml: unknown key `optm.lr`, did you mean `optim.lr`?"),
        ("[optimizr]", "spec.toml: unknown key `optimizr`, did you mean `optim`?"),
        ("[optim]\n[qqq]", "spec.toml: unknown key `qqq`; `reclra list keys` shows all"),
        ("[optim.lrr]", "spec.toml: unknown key `optim.lrr`, did you mean `optim.lr`?"),
        ("[optim.lr]", "optim.lr = {}: must be a finite number"),
        ("[seed]", "seed = {}: must be a whole number of 0 or more"),
        ("[qqq]\nzzzz = 1", "spec.toml: unknown key `qqq.zzzz`; `reclra list keys` shows all"),
        ("optim.lr = nan", "optim.lr = nan: must be a finite number"),
        ("optim.lr = -1", "optim.lr = -1: must be a positive number"),
        ("optim.lr = \"fast\"", "optim.lr = \"fast\": must be a finite number"),
        ("train.batch = 0", "train.batch = 0: must be a whole number of 1 or more"),
        ("train.epochs = 0", "train.epochs = 0: must be a whole number of 1 or more"),
        ("train.batch = 60000", "train.batch = 60000: must be at most the 58000 training images"),
        ("seed = -1", "seed = -1: must be a whole number of 0 or more"),
        ("rule.name = \"rec-lar\"", "rule.name = \"rec-lar\": must be one of rec-lra, backprop, "),
        (
            "net.arch = \"64-256-10\"",
            "net.arch = \"64-256-10\": does not fit mnist, which has 784 pixels and 10 classes; write 784-256-10",
        ),
        (
            "net.arch = \"784,10\"",
            "net.arch = \"784,10\": must be widths joined by dashes, each at least 1 and at most 1048576, no more than 1000 of them, \
             such as 784-3x256-10",
        ),
        // What TOML can hold, a line cannot always.
        ("net.act = \"ta\\nnh\"", "net.act = \"ta\\nnh\": "),
        ("net.act = \"\"\"\nta\nnh\\u001b\"\"\"", "net.act = \"ta\\nnh\\u{1b}\": "),
        ("net.act = [\"ta\\nnh\"]", "net.act = [\"\"\" ta nh\"\"\"]: must be text in quotes"),
        ("\"a\\nb\" = 1", "spec.toml: unknown key `a b`; `reclra list keys` shows all"),
        ("[\"q\\nq\"]\n\"zzzz\\n\" = 1", "spec.toml: unknown key `q q.zzzz`; `reclra list keys` shows all"),
        (
            "rule.wiring = \"list\"\nrule.synapses = [\"out->b3\", \"b2->b1\", \"b1->b2\"]",
            "the error synapses form a cycle through region `b1` (b1->b2->b1); remove one of them",
        ),
        (
            "rule.wiring = \"list\"\nrule.synapses = [\"out->b9\"]",
            "unknown region `b9`, did you mean `b3`?; regions are in, b1, b2, b3, out",
        ),
        (
            "rule.wiring = \"list\"\nrule.synapses = [\"out->b3\"]",
            "region `b1` is unreachable: no error synapse leads to it from the output; add one to the wiring",
        ),
        (
            "rule.wiring = \"list\"\nrule.synapses = [\"out-b3\"]",
            "rule.synapses = \"out-b3\": must be written sender->receiver, such as \"out->b2\"",
        ),
        ("data.validation = 60000", "data.validation = 60000: must be below the 60000 training images of mnist"),
        ("optim.average = 1", "optim.average = 1: must lie in (0, 1), or be 0 for none"),
        ("= 3", "spec.toml, line 1: "),
        ("[optim]\nlr = ", "spec.toml, line 2: "),
    ] {
        let got = error(text);
        if want.ends_with(": ") || want.ends_with(", ") {
            assert!(got.starts_with(want) && !got.contains('\n'), "{text}: {got}");
        } else {
            assert_eq!(got, want, "{text}");
        }
    }
    let mut s = Settings::default();
    assert_eq!(
        s.assign("optim.lr").unwrap_err().to_string(),
        "--set optim.lr: write it as key=value, optim.lr=1e-3 say"
    );
}

/// A setting that nothing reads is refused; its default, which every resolved spec holds, is not, nor is a spec of before.
#[test]
fn what_would_be_ignored_is_refused_with_what_reads_it() {
    let own = |layers: &str| format!("net.model = \"custom\"\nnet.layers = {layers:?}\n");
    let dense = "[[block]]\nlayers = [{ kind = \"flatten\" }, { kind = \"dense\" }]";
    let open = "[[block]]\nlayers = [{ kind = \"noise-map\", out = 2 }]\n".to_owned() + dense;
    let shut = open.replace("out = 2", "out = 2, noise = \"gaussian\", level = 0.3");
    let resnet = "net.model = \"resnet8\"\n".to_owned();
    let noisy = "net.model = \"noise-resnet8\"\n".to_owned();
    for (before, key, default, read) in [
        (String::new(), "rule.gap = 3", "rule.gap = 2", "rule.wiring = \"graph\""),
        (String::new(), "rule.mix = 0.7", "rule.mix = 0.5", "rule.error = \"mixed\""),
        (String::new(), "rule.p = 3", "rule.p = 2", "rule.error = \"lp\""),
        (resnet.clone(), "rule.q = 1", "rule.q = 2", "rule.error = \"lp\""),
        (resnet.clone(), "rule.gap = 3", "rule.gap = 2", "rule.wiring = \"gap\""),
        (resnet.clone(), "rule.mix = 1", "rule.mix = 0.5", "rule.error = \"mixed\""),
        (resnet.clone(), "rule.grid = 3", "rule.grid = 2", "rule.synapse = \"grid\""),
        (resnet.clone(), "rule.rank = 3", "rule.rank = 4", "rule.synapse = \"low-rank\""),
        (resnet.clone(), "rule.twin_std = 0.5", "rule.twin_std = 0", "rule.inner = \"rec-lra\""),
        (
            resnet.clone() + "rule.plasticity = \"fixed\"\n",
            "rule.twin_std = 0.5",
            "rule.twin_std = 1",
            "rule.wiring = \"layer\"",
        ),
        (String::new(), "optim.momentum = 0.5", "optim.momentum = 0.9", "optim.name = \"sgd\""),
        (String::new(), "optim.nesterov = true", "optim.nesterov = false", "optim.name = \"sgd\""),
        (String::new(), "optim.step_factor = 0.5", "optim.step_factor = 0.1", "optim.schedule = \"step\""),
        (String::new(), "optim.step_epochs = 5", "optim.step_epochs = 10", "optim.schedule = \"step\""),
        (String::new(), "data.zca_epsilon = 0.5", "data.zca_epsilon = 0.001", "data.zca = true"),
        (String::new(), "data.size = 8", "data.size = 0", "data.name = \"image-folder\""),
        (String::new(), "data.broken = 0.5", "data.broken = 0.01", "data.name = \"image-folder\""),
        (String::new(), "data.memory = 8", "data.memory = 1024", "data.name = \"image-folder\""),
    ] {
        let line = error(&format!("{before}{key}"));
        let (_, by) = read.split_once("= ").unwrap();
        assert!(line.starts_with(key.split_once(' ').unwrap().0) && line.contains("is read by "), "{line}");
        assert!(line.contains("; set ") && line.contains("or remove it") && !line.contains('\n'), "{line}");
        assert!(line.contains(by.trim_matches('"')), "{line}");
        resolve(&format!("{before}{default}")).unwrap();
        resolve(&format!("{before}{key}\n{read}")).unwrap();
        let kept = Settings::parse(&format!("{before}{key}"), "spec.toml").unwrap().kept();
        RunSpec::resolve(&kept, &facts()).unwrap();
    }
    for (ignored, read, key) in [
        (own(dense), resnet.clone(), "net.width = 8"),
        (resnet.clone(), noisy.clone(), "net.noise = \"uniform\""),
        (resnet.clone(), noisy.clone(), "net.level = 0.2"),
        ("net.model = \"lenet\"\n".to_owned(), own(&open), "net.noise = \"none\""),
        ("net.model = \"noise-free-resnet8\"\n".to_owned(), own(&open), "net.level = 0.2"),
        (own(&shut), own(&open), "net.noise = \"uniform\""),
        (own(&shut), own(&open), "net.level = 0.2"),
        (noisy.clone() + "net.noise = \"none\"\n", noisy.clone(), "net.level = 0.2"),
    ] {
        let line = error(&format!("{ignored}{key}"));
        assert!(line.starts_with(key) && line.contains("only") && line.contains("or remove it"), "{line}");
        assert!(!line.contains('\n'), "{line}");
        let spec = resolve(&format!("{read}{key}")).unwrap();
        assert_eq!(resolve(&spec.to_toml()).unwrap(), spec, "what the program writes it reads");
    }
    for before in ["", &resnet] {
        let line = error(&format!("{before}rule.wiring = \"list\""));
        assert!(
            line.starts_with("rule.wiring = \"list\": needs its error synapses; give them with rule.synapses"),
            "{line}"
        );
    }
}

/// The same of keys that one other setting takes away.
#[test]
fn what_another_setting_makes_useless_is_refused() {
    let ep = "rule.name = \"equilibrium-prop\"\nnet.arch = \"784-8-10\"\n";
    let hebbian = "rule.name = \"hebbian\"\n";
    for (without, with, key) in [
        ("optim.name = \"sgd\"", "", "optim.beta1 = 0.5"),
        ("optim.name = \"sgd\"", "", "optim.beta2 = 0.5"),
        ("optim.name = \"sgd\"", "", "optim.epsilon = 0.5"),
        ("rule.plasticity = \"fixed\"", "", "rule.e_rate = 0.5"),
        ("rule.plasticity = \"fixed\"", "", "rule.gamma = 0.5"),
        ("rule.name = \"hebbian\"\nrule.oja = false", hebbian, "rule.rate = 0.5"),
        (ep, "rule.name = \"equilibrium-prop\"", "rule.free = 5"),
        (ep, "rule.name = \"equilibrium-prop\"", "rule.fall = 0.5"),
        (ep, "rule.name = \"equilibrium-prop\"", "rule.persistent = true"),
        ("net.arch = \"784-8-10\"", "net.arch = \"784-8-8-10\"", "net.residual = 1"),
    ] {
        let line = error(&format!("{without}\n{key}"));
        assert!(line.starts_with(key) && !line.contains('\n'), "{line}");
        resolve(&format!("{with}\n{key}")).unwrap();
        let kept = Settings::parse(&format!("{without}\n{key}"), "spec.toml").unwrap().kept();
        RunSpec::resolve(&kept, &facts()).unwrap();
    }
    let digits = toy_facts("digits", 8, 10, 1_438, 144);
    let dir = Settings::parse("data.dir = \"x\"", "spec.toml").unwrap();
    let line = RunSpec::resolve(&dir, &digits).unwrap_err().to_string();
    assert!(line.starts_with("data.dir = \"x\": is read by data sets of files only"), "{line}");
}

/// A default adapts to few images; what was asked for does not.
#[test]
fn a_default_batch_is_no_larger_than_the_training_images() {
    for (train, validation, model, want) in
        [(12, 1, "", 11), (40, 4, "", 32), (12, 1, "net.model = \"resnet8\"", 11), (60_000, 2_000, "", 32)]
    {
        let facts = toy_facts("few", 16, 3, train, validation);
        let of = |text: &str| RunSpec::resolve(&Settings::parse(&format!("{model}\n{text}"), "spec").unwrap(), &facts);
        assert_eq!(of("").unwrap().batch, want);
        let more = train - validation + 1;
        let line = of(&format!("train.batch = {more}")).unwrap_err().to_string();
        assert_eq!(line, format!("train.batch = {more}: must be at most the {} training images", more - 1));
    }
}

#[test]
fn words_in_other_letters_resolve_to_the_same_spec() {
    for (text, same) in [
        ("rule.name = \"BP\"", "rule.name = \"backprop\""),
        ("rule.name = \"Rec_LRA\"\nrule.wiring = \"Full\"", "rule.wiring = \"full\""),
        ("net.act = \"ReLU\"\noptim.name = \"SGD\"", "net.act = \"relu\"\noptim.name = \"sgd\""),
        ("net.model = \"MLP\"", ""),
        ("net.model = \"ResNet8\"\nrule.inner = \"BP\"", "net.model = \"resnet8\""),
        ("data.name = \"MNIST\"", "data.name = \"mnist\""),
    ] {
        assert_eq!(resolve(text).unwrap().to_toml(), resolve(same).unwrap().to_toml(), "{text}");
    }
}

#[test]
fn no_value_of_any_key_breaks_the_line() {
    let texts =
        ["x\ny", "a\u{202e}b\u{2028}c", "\u{1b}[31m", "rec\r\n-lra", "out->b\n1", "64-\n10", &"long ".repeat(10_000)];
    for key in keys::KEYS {
        for text in texts {
            let whole = Value::String(text.to_owned());
            for value in [whole.clone(), Value::Array(vec![whole.clone()]), Value::Array(vec![whole; 50])] {
                for more in ["", "net.model=resnet8", "rule.wiring=list"] {
                    let mut settings = Settings::default();
                    if !more.is_empty() && !more.starts_with(key.path) {
                        settings.assign(more).unwrap();
                    }
                    settings.put(key.path, value.clone(), "spec.toml").unwrap();
                    if let Err(e) = crate::run::resolve(&settings) {
                        let line = e.to_string();
                        assert!(!line.contains(reclra_data::files::unruly), "{}: {line:?}", key.path);
                        assert!(line.len() < 2_000 || key.path == "net.layers", "{}: {} bytes", key.path, line.len());
                    }
                }
            }
        }
    }
}

/// As PyTorch has it, "Expected more than 1 value per channel when training": of every batch of an epoch, the last one included.
#[test]
fn a_batch_norm_needs_more_than_one_value_of_each_channel() {
    let layers = |pooled: &str| {
        format!(
            "[[block]]\nlayers = [{{ kind = \"conv\", out = 4, kernel = 3 }}{pooled}, {{ kind = \"batch-norm\" }}]\n\
             [[block]]\nlayers = [{{ kind = \"flatten\" }}, {{ kind = \"dense\" }}]"
        )
    };
    let of = |layers: &str, batch: usize, validation: usize| {
        let text = format!(
            "net.model = \"custom\"\nnet.layers = {layers:?}\ntrain.batch = {batch}\ndata.validation = {validation}"
        );
        RunSpec::resolve(&Settings::parse(&text, "spec.toml").unwrap(), &toy_facts("toy", 8, 3, 9, 0))
    };
    let (one, several) = (layers(", { kind = \"global-mean\" }"), layers(""));
    for batch in [1, 2, 4, 8] {
        let line = of(&one, batch, 0).unwrap_err().to_string();
        let why =
            if batch == 1 { "is not more than one value per channel" } else { "leaves one of the 9 training images" };
        assert!(line.starts_with(&format!("train.batch = {batch}: {why}")), "{line}");
        assert!(line.contains("batch norm b1.norm1, whose maps are 1x1; ") && !line.contains('\n'), "{line}");
        of(&several, batch, 0).unwrap();
    }
    for (batch, validation) in [(3, 0), (5, 0), (6, 0), (7, 0), (9, 0), (2, 1), (4, 1)] {
        of(&one, batch, validation).unwrap();
    }
    // A run of before goes on.
    let text = format!("net.model = \"custom\"\nnet.layers = {one:?}\ntrain.batch = 1");
    let kept = Settings::parse(&text, "spec.toml").unwrap().kept();
    RunSpec::resolve(&kept, &toy_facts("toy", 8, 3, 9, 0)).unwrap();
}
