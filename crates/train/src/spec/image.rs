//! Image networks in a spec: models by name, models of the user's own, and the settings of rec-LRA on blocks.

use super::error::{Result, SpecError};
use super::layers;
use super::nets::{ImageNet, NetSpec};
use super::noise::NOISES;
use super::read::Reader;
use super::wiring::{listed, mismatch};
use reclra::block::Stage;
use reclra::rule::Rule;
use reclra::rules::blocks::{BlockWiring, Inner, MapPlasticity, MapSynapse, Message, RecLraBlocks, RecLraBlocksConfig};
use reclra::{BlockSpec, Extent, Graph, Noise, Phi, models};
use reclra_data::DataFacts;
use toml::Value;

/// Level of the noise unless told.
const LEVEL: f64 = 0.1;

/// The wirings by name, of a gap and a list of error synapses.
type Lay = fn(usize, Vec<(String, String)>) -> BlockWiring;
const WIRINGS: &[(&str, Lay)] = &[
    ("skip", |_, _| BlockWiring::Skip),
    ("layer", |_, _| BlockWiring::Layer),
    ("gap", |gap, _| BlockWiring::Gap(gap)),
    ("list", |_, list| BlockWiring::List(list)),
];

const INNER: &[(&str, Inner)] =
    &[("backprop", Inner::Backprop), ("rec-lra", Inner::RecLra), ("hebbian", Inner::Hebbian)];

/// A form of skip-error synapses, of a grid and a rank.
type Form = fn(usize, usize) -> MapSynapse;

/// The forms of skip-error synapses by name.
const FORMS: &[(&str, Form)] = &[
    ("channel", |_, _| MapSynapse::Channel),
    ("grid", |grid, _| MapSynapse::Grid(grid)),
    ("full", |_, _| MapSynapse::Full),
    ("low-rank", |_, rank| MapSynapse::LowRank(rank)),
    ("seeded", |_, _| MapSynapse::Seeded),
];

const PLASTICITIES: &[(&str, MapPlasticity)] =
    &[("mirror", MapPlasticity::Mirror), ("readout", MapPlasticity::Readout), ("fixed", MapPlasticity::Fixed)];

const MESSAGES: &[(&str, Message)] =
    &[("output", Message::Output), ("readout", Message::Readout), ("both", Message::Both)];

/// Whether the stem counts as part of the block above it.
const STEMS: &[(&str, bool)] = &[("own", false), ("inside", true)];

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
    names.extend(models::KNOWN.iter().map(|k| k.name));
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
    let kind = r.pick("net.noise", "gaussian", NOISES)?;
    let noise = kind(level);
    let init = r.choice("net.init", "he", &["he", "gaussian"])?;
    // Small weights and a head of zeros let error synapses that mirror W from zero catch up with it (method section 7b).
    let layered = ["", "rec-lra"].contains(&rule) && ["layer", "gap", "list"].contains(&wiring);
    let gain = match (layered, inner) {
        // Nothing normalises what its convolutions make.
        _ if model == "lenet" => 1.0,
        (true, _) => 0.05,
        (false, "rec-lra") if ["", "rec-lra"].contains(&rule) => 0.2,
        _ => 1.0,
    };
    let (usual, usual_head) = (gain, if layered { 0.0 } else { 1.0 });
    let gain = r.number("net.gain", usual)?;
    let head_gain = r.number("net.head_gain", usual_head)?;
    let plan = models::Plan { input, classes: facts.classes(), width, noise, gain, head_gain };
    let blocks_of = |plan: &models::Plan| -> Result<Vec<BlockSpec>> {
        let blocks = if model == CUSTOM {
            layers::blocks(&text, plan)?
        } else {
            models::by_name(&model, plan)?.unwrap_or_default()
        };
        Ok(if init == "gaussian" { models::unit_gaussian(input, blocks)? } else { blocks })
    };
    let blocks = blocks_of(&plan)?;
    // What can be left out without any layer becoming another one is read by none.
    let other = |plan: models::Plan| Ok::<_, SpecError>(blocks_of(&plan)? != blocks);
    let matters = |noise: Noise| other(models::Plan { noise, ..plan });
    let by = "noise maps that leave it open only, which this model lacks; choose net.model = \"noise-resnet8\", say,";
    r.unread("net.noise", "gaussian", matters(Noise::Gaussian(level))?, by)?;
    let by = "noise maps that leave it open only, which this model lacks; choose another net.model or net.noise";
    r.unread("net.level", LEVEL, matters(kind(LEVEL))?, by)?;
    let by = "layers with weights below the last dense layer only, which this model lacks; choose another net.model";
    r.unread("net.gain", usual, other(models::Plan { gain: gain + 1.0, ..plan })?, by)?;
    let by = "a dense layer at the end only, which this model lacks; choose another net.model";
    r.unread("net.head_gain", usual_head, other(models::Plan { head_gain: head_gain + 1.0, ..plan })?, by)?;
    let graph = Graph::of_blocks(input, blocks.clone())?;
    let (ends, classes) = (graph.regions()[graph.output()].width, facts.classes());
    if ends != classes {
        let want =
            format!("ends in {ends} units, and {} has {classes} classes; leave out the last layer's `out`", facts.name);
        return Err(SpecError::bad("net.layers", &Value::String(model), want));
    }
    let widths = vec![facts.pixels(), facts.classes()];
    let image = Some(ImageNet { model, blocks, input });
    Ok(NetSpec { image, widths, act: Phi::Relu, residual: None, bias: true, w_std: 0.0 })
}

