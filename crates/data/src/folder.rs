//! Image folders: pictures of the user's own. Small ones whose pictures all have one size are decoded once and kept in
//! memory; of others each picture is decoded when it is asked for.

use super::dataset::Dataset;
use super::entry::IMAGE_FOLDER;
use super::error::{DataError, Result};
use super::memory::{Labelled, MemoryImages, scale_to};
use super::opening::Opening;
use super::photos::{At, Photos, bear, label, path, rgb, told};
use super::shape::ImageShape;
use super::tree::Tree;
use super::tree::names::{PARTS, bad};
use rayon::prelude::*;
use reclra_compute::rng::Key;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// So many broken pictures are always borne, unless none is.
const BEARABLE: f64 = 10.0;
/// Validation samples drawn from a large training part.
const VALIDATION: usize = 10_000;
/// Seed of the test part that is drawn where there is none: the same for all runs.
const DRAWN: u64 = 0x001a_9e5f;

/// The archives of an image folder, or its pictures one by one.
pub(super) fn sources(dir: Option<&Path>) -> Result<Vec<PathBuf>> {
    let tree = Tree::read(named(dir)?)?;
    let archives = tree.archives();
    if !archives.is_empty() {
        return Ok(archives);
    }
    let items = |n: u8| tree.parts[usize::from(n)].as_ref().map_or(0, |b| b.items.len() as u32);
    let all = (0..3_u8).flat_map(|n| (0..items(n)).map(move |i| (n, i)));
    Ok(all.map(|at| path(&tree, at)).collect())
}

fn named(dir: Option<&Path>) -> Result<&Path> {
    dir.ok_or_else(|| DataError::Setting {
        key: "data.dir",
        value: "\"\"".to_owned(),
        want: "name the folder or tar file of the pictures with --data-dir".to_owned(),
    })
}

/// Opens an image folder, or tar files of that layout.
///
/// # Errors
/// Names the folder or picture that is wrong, and the remedy.
pub(super) fn open(dir: Option<&Path>, opening: &Opening) -> Result<Arc<dyn Dataset>> {
    let tree = Tree::read(named(dir)?)?;
    if let [class] = tree.classes.as_slice() {
        let pictures = tree.parts[0].as_ref().map_or(0, |b| b.items.len());
        let what =
            format!("has one class in {}, `{class}` ({pictures} pictures), and at least two are needed", PARTS[0]);
        return Err(bad(&tree.root, what, "put the pictures of each class into a folder of its own, train/CLASS/"));
    }
    let (parts, stored, mut notes) = divide(&tree);
    notes.extend(tree.notes.iter().cloned());
    let all = parts[0].len() + parts[1].len();
    let bearable = if opening.broken > 0.0 { (opening.broken * all as f64).max(BEARABLE) as usize } else { 0 };
    let (first, mut broken) = first_size(&tree, &parts)?;
    let size = opening.size;
    let own = ImageShape { channels: 3, height: first.0, width: first.1 };
    let small = all.saturating_mul(own.len()) <= opening.memory << 20;
    let validation = if stored > 0 { stored } else { VALIDATION.min(parts[0].len() / 10) };
    // No sample is taken out: which ones validate, and what a batch holds, is the same whatever fits into the memory.
    if small && (size == 0 || first == (size, size)) {
        match decoded(&tree, &parts, own)? {
            Decoded::All(images, more) => {
                broken.extend(more);
                bear(&tree, &broken, bearable, (all, true))?;
                if !broken.is_empty() {
                    notes.push(told(&tree, &broken));
                }
                let of_part = |list: &Vec<At>| {
                    let one = |(i, at)| broken.get(at).map(|why: &String| (i as u32, (path(&tree, *at), why.clone())));
                    list.iter().enumerate().filter_map(one).collect()
                };
                let gone = [of_part(&parts[0]), of_part(&parts[1])];
                let mut images = MemoryImages::new(IMAGE_FOLDER, own, tree.classes.clone(), 255, images, validation);
                (images.stored, images.notes, images.broken) = (stored, notes, gone);
                return Ok(Arc::new(images));
            }
            Decoded::Differs(at, (height, width)) if size == 0 => {
                let what = format!("is {width}x{height}, others are {}x{}", first.1, first.0);
                return Err(bad(&path(&tree, at), what, "set data.size = 224, say, to bring all to one size"));
            }
            Decoded::Differs(..) => {}
        }
    }
    bear(&tree, &broken, bearable, (all, false))?;
    let shape = if size == 0 { own } else { ImageShape { channels: 3, height: size, width: size } };
    let broken = Mutex::new(broken);
    let scale = scale_to(255);
    Ok(Arc::new(Photos { tree, shape, sized: size > 0, parts, stored, validation, bearable, broken, notes, scale }))
}

