//! The ceiling of this machine: operations a second, and bytes a second at each level of its memory.

use reclra::Device;
use serde::Serialize;
use std::fs;
use std::path::Path;

/// One level of memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cache {
    /// L1, L2, L3 or memory.
    pub name: String,
    /// What it holds, all threads together.
    pub bytes: u64,
    /// Read and written in place, both counted, all threads together.
    pub bytes_per_second: f64,
}

/// What the machine can do at best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// Operations a second of a matrix product in cache, all threads together.
    pub flops: f64,
    /// From the smallest to memory itself.
    pub caches: Vec<Cache>,
}

impl Ceiling {
    /// Measures it, in about a second.
    #[must_use]
    pub fn measure(device: &Device) -> Ceiling {
        let threads = device.threads();
        let mut caches: Vec<Cache> = levels()
            .into_iter()
            .map(|(name, bytes, shared)| {
                let bytes = if shared { bytes } else { bytes * threads as u64 };
                // Half of it: the other half is for whatever else the machine does.
                let bytes_per_second = device.bandwidth((bytes / 2) as usize);
                Cache { name, bytes, bytes_per_second }
            })
            .collect();
        let largest = caches.iter().map(|c| c.bytes).max().unwrap_or(0);
        let array = (4 * largest).clamp(64 << 20, 256 << 20);
        let bytes_per_second = device.bandwidth(array as usize);
        caches.push(Cache { name: "memory".to_owned(), bytes: u64::MAX, bytes_per_second });
        Ceiling { flops: device.peak_flops() * threads as f64, caches }
    }

    /// The smallest level that holds so many bytes.
    ///
    /// # Panics
    /// If there is no level at all.
    #[must_use]
    pub fn holds(&self, bytes: u64) -> &Cache {
        self.caches.iter().find(|c| c.bytes >= bytes).or(self.caches.last()).expect("memory is a level")
    }
}

/// Name, bytes and whether all cores share it, of each data cache of the first core; a usual machine where the system
/// does not say.
fn levels() -> Vec<(String, u64, bool)> {
    let folder = Path::new("/sys/devices/system/cpu/cpu0/cache");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default().trim().to_owned();
        let size = read("size");
        let number: u64 = size.trim_end_matches(['K', 'M']).parse().unwrap_or(0);
        let bytes = number * if size.ends_with('M') { 1 << 20 } else { 1 << 10 };
        if bytes > 0 && read("type") != "Instruction" {
            let level = read("level");
            found.push((format!("L{level}"), bytes, level == "3"));
        }
    }
    found.sort();
    if found.is_empty() {
        let usual = [("L1", 32 << 10, false), ("L2", 1 << 20, false), ("L3", 16 << 20, true)];
        found = usual.map(|(name, bytes, shared)| (name.to_owned(), bytes, shared)).into();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_ceiling() {
        let ceiling = Ceiling::measure(&Device::cpu(1));
        assert!(ceiling.flops > 1e8, "{ceiling:?}");
        assert!(ceiling.caches.iter().all(|c| c.bytes_per_second > 1e8), "{ceiling:?}");
        assert!(ceiling.caches.is_sorted_by(|a, b| a.bytes < b.bytes), "{ceiling:?}");
        assert_eq!(ceiling.holds(1).name, ceiling.caches[0].name);
        assert_eq!(ceiling.holds(u64::MAX).name, "memory");
    }
}
