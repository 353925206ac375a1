//! Image networks of the user's own: a TOML file of blocks, each a list of layers.
//!
//! ```toml
//! [[block]]
//! name = "stem"
//! act = "relu"
//! layers = [{ kind = "conv", out = 16, kernel = 3, pad = 1 }, { kind = "batch-norm" }]
//!
//! [[block]]
//! name = "b1"
//! act = "relu"
//! layers = [{ kind = "noise-map", out = 16 }, { kind = "batch-norm" }]
//! shortcut = []                       # the identity; or layers of its own
//!
//! [[block]]
//! name = "out"                        # the last one ends in a softmax over the classes
//! layers = [{ kind = "global-mean" }, { kind = "dense" }]
//! ```

use super::error::{Result, SpecError};
use super::noise::NOISES;
use super::read::line_of;
use reclra::models::Plan;
use reclra::{BlockSpec, LayerSpec, Noise, Phi, Window, phi};
use reclra_data::files;
use reclra_data::hint::did_you_mean;
use toml::{Table, Value};

/// Reads the blocks of a model file; `plan` gives the classes, and what layers leave open.
///
/// # Errors
/// Names the line, block, layer or key that is wrong.
pub(super) fn blocks(text: &str, plan: &Plan) -> Result<Vec<BlockSpec>> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| {
        let what = e.message().lines().next().unwrap_or("not TOML").to_owned();
        SpecError::Syntax { origin: "net.layers".to_owned(), line: line_of(text, &e), what }
    })?;
    let mut top = Fields::new(&table, "the model".to_owned());
    let list = top.list("block")?.unwrap_or_default();
    top.done()?;
    if list.is_empty() {
        return Err(top.bad("needs at least one [[block]]"));
    }
    let last = list.len() - 1;
    list.iter().enumerate().map(|(n, b)| block(b, n, n == last, plan)).collect()
}

fn block(value: &Value, n: usize, last: bool, plan: &Plan) -> Result<BlockSpec> {
    let mut f = Fields::of(value, format!("block {}", n + 1))?;
    let name = f.text("name")?.unwrap_or_else(|| if last { "out".to_owned() } else { format!("b{}", n + 1) });
    f.place = format!("block {name}");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(f.bad("must be named by letters, digits, - and _"));
    }
    let act = f.text("act")?;
    let phi = match act {
        Some(_) if last => return Err(f.bad("is the output, which ends in a softmax: remove its act")),
        None if last => Phi::Softmax,
        act => activation(&act.unwrap_or_else(|| "relu".to_owned()), &f)?,
    };
    // The head is the last dense layer of the last block's path.
    let layers = |list: Vec<Value>, what: &str, last: bool| -> Result<Vec<LayerSpec>> {
        let dense = |v: &Value| v.get("kind").and_then(Value::as_str) == Some("dense");
        let head = list.iter().rposition(dense).filter(|_| last);
        let one = |(k, v): (usize, &Value)| layer(v, format!("block {name}, {what} {}", k + 1), head == Some(k), plan);
        list.iter().enumerate().map(one).collect()
    };
    let path = layers(f.list("layers")?.unwrap_or_default(), "layer", last)?;
    let shortcut = f.list("shortcut")?.map(|list| layers(list, "shortcut layer", false)).transpose()?;
    f.done()?;
    Ok(BlockSpec { name, path, shortcut, phi })
}

fn activation(name: &str, f: &Fields<'_>) -> Result<Phi> {
    let names: Vec<&str> = phi::KNOWN.iter().map(|k| k.name).collect();
    let unknown = || {
        f.bad(&format!(
            "has the activation {name}, which is none of {}{}",
            names.join(", "),
            did_you_mean(name, &names)
        ))
    };
    phi::by_name(name).ok_or_else(unknown)
}

fn layer(value: &Value, place: String, head: bool, plan: &Plan) -> Result<LayerSpec> {
    let mut f = Fields::of(value, place)?;
    let kinds: Vec<&str> = reclra::layers::KNOWN.iter().map(|k| k.0).collect();
    let Some(kind) = f.text("kind")? else {
        return Err(f.bad(&format!("needs a kind: one of {}", kinds.join(", "))));
    };
    f.place = format!("{} ({kind})", f.place);
    let spec = match kind.as_str() {
        "conv" => {
            let (out, window) = (f.required("out")?, f.window(1)?);
            let (groups, bias) = (f.count("groups")?.unwrap_or(1), f.flag("bias")?.unwrap_or(false));
            LayerSpec::Conv { out, window, groups, bias, gain: f.number("gain")?.unwrap_or(1.0) * plan.gain }
        }
        "noise-map" => {
            let (out, noise) = (f.required("out")?, f.noise(plan)?);
            LayerSpec::NoiseMap { out, noise, gain: f.number("gain")?.unwrap_or(1.0) * plan.gain }
        }
        "noise" => LayerSpec::Noise(f.noise(plan)?),
        "batch-norm" => LayerSpec::BatchNorm {
            epsilon: f.number("epsilon")?.unwrap_or(1e-5),
            momentum: f.number("momentum")?.unwrap_or(0.1),
        },
        "act" => {
            let name = f.text("phi")?.unwrap_or_else(|| "relu".to_owned());
            LayerSpec::Act(activation(&name, &f)?)
        }
        "max-pool" => LayerSpec::MaxPool(f.pool()?),
        "mean-pool" => LayerSpec::MeanPool(f.pool()?),
        "global-mean" => LayerSpec::GlobalMean,
        "pad" => LayerSpec::Pad(f.required("by")?),
        "flatten" => LayerSpec::Flatten,
        "dropout" => LayerSpec::Dropout(f.number("share")?.unwrap_or(0.5)),
        "dense" => {
            // The last one has the classes for units.
            let out = f.count("out")?.unwrap_or(if head { plan.classes } else { 0 });
            let own = if head { plan.head_gain } else { plan.gain * 2.0_f64.sqrt() };
            let bias = f.flag("bias")?.unwrap_or(true);
            LayerSpec::Dense { out, bias, gain: f.number("gain")?.unwrap_or(1.0) * own }
        }
        _ => {
            return Err(f.bad(&format!(
                "is of no kind there is{}; kinds are {}",
                did_you_mean(&kind, &kinds),
                kinds.join(", ")
            )));
        }
    };
    f.done()?;
    Ok(spec)
}

