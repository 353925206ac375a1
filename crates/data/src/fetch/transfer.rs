//! A file from one mirror: into its `.part`, checked, and only then under its own name.

use super::super::content::{self, Verdict};
use super::super::entry::FileEntry;
use super::events::{FetchError, FetchEvent, FetchOptions, REMEDY};
use super::http::{Exchange, Halt};
use crate::files::FileError;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// A file to be fetched, and who is told.
pub(super) struct Transfer<'a> {
    pub(super) file: &'a FileEntry,
    pub(super) options: &'a FetchOptions,
    pub(super) stop: &'a AtomicBool,
    pub(super) tell: &'a mut dyn FnMut(FetchEvent<'_>),
}

/// Why a mirror did not give the file.
pub(super) enum Missed {
    /// The mirror's fault: the next one may do better.
    Mirror {
        /// The address that was asked.
        url: String,
        /// What was wrong, in a few words.
        reason: String,
    },
    /// No mirror will do better.
    Fatal(FetchError),
}

/// How an exchange with a mirror went.
enum Received {
    /// All that it sends is in the part.
    All {
        /// Bytes that were there before.
        resumed: u64,
        /// Whether the length was told, so that nothing can be missing.
        sure: bool,
    },
    /// It cannot go on from where the part ends.
    StartOver(String),
    /// It has no such file.
    NotThere(u16),
}

impl Transfer<'_> {
    /// Fetches the file from the mirror `base`, packed or plain, and gives its path.
    pub(super) fn ask(&mut self, base: &str) -> Result<PathBuf, Missed> {
        let name = self.file.name;
        let ending = if self.file.is_packed() { "" } else { "[.gz]" };
        if !self.file.is_packed()
            && let Ok(path) = self.named(base, &format!("{name}.gz"))?
        {
            return Ok(path);
        }
        self.named(base, name)?
            .map_err(|status| Missed::Mirror { url: format!("{base}{name}{ending}"), reason: format!("HTTP {status}") })
    }

    /// The same for one name; the inner error is the status of a mirror that has no such file.
    fn named(&mut self, base: &str, name: &str) -> Result<Result<PathBuf, u16>, Missed> {
        let url = format!("{base}{name}");
        let part = self.options.folder.join(format!("{name}.part"));
        let disk = |e: std::io::Error| Missed::Fatal(FileError::io(&part, &e, REMEDY).into());
        loop {
            let received = self.receive(&url, &part);
            if let Err(Missed::Mirror { .. }) = &received {
                drop_useless(&part).map_err(disk)?;
            }
            let reason = match received? {
                Received::NotThere(status) => return Ok(Err(status)),
                Received::StartOver(reason) => reason,
                Received::All { resumed, sure } => match content::check(&part, self.file).map_err(disk)? {
                    Verdict::Right { gzip } => {
                        return finish(&part, &self.options.folder, self.file.name, gzip).map(Ok).map_err(disk);
                    }
                    // The beginning may be worth something if the end was cut off.
                    Verdict::Short(reason) if !sure => {
                        drop_useless(&part).map_err(disk)?;
                        return Err(Missed::Mirror { url, reason });
                    }
                    Verdict::Short(reason) | Verdict::Wrong { why: reason, .. } if resumed == 0 => {
                        remove(&part).map_err(disk)?;
                        return Err(Missed::Mirror { url, reason });
                    }
                    // Perhaps the fault is in what was there before, from another mirror.
                    Verdict::Short(reason) | Verdict::Wrong { why: reason, .. } => reason,
                },
            };
            // Without a part nothing is resumed, so this happens once.
            remove(&part).map_err(disk)?;
            (self.tell)(FetchEvent::StartedOver { file: self.file.name, url: &url, reason: &reason });
        }
    }

    /// Receives the file at `url` into `part`, going on where that ends.
    fn receive(&mut self, url: &str, part: &Path) -> Result<Received, Missed> {
        let disk = |e: std::io::Error| Missed::Fatal(FileError::io(part, &e, REMEDY).into());
        let missed = |reason: String| Missed::Mirror { url: url.to_owned(), reason };
        let halted = |halt: Halt| match halt {
            Halt::Interrupted => Missed::Fatal(FetchError::Interrupted),
            Halt::Failed(reason) => missed(reason),
        };
        // Packing makes no file much larger, whatever was packed.
        let largest = self.file.size + self.file.size / 256 + 4096;
        let there = match std::fs::metadata(part) {
            Ok(meta) if meta.len() <= largest => meta.len(),
            Ok(_) => 0,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => 0,
            Err(e) => return Err(disk(e)),
        };
        let mut exchange = Exchange::begin(url, there, self.options.timeout);
        let (file, stop, tell) = (self.file.name, self.stop, &mut *self.tell);
        let head = exchange.head(stop, &mut |seconds| tell(FetchEvent::Silent { file, url, seconds }));
        let head = head.map_err(halted)?;
        let from = match head.status {
            200 => 0,
            206 if there > 0 && head.start == Some(there) => there,
            206 if there > 0 => return Ok(Received::StartOver("it sends another range than asked for".into())),
            416 if there > 0 => return Ok(Received::StartOver("it has nothing after what is there".into())),
            // Some stores deny what they do not have.
            403 | 404 | 410 => return Ok(Received::NotThere(head.status)),
            status => return Err(missed(format!("HTTP {status}"))),
        };
        let total = head.length.map(|l| from.saturating_add(l));
        if let Some(total) = total.filter(|&t| t > largest) {
            return Err(missed(format!("too large: {total} bytes, where at most {largest} are expected")));
        }
        tell(FetchEvent::Started { file, url, resumed: from, total });
        let mut out = OpenOptions::new().create(true).append(true).open(part).map_err(disk)?;
        if from == 0 {
            out.set_len(0).map_err(disk)?;
        }
        let mut have = from;
        loop {
            let bytes = exchange.chunk(stop, &mut |seconds| tell(FetchEvent::Silent { file, url, seconds }));
            let Some(bytes) = bytes.map_err(halted)? else { break };
            have += bytes.len() as u64;
            if have > largest {
                drop(out);
                remove(part).map_err(disk)?;
                return Err(missed(format!("too large: more than {largest} bytes")));
            }
            out.write_all(&bytes).map_err(disk)?;
            tell(FetchEvent::Received { file, bytes: have, total });
        }
        out.sync_all().map_err(disk)?;
        Ok(Received::All { resumed: from, sure: total.is_some() })
    }
}

/// Gives a checked part its name, after which it is there also after a power cut; other parts of the file go.
fn finish(part: &Path, folder: &Path, name: &str, gzip: bool) -> std::io::Result<PathBuf> {
    let path = folder.join(if gzip { format!("{name}.gz") } else { name.to_owned() });
    std::fs::rename(part, &path)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    for other in [format!("{name}.gz.part"), format!("{name}.part")] {
        remove(&folder.join(other))?;
    }
    Ok(path)
}

/// Removes a part that is empty or an HTML page: nothing to go on from.
fn drop_useless(part: &Path) -> std::io::Result<()> {
    let mut head = Vec::new();
    match File::open(part).and_then(|f| f.take(64).read_to_end(&mut head)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if head.is_empty() || content::is_html(&head) { remove(part) } else { Ok(()) }
}

/// Removes a file, if there is one.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
