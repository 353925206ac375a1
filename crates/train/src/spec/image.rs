//! Image networks in a spec: models by name, models of the user's own, and the settings of rec-LRA on blocks.

use super::read::Reader;
use super::{DataFacts, NetSpec, Result, SpecError, layers};
use reclra::rules::blocks::{BlockWiring, Inner, MapPlasticity, MapSynapse, Message, RecLraBlocksConfig};
use reclra::{BlockSpec, Extent, Graph, Noise, models};
use toml::Value;

/// The blocks of an image network.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageNet {
    /// As in `net.model`.
    pub model: String,
    /// The blocks, each on the output of the one before it.
    pub blocks: Vec<BlockSpec>,
    /// Extent of an image.
    pub input: Extent,
}

/// Level of the noise unless told.
const LEVEL: f64 = 0.1;

fn noise(kind: &str, level: f64) -> Noise {
    match kind {
        "uniform" => Noise::Uniform(level),
        "none" => Noise::None,
        _ => Noise::Gaussian(level),
    }
}

/// The name of a model whose blocks the spec holds.
const CUSTOM: &str = "custom";

pub(super) fn net(
    r: &mut Reader<'_>,
    facts: &DataFacts,
    model: &str,
    [rule, wiring, inner]: [&str; 3],
) -> Result<NetSpec> {
    let shape = facts.shape;
    let input = Extent::new(shape.channels, shape.height, shape.width);
    let mut names: Vec<&str> = vec!["mlp", CUSTOM];
    names.extend(models::KNOWN.iter().map(|k| k.0));
    let model = r.choice("net.model", model, &names)?;
    let text = r.text("net.layers", "")?;
    if (model == CUSTOM) == text.is_empty() {
        let want =
            "net.layers holds the blocks of net.model = \"custom\", and of no other; give both or neither".to_owned();
        return Err(SpecError::bad("net.model", &Value::String(model), want));
    }
    let width = r.count("net.width", 0)? as usize;
    if width > 1 << 14 {
        let want = "must be at most 16384 channels".to_owned();
        return Err(SpecError::bad("net.width", &Value::Integer(width as i64), want));
    }
    let by = "models by name only, the layers of your own have widths of their own; choose another net.model";
    r.unread("net.width", 0, model != CUSTOM, by)?;
    let level = r.number("net.level", LEVEL)?;
    let kind = r.choice("net.noise", "gaussian", &["gaussian", "uniform", "none"])?;
    let noise = noise(&kind, level);
    // Small weights and a head of zeros let error synapses that mirror W from zero catch up with it (method section 7b).
    let layered = ["", "rec-lra"].contains(&rule) && ["layer", "gap", "list"].contains(&wiring);
    let gain = match (layered, inner) {
        // Nothing normalises what its convolutions make.
        _ if model == "lenet" => 1.0,
        (true, _) => 0.05,
        (false, "rec-lra") if ["", "rec-lra"].contains(&rule) => 0.2,
        _ => 1.0,
    };
    let gain = r.number("net.gain", gain)?;
    let head_gain = r.number("net.head_gain", if layered { 0.0 } else { 1.0 })?;
    let plan = models::Plan { input, classes: facts.classes(), width, noise, gain, head_gain };
    let blocks_of = |plan: &models::Plan| -> Result<Vec<BlockSpec>> {
        Ok(if model == CUSTOM {
            layers::blocks(&text, plan)?
        } else {
            models::by_name(&model, plan)?.unwrap_or_default()
        })
    };
    let blocks = blocks_of(&plan)?;
    // What can be left out without any layer becoming another one is read by none.
    let matters = |other: Noise| Ok::<_, SpecError>(blocks_of(&models::Plan { noise: other, ..plan })? != blocks);
    let by = "noise maps that leave it open only, which this model lacks; choose net.model = \"noise-resnet8\", say,";
    r.unread("net.noise", "gaussian", matters(self::noise("gaussian", level))?, by)?;
    let by = "noise maps that leave it open only, which this model lacks; choose another net.model or net.noise";
    r.unread("net.level", LEVEL, matters(self::noise(&kind, LEVEL))?, by)?;
    let graph = Graph::of_blocks(input, blocks.clone())?;
    let (ends, classes) = (graph.regions()[graph.output()].width, facts.classes());
    if ends != classes {
        let want =
            format!("ends in {ends} units, and {} has {classes} classes; leave out the last layer's `out`", facts.name);
        return Err(SpecError::bad("net.layers", &Value::String(model), want));
    }
    let widths = vec![facts.pixels(), facts.classes()];
    let image = Some(ImageNet { model, blocks, input });
    Ok(NetSpec { image, widths, act: "relu".to_owned(), residual: None, bias: true, w_std: 0.0 })
}

