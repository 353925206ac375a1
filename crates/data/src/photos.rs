//! Pictures that are decoded when they are asked for: more than memory holds, or of many sizes.

use super::dataset::Dataset;
use super::decode;
use super::error::{DataError, Result};
use super::moments::Moments;
use super::shape::{ImageShape, Part};
use super::tree::Tree;
use super::tree::names::bad;
use super::view::{Source, Window, Zoom, show};
use image::RgbImage;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

/// Pictures named in a message; of the others the number is said.
const NAMED: usize = 3;

/// Where a picture is: the part of the tree, and the place in it.
pub(super) type At = (u8, u32);

/// The pictures of a tree, decoded one by one.
#[derive(Debug)]
pub(super) struct Photos {
    pub(super) tree: Tree,
    pub(super) shape: ImageShape,
    /// Whether a picture is brought to the shape; else it must have it.
    pub(super) sized: bool,
    /// Training part, test part.
    pub(super) parts: [Vec<At>; 2],
    /// Samples at the end of the training part that were published for validation.
    pub(super) stored: usize,
    pub(super) validation: usize,
    /// How many pictures may be broken.
    pub(super) bearable: usize,
    /// Those that are, and why.
    pub(super) broken: Mutex<BTreeMap<At, String>>,
    pub(super) notes: Vec<String>,
    /// Each byte as a pixel.
    pub(super) scale: Box<[f32; 256]>,
}

/// The name of a picture for messages.
pub(super) fn path(tree: &Tree, (part, place): At) -> PathBuf {
    let branch = tree.parts[usize::from(part)].as_ref();
    branch.map_or_else(|| tree.root.clone(), |b| b.path(&b.items[place as usize], &tree.classes))
}

/// The label of a picture.
pub(super) fn label(tree: &Tree, (part, place): At) -> u32 {
    tree.parts[usize::from(part)].as_ref().map_or(0, |b| b.items[place as usize].label)
}

/// Bytes of a picture whose room had better be kept for the next one.
const LARGE: usize = 1 << 20;

/// A picture in three channels, whatever the file has; what is wrong with it, in a few words.
pub(super) fn rgb(tree: &Tree, (part, place): At) -> Result<RgbImage, String> {
    let Some(branch) = &tree.parts[usize::from(part)] else { return Err("is not there".to_owned()) };
    let bytes = branch.bytes(&branch.items[place as usize], &tree.classes);
    let bytes = bytes.map_err(|e| format!("cannot be read: {e}"))?;
    let picture = decode::decode(&bytes)?;
    // Many such will come.
    if picture.as_bytes().len() >= LARGE {
        reclra_compute::alloc::keep_large_blocks();
    }
    Ok(picture.into_rgb8())
}

