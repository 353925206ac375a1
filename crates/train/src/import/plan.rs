//! Which tensor of a file becomes which parameter: as a map says, by our own names, or by the numbers of layers.

use super::{NameMap, Wanted, nearest};
use crate::files::FileError;
use crate::model::AVERAGE;
use reclra::rule::Param;
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

/// One link for each wanted parameter, in their order. `ours` says that the file is a saved model of ours, which holds more
/// than W and b; of any other file every tensor must be used.
///
/// # Errors
/// Names what is missing, unused or unknown.
pub(super) fn plan(
    path: &Path,
    names: &[&str],
    map: Option<&NameMap>,
    wanted: &[Wanted],
    ours: bool,
) -> Result<Vec<Link>, FileError> {
    let there = |name: &str| names.binary_search(&name).is_ok();
    let (links, ignore) = match map {
        Some(map) => (mapped(map, wanted)?, &map.ignore[..]),
        None if ours => {
            let averaged = names.iter().any(|n| n.starts_with(AVERAGE));
            let prefix = if averaged { AVERAGE } else { "" };
            return Ok(wanted.iter().map(|w| straight(format!("{prefix}{}", w.name))).collect());
        }
        None if wanted.iter().any(|w| there(&w.name)) => {
            (wanted.iter().map(|w| straight(w.name.clone())).collect(), &[][..])
        }
        None => (numbered(path, names, wanted)?, &[][..]),
    };
    // What the file lacks is said where it is read; it tells more than what is left over.
    if links.iter().all(|l| there(&l.from)) {
        all_used(path, names, &links, ignore, map, ours)?;
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
        if entry.transpose && !matches!(w.param, Param::Weight { .. }) {
            return Err(bad(format!("{} is no matrix", w.name), "remove its transpose"));
        }
        Ok(Link { from: entry.name.clone(), transpose: entry.transpose })
    };
    wanted.iter().map(link).collect()
}

/// Links by number, for names such as `0.weight`, `0.bias`, `2.weight`: one layer after the other.
fn numbered(path: &Path, names: &[&str], wanted: &[Wanted]) -> Result<Vec<Link>, FileError> {
    let bad = |what: String, remedy| FileError { path: path.to_owned(), what, remedy };
    let unclear = |name: &str| {
        let what = format!("the name {name} does not say which layer it is of");
        bad(what, "write a map of names and give it with --map")
    };
    // By the number before `weight` or `bias`: that layer's tensors; what stands around the number is common to all.
    let (mut layers, mut around) = (BTreeMap::<u64, [Option<&str>; 2]>::new(), BTreeSet::new());
    for &name in names {
        let (stem, kind) = name.rsplit_once('.').ok_or_else(|| unclear(name))?;
        let kind = ["weight", "bias"].iter().position(|k| *k == kind).ok_or_else(|| unclear(name))?;
        let (before, number, after) = split_number(stem).ok_or_else(|| unclear(name))?;
        around.insert((before, after));
        let slot = &mut layers.entry(number).or_default()[kind];
        if around.len() > 1 || slot.replace(name).is_some() {
            return Err(unclear(name));
        }
    }
    let weights: Vec<&Wanted> = wanted.iter().filter(|w| matches!(w.param, Param::Weight { .. })).collect();
    if layers.len() != weights.len() {
        let what = format!("holds {} layers where the network has {}", layers.len(), weights.len());
        return Err(bad(what, "set --arch to fit the weights, or give a --map"));
    }
    let biased = wanted.len() > weights.len();
    let mut links = Vec::new();
    for (number, [weight, bias]) in &layers {
        let weight = weight.ok_or_else(|| bad(format!("layer {number} has no weight"), "give a --map"))?;
        links.push(straight(weight.to_owned()));
        match (bias, biased) {
            (Some(bias), true) => links.push(straight((*bias).to_owned())),
            (None, false) => {}
            (Some(bias), false) => return Err(bad(format!("{bias} is not used"), "set net.bias=true")),
            (None, true) => return Err(bad(format!("layer {number} has no bias"), "set net.bias=false")),
        }
    }
    Ok(links)
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
    ours: bool,
) -> Result<(), FileError> {
    if let (Some(map), Some(name)) = (map, ignore.iter().find(|i| names.binary_search(&i.as_str()).is_err())) {
        let what = format!("ignores {name}, which {} does not hold{}", path.display(), nearest(name, names));
        return Err(FileError { path: map.path.clone(), what, remedy: "remove it from the list" });
    }
    let used = |n: &str| links.iter().any(|l| l.from == n) || ignore.iter().any(|i| i == n);
    match names.iter().find(|n| !used(n)) {
        Some(name) if !ours => {
            let what = format!("the tensor {name} is not used");
            let remedy = "set --arch to fit the weights, or put it under `ignore` in the map";
            Err(FileError { path: path.to_owned(), what, remedy })
        }
        _ => Ok(()),
    }
}
