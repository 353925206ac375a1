//! The doors of the program on the corpus of the fuzz targets, and on what a few thousand random changes make of it.

#[path = "../../../fuzz/doors.rs"]
mod doors;

use doors::DOORS;
use rand::RngExt;
use reclra_compute::rng::Key;
use std::fs;
use std::path::Path;

/// What lies in the corpus of a door.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus")).join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|p| fs::read(p).unwrap()).collect()
}

/// Some of what fuzzers do: bytes turned, taken out, doubled, put in the place of others, numbers at their bounds.
fn changed(bytes: &[u8], other: &[u8], rng: &mut impl RngExt) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..9)).min(bytes.len());
        match rng.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.truncate(at),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                let bound =
                    [[0xff; 8], [0; 8], u64::to_le_bytes(1 << 31), u64::to_be_bytes(1 << 62)][rng.random_range(0..4)];
                bytes.splice(at..end, bound[..end - at].to_vec());
            }
            _ if !other.is_empty() => {
                let from = rng.random_range(0..other.len());
                let piece = other[from..(from + rng.random_range(1..40)).min(other.len())].to_vec();
                bytes.splice(at..end, piece);
            }
            _ => {}
        }
    }
    bytes
}

#[test]
fn no_door_breaks() {
    let count: u64 = std::env::var("RECLRA_DOORS").map_or(100, |v| v.parse().unwrap());
    for (name, door) in DOORS {
        let dir = tempfile::tempdir().unwrap();
        let (seeds, began) = (corpus(name), std::time::Instant::now());
        assert!(!seeds.is_empty(), "fuzz/corpus/{name} is empty");
        seeds.iter().for_each(|bytes| door(bytes, dir.path()));
        for n in 0..count {
            let mut rng = Key::new(n).child_named(name).rng();
            let pick = |rng: &mut _| &seeds[RngExt::random_range(rng, 0..seeds.len())];
            let (one, other) = (pick(&mut rng), pick(&mut rng));
            let bytes = changed(one, other, &mut rng);
            let tried = std::panic::catch_unwind(|| door(&bytes, dir.path()));
            assert!(tried.is_ok(), "{name}, change {n}: {:?}", String::from_utf8_lossy(&bytes));
        }
        println!("{name}: {count} changes of {} inputs in {:.1?}", seeds.len(), began.elapsed());
    }
}