/// Training part and test part, how many at the end of the former were published for validation, and what was done.
fn divide(tree: &Tree) -> ([Vec<At>; 2], usize, Vec<String>) {
    let all = |n: u8| -> Vec<At> {
        let count = tree.parts[usize::from(n)].as_ref().map_or(0, |b| b.items.len() as u32);
        (0..count).map(|i| (n, i)).collect()
    };
    let [train, val, test] = [0, 1, 2].map(all);
    let name = |n: usize| tree.parts[n].as_ref().map_or("", |b| b.name.as_str());
    match (val.is_empty(), test.is_empty()) {
        (false, false) => {
            let stored = val.len();
            let note = format!("validation images are those of {}, test images those of {}", name(1), name(2));
            ([[train, val].concat(), test], stored, vec![note])
        }
        (false, true) => {
            let note = format!(
                "there is no test folder: test images are those of {}, validation images are drawn from train",
                name(1)
            );
            ([train, val], 0, vec![note])
        }
        (true, false) => ([train, test], 0, Vec::new()),
        (true, true) => {
            let mut parts = [Vec::new(), Vec::new()];
            for class in 0..tree.classes.len() as u32 {
                let members: Vec<At> = train.iter().copied().filter(|&at| label(tree, at) == class).collect();
                let tested = (members.len() + 2) / 5;
                let order = Key::new(DRAWN).child(u64::from(class)).permutation(members.len());
                order.iter().enumerate().for_each(|(n, &m)| parts[usize::from(n < tested)].push(members[m as usize]));
            }
            parts.iter_mut().for_each(|p| p.sort_unstable());
            let note = if name(0).is_empty() {
                "there is no train folder, so the folders are the classes: a fifth of each class is set aside as test images"
            } else {
                "no val or test has class folders: a fifth of each class of train is set aside as test images"
            };
            (parts, 0, vec![note.to_owned()])
        }
    }
}

/// Height and width of the first picture that can be decoded, and those before it that cannot.
fn first_size(tree: &Tree, parts: &[Vec<At>; 2]) -> Result<((usize, usize), BTreeMap<At, String>)> {
    let mut broken = BTreeMap::new();
    for &at in parts.iter().flatten() {
        match rgb(tree, at) {
            Ok(picture) => return Ok(((picture.height() as usize, picture.width() as usize), broken)),
            Err(why) => broken.insert(at, why),
        };
    }
    let what = format!("{} has no picture that can be decoded", PARTS[0]);
    Err(bad(&tree.root, what, "put JPEG, PNG, BMP or PNM pictures there"))
}

/// Why a picture is not like the others: it is broken, or of another height and width.
type Odd = Result<String, (usize, usize)>;

/// What came of decoding all pictures.
enum Decoded {
    /// The bytes of both parts, and the pictures that are broken.
    All([Labelled; 2], BTreeMap<At, String>),
    /// A picture has another height and width.
    Differs(At, (usize, usize)),
}

/// Decodes all pictures, as long as they have that shape.
fn decoded(tree: &Tree, parts: &[Vec<At>; 2], shape: ImageShape) -> Result<Decoded> {
    let (n, plane) = (shape.len(), shape.height * shape.width);
    let mut broken = BTreeMap::new();
    let mut done = [Labelled::default(), Labelled::default()];
    for (part, list) in done.iter_mut().zip(parts) {
        part.pixels = vec![0; list.len() * n];
        // The first picture that differs: those after it need not be decoded, those before it do, so that it is the same
        // one every time.
        let differs = AtomicUsize::new(usize::MAX);
        let one = |(i, (&at, out)): (usize, (&At, &mut [u8]))| {
            if i > differs.load(Ordering::Relaxed) {
                return None;
            }
            match rgb(tree, at) {
                Ok(p) if (p.height() as usize, p.width() as usize) == (shape.height, shape.width) => {
                    for (at, pixel) in p.as_raw().chunks_exact(3).enumerate() {
                        (0..3).for_each(|c| out[c * plane + at] = pixel[c]);
                    }
                    None
                }
                Ok(p) => {
                    differs.fetch_min(i, Ordering::Relaxed);
                    Some((i, Err((p.height() as usize, p.width() as usize))))
                }
                Err(why) => Some((i, Ok(why))),
            }
        };
        let rows = list.par_iter().zip(part.pixels.par_chunks_exact_mut(n)).enumerate();
        let mut odd: Vec<(usize, Odd)> = rows.filter_map(one).collect();
        odd.sort_by_key(|(i, _)| *i);
        if let Some((i, Err(size))) = odd.iter().find(|(_, what)| what.is_err()) {
            return Ok(Decoded::Differs(list[*i], *size));
        }
        broken.extend(odd.into_iter().filter_map(|(i, why)| why.ok().map(|w| (list[i], w))));
        part.labels = list.iter().map(|&at| label(tree, at) as u16).collect();
    }
    Ok(Decoded::All(done, broken))
}

#[cfg(test)]
mod tests;
