//! Which tensor of a file becomes which parameter: as a map says, by our own names, or by the numbers of layers.

use super::map::NameMap;
use super::wanted::{Wanted, nearest};
use crate::model::AVERAGE;
use reclra_data::files::FileError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where a parameter comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Link {
    /// Name of the tensor in the file.
    pub(super) from: String,
    /// Whether the file holds it as n_from x n_to.
    pub(super) transpose: bool,
}

/// What a file of weights is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// Whether it is a saved model of ours, which holds more than W and b; of any other file every tensor must be used.
    pub(super) ours: bool,
    /// Whether it is an export of ours, which also holds how images are prepared.
    pub(super) export: bool,
    /// Whether the network is one of blocks of layers.
    pub(super) images: bool,
}

impl Origin {
    /// Whether a tensor is none of the network's: it counts the batches that a BatchNorm of PyTorch has seen, or prepares images.
    pub(super) fn passes_over(self, name: &str) -> bool {
        name.rsplit('.').next() == Some("num_batches_tracked") || (self.export && name.starts_with("prepare."))
    }
}

/// One link for each wanted parameter, in their order.
///
/// # Errors
/// Names what is missing, unused or unknown.
pub(super) fn plan(
    path: &Path,
    names: &[&str],
    map: Option<&NameMap>,
    wanted: &[Wanted],
    origin: Origin,
) -> Result<Vec<Link>, FileError> {
    let there = |name: &str| names.binary_search(&name).is_ok();
    let (links, ignore) = match map {
        Some(map) => (mapped(map, wanted)?, &map.ignore[..]),
        None if origin.ours => {
            let averaged = names.iter().any(|n| n.starts_with(AVERAGE));
            let prefix = if averaged { AVERAGE } else { "" };
            return Ok(wanted.iter().map(|w| straight(format!("{prefix}{}", w.name))).collect());
        }
        None if wanted.iter().any(|w| there(&w.name)) => {
            (wanted.iter().map(|w| straight(w.name.clone())).collect(), &[][..])
        }
        None => (numbered(path, names, wanted, origin)?, &[][..]),
    };
    // What the file lacks is said where it is read; it tells more than what is left over.
    if links.iter().all(|l| there(&l.from)) {
        all_used(path, names, &links, ignore, map, origin)?;
    }
    Ok(links)
}

fn straight(from: String) -> Link {
    Link { from, transpose: false }
}

/// Links as the map has them.
fn mapped(map: &NameMap, wanted: &[Wanted]) -> Result<Vec<Link>, FileError> {
    let bad = |what: String, remedy| FileError { path: map.path.clone(), what, remedy };
    let known: Vec<&str> = wanted.iter().map(|w| w.name.as_str()).collect();
    if let Some((key, _)) = map.entries.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        let what = format!("{key} is no parameter of the network{}", nearest(key, &known));
        return Err(bad(what, "`reclra inspect` shows its regions: W.from->to and b.region"));
    }
    let mut seen = BTreeSet::new();
    if let Some((key, entry)) = map.entries.iter().find(|(_, e)| !seen.insert(&e.name)) {
        return Err(bad(format!("{} is given twice, to {key} too", entry.name), "give each parameter its own tensor"));
    }
    let link = |w: &Wanted| {
        let entry = map.entries.iter().find(|(key, _)| *key == w.name).map(|(_, entry)| entry);
        let entry = entry.ok_or_else(|| bad(format!("lacks {}", w.name), "map it to a tensor of the weights file"))?;
        if entry.transpose && w.shape.len() != 2 {
            return Err(bad(format!("{} is no matrix", w.name), "remove its transpose"));
        }
        Ok(Link { from: entry.name.clone(), transpose: entry.transpose })
    };
    wanted.iter().map(link).collect()
}

/// What the tensors of a layer are called in PyTorch, and as the last part of names here.
const KINDS: [(&str, &[&str]); 4] = [
    ("weight", &["W", "scale"]),
    ("bias", &["b", "shift"]),
    ("running_mean", &["mean"]),
    ("running_var", &["variance"]),
];

/// Place in [`KINDS`] of a parameter, and the layer it belongs to.
fn layer_of(wanted: &Wanted) -> (&str, usize) {
    match wanted.name.split_once('.').filter(|_| wanted.is_dense) {
        Some(("W", synapse)) => (synapse.rsplit_once("->").map_or("", |n| n.1), 0),
        Some((_, region)) => (region, 1),
        None => {
            let (layer, kind) = wanted.name.rsplit_once('.').unwrap_or(("", &wanted.name));
            (layer, KINDS.iter().position(|k| k.1.contains(&kind)).unwrap_or(0))
        }
    }
}