/// Says which pictures are broken: a few by name.
pub(super) fn list(tree: &Tree, broken: &BTreeMap<At, String>) -> String {
    let named: Vec<String> =
        broken.iter().take(NAMED).map(|(&at, why)| format!("{} {why}", path(tree, at).display())).collect();
    let more = broken.len().saturating_sub(NAMED);
    format!("{}{}", named.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
}

/// What a user is told of broken pictures, the same whether they were decoded at once or later.
pub(super) fn told(tree: &Tree, broken: &BTreeMap<At, String>) -> String {
    let many = broken.len();
    let (pictures, are, others) = if many == 1 { ("picture", "is", "another") } else { ("pictures", "are", "others") };
    let done = format!("{are} left out of what is judged, in training {others} of the same class stand in");
    format!("{many} broken {pictures} {done}: {}", list(tree, broken))
}

/// Refuses more broken pictures than may be; `whole` says that all pictures have been decoded.
pub(super) fn bear(
    tree: &Tree,
    broken: &BTreeMap<At, String>,
    bearable: usize,
    (all, whole): (usize, bool),
) -> Result<()> {
    if broken.len() <= bearable {
        return Ok(());
    }
    let least = if whole { "" } else { "at least " };
    let what = format!("{least}{} of {all} pictures cannot be used: {}", broken.len(), list(tree, broken));
    Err(bad(&tree.root, what, "mend or remove them, or raise data.broken"))
}

impl Photos {
    fn part(&self, part: Part) -> &[At] {
        &self.parts[usize::from(part == Part::Test)]
    }

    /// Decodes a picture, unless it is broken.
    fn read(&self, part: Part, index: usize, show: &mut dyn FnMut(&RgbImage)) -> Result<()> {
        let at = self.part(part)[index];
        let known = || self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let broken = |why: String| DataError::Broken { path: path(&self.tree, at), why };
        if let Some(why) = known().get(&at) {
            return Err(broken(why.clone()));
        }
        let picture = match rgb(&self.tree, at) {
            Ok(picture) => picture,
            Err(why) => {
                let mut known = known();
                known.insert(at, why.clone());
                bear(&self.tree, &known, self.bearable, (self.parts[0].len() + self.parts[1].len(), false))?;
                return Err(broken(why));
            }
        };
        if !self.sized && !self.fits(&picture) {
            let (height, width) = (self.shape.height, self.shape.width);
            let what = format!("is {}x{}, others are {width}x{height}", picture.width(), picture.height());
            return Err(bad(&path(&self.tree, at), what, "set data.size = 224, say, to bring all to one size"));
        }
        show(&picture);
        Ok(())
    }

    /// True if a picture has the size of all samples.
    fn fits(&self, picture: &RgbImage) -> bool {
        (picture.height() as usize, picture.width() as usize) == (self.shape.height, self.shape.width)
    }

    fn shown(&self, picture: &RgbImage, zoom: Option<Zoom>, out: &mut [f32]) {
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        if zoom.is_none() && self.fits(picture) {
            // Nothing is resized: the numbers of a picture in memory.
            let plane = height * width;
            for (at, pixel) in picture.as_raw().chunks_exact(3).enumerate() {
                (0..3).for_each(|c| out[c * plane + at] = self.scale[usize::from(pixel[c])]);
            }
            return;
        }
        let window = match zoom {
            Some(zoom) => Window::random(height, width, zoom),
            None if self.sized => Window::centre(height, width, self.shape),
            None => Window::whole(height, width),
        };
        show(Source { bytes: picture.as_raw(), height, width, interleaved: true }, window, self.shape, 255, out);
    }
}

impl Dataset for Photos {
    fn name(&self) -> &str {
        super::entry::IMAGE_FOLDER
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn class_names(&self) -> &[String] {
        &self.tree.classes
    }

    fn len(&self, part: Part) -> usize {
        self.part(part).len()
    }

    fn label(&self, part: Part, index: usize) -> u32 {
        label(&self.tree, self.part(part)[index])
    }

    fn pixels(&self, part: Part, index: usize, out: &mut [f32]) -> Result<()> {
        self.read(part, index, &mut |picture| self.shown(picture, None, out))
    }

    fn zoomed(&self, part: Part, index: usize, zoom: Zoom, out: &mut [f32]) -> Result<()> {
        self.read(part, index, &mut |picture| self.shown(picture, Some(zoom), out))
    }

    fn add_to(&self, part: Part, index: usize, moments: &mut Moments) -> Result<()> {
        self.read(part, index, &mut |picture| {
            if self.fits(picture) {
                return moments.add_interleaved(picture.as_raw());
            }
            let mut pixels = vec![0.0; self.shape.len()];
            self.shown(picture, None, &mut pixels);
            moments.add(&pixels);
        })
    }

    fn validation(&self) -> usize {
        self.validation
    }

    fn stored_validation(&self) -> usize {
        self.stored
    }

    fn lazy(&self) -> bool {
        true
    }

    fn notes(&self) -> Vec<String> {
        let broken = self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let told = (!broken.is_empty()).then(|| told(&self.tree, &broken));
        self.notes.iter().cloned().chain(told).collect()
    }
}