pub(super) fn rec_lra(r: &mut Reader<'_>) -> Result<RecLraBlocksConfig> {
    let wiring = r.choice("rule.wiring", "skip", &["skip", "layer", "gap", "list"])?;
    let layered = wiring != "skip";
    let gap = r.positive("rule.gap", 2)? as usize;
    r.unread("rule.gap", 2, wiring == "gap", "the wiring gap only; set rule.wiring = \"gap\"")?;
    let synapses = super::rules::listed(r, wiring == "list")?;
    if !synapses.is_empty() && wiring != "list" {
        let want = "is read by the wiring list only; set rule.wiring = \"list\" or remove it".to_owned();
        return Err(SpecError::bad("rule.synapses", &Value::from(synapses), want));
    }
    let wiring = match wiring.as_str() {
        "layer" => BlockWiring::Layer,
        "gap" => BlockWiring::Gap(gap),
        "list" => BlockWiring::List(synapses.iter().map(|s| super::rules::synapse(s)).collect::<Result<_>>()?),
        _ => BlockWiring::Skip,
    };
    // What was found best (docs/results/cifar10-skip.md); specs written before these keys say by their silence what was then.
    let tuned = !layered && !r.kept();
    let stem = r.choice("rule.stem", if tuned { "inside" } else { "own" }, &["own", "inside"])?;
    r.unread("rule.stem", "own", !layered, "the wiring skip only; set rule.wiring = \"skip\"")?;
    let stem_inside = stem == "inside";
    let inner = match r.choice("rule.inner", "backprop", &["backprop", "rec-lra", "hebbian"])?.as_str() {
        "rec-lra" => Inner::RecLra,
        "hebbian" => Inner::Hebbian,
        _ => Inner::Backprop,
    };
    let (grid, rank) = (r.positive("rule.grid", 2)? as usize, r.positive("rule.rank", 4)? as usize);
    let forms = ["channel", "grid", "full", "low-rank", "seeded"];
    let form = r.choice("rule.synapse", "channel", &forms)?;
    r.unread("rule.grid", 2, form == "grid", "the form grid only; set rule.synapse = \"grid\"")?;
    r.unread("rule.rank", 4, form == "low-rank", "the form low-rank only; set rule.synapse = \"low-rank\"")?;
    let synapse = match form.as_str() {
        "grid" => MapSynapse::Grid(grid),
        "full" => MapSynapse::Full,
        "low-rank" => MapSynapse::LowRank(rank),
        "seeded" => MapSynapse::Seeded,
        _ => MapSynapse::Channel,
    };
    let learned = if layered || matches!(synapse, MapSynapse::LowRank(_)) { "mirror" } else { "readout" };
    let plasticity = r.choice("rule.plasticity", learned, &["mirror", "readout", "fixed"])?;
    let twins_learn = plasticity != "fixed";
    let plasticity = match plasticity.as_str() {
        "mirror" => MapPlasticity::Mirror,
        "fixed" => MapPlasticity::Fixed,
        _ => MapPlasticity::Readout,
    };
    // A readout of its own has a block only if that is what it learns.
    let read = plasticity == MapPlasticity::Readout && synapse != MapSynapse::Seeded;
    let message = match r
        .choice("rule.message", if tuned && read { "both" } else { "output" }, &["output", "readout", "both"])?
        .as_str()
    {
        "readout" => Message::Readout,
        "both" => Message::Both,
        _ => Message::Output,
    };
    let beta = r.number("rule.beta", 0.01)?;
    let rate = r.number("rule.e_rate", 1.0)?;
    // What mirrors W may start at zero; what never learns must not.
    let fixed = !twins_learn || synapse == MapSynapse::Seeded;
    let std = r.number("rule.e_std", if layered && !fixed { 0.0 } else { 0.1 })?;
    let twin_std = r.number("rule.twin_std", if twins_learn { 0.0 } else { 1.0 })?;
    let mismatch = super::rules::mismatch(r)?;
    Ok(RecLraBlocksConfig {
        wiring,
        stem_inside,
        inner,
        synapse,
        plasticity,
        message,
        beta,
        std,
        twin_std,
        twins_learn,
        rate,
        mismatch,
    })
}