/// Links by number, for names such as `0.weight`, `0.bias`, `2.weight`: one layer after the other.
fn numbered(path: &Path, names: &[&str], wanted: &[Wanted], origin: Origin) -> Result<Vec<Link>, FileError> {
    let (bad, images) = (|what: String, remedy| FileError { path: path.to_owned(), what, remedy }, origin.images);
    let unclear = |name: &str| {
        let what = format!("the name {name} does not say which layer it is of");
        bad(what, "write a map of names and give it with --map")
    };
    // By the number before `weight` or `bias`: that layer's tensors; what stands around the number is common to all.
    let (mut layers, mut around) = (BTreeMap::<u64, [Option<&str>; 4]>::new(), BTreeSet::new());
    for &name in names.iter().filter(|n| !origin.passes_over(n)) {
        let (stem, kind) = name.rsplit_once('.').ok_or_else(|| unclear(name))?;
        let kind = KINDS.iter().position(|k| k.0 == kind).ok_or_else(|| unclear(name))?;
        let (before, number, after) = split_number(stem).ok_or_else(|| unclear(name))?;
        around.insert((before, after));
        let slot = &mut layers.entry(number).or_default()[kind];
        if around.len() > 1 || slot.replace(name).is_some() {
            return Err(unclear(name));
        }
    }
    let mut ours: Vec<&str> = wanted.iter().map(|w| layer_of(w).0).collect();
    ours.dedup();
    if layers.len() != ours.len() {
        let what = format!("holds {} layers where the network has {}", layers.len(), ours.len());
        let remedy = match images {
            true => "set --model to fit the weights, or give a --map",
            false => "set --arch to fit the weights, or give a --map",
        };
        return Err(bad(what, remedy));
    }
    if let Some(w) = wanted.iter().find(|w| w.name.contains(".shortcut.")) {
        let what = format!("the numbers of layers do not say which one is {}, beside its path", w.name);
        return Err(bad(what, "write a map of names and give it with --map"));
    }
    let number_of: BTreeMap<&str, u64> = ours.into_iter().zip(layers.keys().copied()).collect();
    let mut links = Vec::new();
    for want in wanted {
        let (layer, kind) = layer_of(want);
        let number = number_of[layer];
        let found = layers.get_mut(&number).and_then(|l| l[kind].take()).ok_or_else(|| {
            let what = format!("layer {number} has no {}, which is to be {}", KINDS[kind].0, want.name);
            bad(what, if kind == 1 && !images { "set net.bias=false" } else { "give a --map" })
        })?;
        links.push(straight(found.to_owned()));
    }
    let Some(extra) = layers.values().flatten().flatten().next() else { return Ok(links) };
    let remedy = match images {
        true => "set --model to fit the weights, or give a --map",
        false if extra.ends_with(".bias") => "set net.bias=true",
        false => "set --arch to fit the weights, or give a --map",
    };
    Err(bad(format!("{extra} is not used"), remedy))
}

/// `net.12.linear` as (`net.`, 12, `.linear`): the last number and what stands around it.
fn split_number(stem: &str) -> Option<(&str, u64, &str)> {
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let begin = stem[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |i| i + 1);
    // Past a character of several bytes that ends before the number.
    let begin = (begin..end).find(|&i| stem.is_char_boundary(i))?;
    Some((&stem[..begin], stem[begin..end].parse().ok()?, &stem[end..]))
}

fn all_used(
    path: &Path,
    names: &[&str],
    links: &[Link],
    ignore: &[String],
    map: Option<&NameMap>,
    origin: Origin,
) -> Result<(), FileError> {
    if let (Some(map), Some(name)) = (map, ignore.iter().find(|i| names.binary_search(&i.as_str()).is_err())) {
        let what = format!("ignores {name}, which {} does not hold{}", path.display(), nearest(name, names));
        return Err(FileError { path: map.path.clone(), what, remedy: "remove it from the list" });
    }
    let used = |n: &str| links.iter().any(|l| l.from == n) || ignore.iter().any(|i| i == n) || origin.passes_over(n);
    match names.iter().find(|n| !used(n)) {
        Some(name) if !origin.ours => {
            let what = format!("the tensor {name} is not used");
            let remedy = match origin.images {
                true => "set --model to fit the weights, or put it under `ignore` in the map",
                false => "set --arch to fit the weights, or put it under `ignore` in the map",
            };
            Err(FileError { path: path.to_owned(), what, remedy })
        }
        _ => Ok(()),
    }
}