/// The fields of a table, each taken once; what is left over is a mistake.
struct Fields<'a> {
    table: &'a Table,
    asked: Vec<&'static str>,
    place: String,
}

impl<'a> Fields<'a> {
    fn new(table: &'a Table, place: String) -> Self {
        Fields { table, asked: Vec::new(), place }
    }

    fn of(value: &'a Value, place: String) -> Result<Self> {
        let table = value.as_table();
        let wrong =
            || Fields::new(&Table::new(), place.clone()).bad("must be a table, { kind = \"conv\", out = 16 } say");
        Ok(Fields::new(table.ok_or_else(wrong)?, place.clone()))
    }

    fn bad(&self, want: &str) -> SpecError {
        // Names are the user's, and may hold what breaks a line.
        let plain = |text: &str| files::one_line(text).into_owned();
        SpecError::Value { key: "net.layers".to_owned(), value: plain(&self.place), want: plain(want) }
    }

    fn take<T>(&mut self, name: &'static str, want: &str, from: impl Fn(&Value) -> Option<T>) -> Result<Option<T>> {
        self.asked.push(name);
        let wrong = |v: &Value| self.bad(&format!("has {name} = {v}, which must be {want}"));
        self.table.get(name).map(|v| from(v).ok_or_else(|| wrong(v))).transpose()
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        self.take(name, "text in quotes", |v| v.as_str().map(str::to_owned))
    }

    fn list(&mut self, name: &'static str) -> Result<Option<Vec<Value>>> {
        self.take(name, "a list", |v| v.as_array().cloned())
    }

    fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        self.take(name, "true or false", Value::as_bool)
    }

    fn count(&mut self, name: &'static str) -> Result<Option<usize>> {
        let whole = |v: &Value| v.as_integer().and_then(|i| usize::try_from(i).ok()).filter(|&n| n <= 1 << 20);
        self.take(name, "a whole number from 0 to 1048576", whole)
    }

    fn required(&mut self, name: &'static str) -> Result<usize> {
        let given = self.count(name)?;
        given.ok_or_else(|| match self.table.keys().find(|k| !did_you_mean(k, &[name]).is_empty()) {
            Some(typed) => self.bad(&format!("has the unknown key `{typed}`, did you mean `{name}`?")),
            None => self.bad(&format!("needs {name}")),
        })
    }

    fn number(&mut self, name: &'static str) -> Result<Option<f64>> {
        let number = |v: &Value| v.as_float().or(v.as_integer().map(|i| i as f64)).filter(|x| x.is_finite());
        self.take(name, "a finite number", number)
    }

    /// One number for both directions, or [down, across].
    fn pair(&mut self, name: &'static str) -> Result<Option<[usize; 2]>> {
        let one = |v: &Value| v.as_integer().and_then(|i| usize::try_from(i).ok()).filter(|&n| n <= 1 << 16);
        self.take(name, "a whole number or two of them, [down, across]", |v| match v.as_array().map(Vec::as_slice) {
            Some([a, b]) => Some([one(a)?, one(b)?]),
            Some(_) => None,
            None => one(v).map(|n| [n; 2]),
        })
    }

    fn window(&mut self, stride: usize) -> Result<Window> {
        let Some(kernel) = self.pair("kernel")? else { return Err(self.bad("needs a kernel")) };
        Ok(Window {
            kernel,
            stride: self.pair("stride")?.unwrap_or([stride; 2]),
            pad: self.pair("pad")?.unwrap_or([0; 2]),
            dilation: self.pair("dilation")?.unwrap_or([1; 2]),
        })
    }

    /// The window of a pool, as far apart as it is wide unless told.
    fn pool(&mut self) -> Result<Window> {
        let mut window = self.window(1)?;
        if !self.table.contains_key("stride") {
            window.stride = window.kernel;
        }
        Ok(window)
    }

    fn noise(&mut self, plan: &Plan) -> Result<Noise> {
        let own = match plan.noise {
            Noise::Gaussian(level) | Noise::Uniform(level) => level,
            Noise::None => 0.1,
        };
        let (kind, level) = (self.text("noise")?, self.number("level")?.unwrap_or(own));
        let Some(kind) = kind else {
            return Ok(match plan.noise {
                Noise::Gaussian(_) => Noise::Gaussian(level),
                Noise::Uniform(_) => Noise::Uniform(level),
                Noise::None => Noise::None,
            });
        };
        let known = NOISES.iter().find(|k| k.0 == kind);
        let names = || NOISES.iter().map(|k| k.0).collect::<Vec<_>>().join(", ");
        known.map(|k| (k.1)(level)).ok_or_else(|| self.bad(&format!("has a noise that is none of {}", names())))
    }

    fn done(&self) -> Result<()> {
        let Some(extra) = self.table.keys().find(|k| !self.asked.contains(&k.as_str())) else { return Ok(()) };
        let hint = did_you_mean(extra, &self.asked);
        Err(self.bad(&format!("has the unknown key `{extra}`{hint}; it may have {}", self.asked.join(", "))))
    }
}
