//! How many photographs a second come out of an image folder: decoded, varied as in training, prepared, in batches.
//!
//! `cargo run --release -p reclra-train --example photographs -- FOLDER [SIZE] [BATCH]`; `RAYON_NUM_THREADS` sets the threads.

use reclra_data::{Batch, Loader, Opening, Part, open_with, ready};
use reclra_train::spec::{DataFacts, RunSpec, Settings};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Photographs that are timed at least, however few there are.
const TIMED: usize = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("name an image folder, or a tar file of one")?;
    let size: usize = words.next().map_or(Ok(224), |w| w.parse())?;
    let batch: usize = words.next().map_or(Ok(64), |w| w.parse())?;
    // Nothing is kept in memory: each is decoded every time.
    let opening = Opening { size, memory: 0, ..Opening::default() };
    let begun = Instant::now();
    let dataset = open_with("image-folder", Some(Path::new(&folder)), &opening)?;
    println!("opened in {:.2} s: {} photographs to train on", begun.elapsed().as_secs_f64(), dataset.len(Part::Train));
    let settings = Settings::parse(&format!("data.size = {size}\ntrain.batch = {batch}\n"), "here")?;
    let spec = RunSpec::resolve(&settings, &DataFacts::of(&*dataset))?;
    let split = spec.split(&*dataset)?;
    let begun = Instant::now();
    let ready = ready(&*dataset, &split, &spec.data)?;
    println!("mean and deviation in {:.2} s", begun.elapsed().as_secs_f64());
    let loader = Loader::new(ready.dataset(), &split, batch, 0, spec.seed).augmented(spec.data.augment);
    let (mut filled, mut batches, mut x) = (Batch::default(), 0, 0.0);
    let (mut done, begun) = (0, Instant::now());
    while done < TIMED {
        loader.fill(batches / loader.batches(), batches % loader.batches(), &mut filled)?;
        batches += 1;
        done += filled.labels.len();
        x += f64::from(filled.x[0]);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let threads = rayon::current_num_threads();
    println!(
        "training, {size}x{size}, batches of {batch}, {threads} threads: {:.0} photographs a second ({done} in {seconds:.2} s, \
         check {x:.3})",
        done as f64 / seconds
    );
    let mut row = vec![0.0; ready.dataset().shape().len()];
    let (many, begun) = (dataset.len(Part::Test).min(500), Instant::now());
    (0..many).try_for_each(|i| ready.dataset().pixels(Part::Test, i, &mut row))?;
    println!("judging, one thread: {:.0} photographs a second", many as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}
