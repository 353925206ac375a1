//! How long it takes to fit a whitening (ZCA) on an image folder whose pictures have one size, and to whiten all of it.
//!
//! `cargo run --release -p reclra-train --example whitening -- FOLDER [NORMALISE]`; `RAYON_NUM_THREADS` sets the threads,
//! `RECLRA_CACHE` names the folder in which the whitening is kept: empty the first time.

use reclra_data::{Opening, Part, open_with, ready};
use reclra_train::spec::{DataFacts, RunSpec, Settings};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("name an image folder, or a tar file of one")?;
    let normalise = words.next().unwrap_or("gcn".to_owned());
    let begun = Instant::now();
    let dataset = open_with("image-folder", Some(Path::new(&folder)), &Opening::default())?;
    let (train, test) = (dataset.len(Part::Train), dataset.len(Part::Test));
    println!("opened in {:.2} s: {train} + {test} pictures of {:?}", begun.elapsed().as_secs_f64(), dataset.shape());
    let settings = Settings::parse(&format!("data.normalise = \"{normalise}\"\ndata.zca = true"), "here")?;
    let spec = RunSpec::resolve(&settings, &DataFacts::of(&*dataset))?;
    let split = spec.split(&*dataset)?;
    let begun = Instant::now();
    let ready = ready(&*dataset, &split, &spec.data)?;
    let seconds = begun.elapsed().as_secs_f64();
    let threads = rayon::current_num_threads();
    println!("fitted on {}, all whitened in {seconds:.1} s, {threads} threads", split.train().len());
    let mut row = vec![0.0; dataset.shape().len()];
    ready.dataset().pixels(Part::Train, 0, &mut row)?;
    let mean = row.iter().sum::<f32>() / row.len() as f32;
    let std = (row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / row.len() as f32).sqrt();
    println!("the first picture: mean {mean:.3}, standard deviation {std:.3}");
    Ok(())
}