/// Refuses batches of which a batch norm in training sees one value a channel: there is no variance, and nothing is learned below.
pub(super) fn normalisable(graph: &Graph, batch: usize, trained: usize) -> Result<()> {
    let last = trained % batch;
    if batch > 1 && last != 1 {
        return Ok(());
    }
    let stages =
        graph.regions().iter().flat_map(|r| r.inside.iter().flat_map(move |b| b.stages().map(move |s| (r, s))));
    let alone = |s: &Stage| s.layer.removes_offsets() && s.layer.from().places() == 1;
    let Some((region, stage)) = stages.into_iter().find(|(_, s)| alone(s)) else { return Ok(()) };
    let norm = format!("the batch norm {}.{}, whose maps are 1x1", region.name, stage.name);
    let want = if batch == 1 {
        format!("is not more than one value per channel for {norm}; set train.batch to 2 or more")
    } else {
        format!(
            "leaves one of the {trained} training images for the last batch of an epoch, which is not more than one value per \
             channel for {norm}; choose another train.batch or data.validation"
        )
    };
    Err(SpecError::bad("train.batch", &Value::Integer(batch as i64), want))
}

pub(super) fn rec_lra(r: &mut Reader<'_>, image: &ImageNet) -> Result<RecLraBlocksConfig> {
    let lay = r.pick("rule.wiring", "skip", WIRINGS)?;
    let gap = r.positive("rule.gap", 2)? as usize;
    let kind = lay(gap, Vec::new());
    let (layered, is_list) = (kind != BlockWiring::Skip, matches!(kind, BlockWiring::List(_)));
    let is_gap = matches!(kind, BlockWiring::Gap(_));
    r.unread("rule.gap", 2, is_gap, "the wiring gap only; set rule.wiring = \"gap\"")?;
    let wiring = lay(gap, listed(r, is_list, is_list)?);
    // What was found best (docs/results/cifar10-skip.md); specs written before these keys say by their silence what was then.
    let tuned = !layered && !r.kept();
    let stem_inside = r.pick("rule.stem", if tuned { "inside" } else { "own" }, STEMS)?;
    r.unread("rule.stem", "own", !layered, "the wiring skip only; set rule.wiring = \"skip\"")?;
    let inner = r.pick("rule.inner", "backprop", INNER)?;
    let (grid, rank) = (r.positive("rule.grid", 2)? as usize, r.positive("rule.rank", 4)? as usize);
    let synapse = r.pick("rule.synapse", "channel", FORMS)?(grid, rank);
    let (is_grid, is_low) = (matches!(synapse, MapSynapse::Grid(_)), matches!(synapse, MapSynapse::LowRank(_)));
    r.unread("rule.grid", 2, is_grid, "the form grid only; set rule.synapse = \"grid\"")?;
    r.unread("rule.rank", 4, is_low, "the form low-rank only; set rule.synapse = \"low-rank\"")?;
    let learned = if layered || is_low { "mirror" } else { "readout" };
    let plasticity = r.pick("rule.plasticity", learned, PLASTICITIES)?;
    let twins_learn = plasticity != MapPlasticity::Fixed;
    // A readout of its own has a block only if that is what it learns.
    let read = plasticity == MapPlasticity::Readout && synapse != MapSynapse::Seeded;
    let message = r.pick("rule.message", if tuned && read { "both" } else { "output" }, MESSAGES)?;
    let beta = r.number("rule.beta", 0.01)?;
    let rate = r.number("rule.e_rate", 1.0)?;
    // What mirrors W may start at zero; what never learns must not.
    let fixed = !twins_learn || synapse == MapSynapse::Seeded;
    r.unread("rule.e_rate", 1.0, !fixed, "error synapses that learn only; set rule.plasticity = \"mirror\"")?;
    let std = r.number("rule.e_std", if layered && !fixed { 0.0 } else { 0.1 })?;
    let still = if twins_learn { 0.0 } else { 1.0 };
    let twin_std = r.number("rule.twin_std", still)?;
    let mismatch = mismatch(r)?;
    let config = RecLraBlocksConfig {
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
    };
    let graph = Graph::of_blocks(image.input, image.blocks.clone())?;
    let drawn = |twin_std: f64| -> Result<_> {
        Ok(RecLraBlocks::new(RecLraBlocksConfig { twin_std, ..config.clone() }, &graph)?.params(&graph))
    };
    let by = "error synapses of an operation's shape only, which these settings have none of; set rule.wiring = \"layer\" or \
              rule.inner = \"rec-lra\"";
    r.unread("rule.twin_std", still, drawn(0.5)? != drawn(1.0)?, by)?;
    Ok(config)
}
