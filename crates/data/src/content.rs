//! What a file decodes to, and whether that is what was published: files are told by content, never by name.

use super::entry::FileEntry;
use crate::files;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// Magic of gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What came of comparing a file with what is published of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It decodes to the published bytes.
    Right {
        /// Whether it is gzip; else it is plain.
        gzip: bool,
    },
    /// It ends too early: it may be the beginning of the right file.
    Short(String),
    /// It is something else.
    Wrong {
        /// Why, in a few words.
        why: String,
        /// SHA-256 of what it decodes to, if that is known.
        sha256: Option<String>,
    },
}

/// Compares a file with what is published of it, decoding no more than a byte beyond the published size. A file that is
/// published as an archive is compared as it is.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn check(path: &Path, file: &FileEntry) -> std::io::Result<Verdict> {
    let wrong = |why: &str| Ok(Verdict::Wrong { why: why.to_owned(), sha256: None });
    let mut raw = BufReader::with_capacity(1 << 16, files::open(path)?);
    let head = raw.fill_buf()?;
    let (gzip, html) = (head.starts_with(&GZIP) && !file.is_packed(), is_html(head));
    let mut content: Box<dyn Read> =
        if gzip { Box::new(flate2::bufread::MultiGzDecoder::new(raw)) } else { Box::new(raw) };
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    while size <= file.size {
        match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                hash.update(&buffer[..n]);
                size += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.raw_os_error().is_some() => return Err(e),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                return Ok(Verdict::Short("its gzip stream has no end".to_owned()));
            }
            Err(e) => return wrong(&format!("its gzip stream is damaged ({e})")),
        }
    }
    if html {
        return wrong("it is an HTML page");
    }
    if size > file.size {
        return wrong(&format!("it decodes to more than the {} bytes expected", file.size));
    }
    let sha256: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    if sha256 == file.sha256 {
        return Ok(Verdict::Right { gzip });
    }
    if size < file.size && !gzip {
        return Ok(Verdict::Short(format!("it has {size} of {} bytes", file.size)));
    }
    let why = format!("its SHA-256 is {}..., not {}...", &sha256[..8], file.sha256.get(..8).unwrap_or(file.sha256));
    Ok(Verdict::Wrong { why, sha256: Some(sha256) })
}

/// Whether these are the first bytes of a web page: what a portal or a moved archive sends in place of a file.
pub(super) fn is_html(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    let begins = |with: &str| head.get(..with.len()).is_some_and(|h| h.eq_ignore_ascii_case(with.as_bytes()));
    ["<!doctype", "<html", "<head", "<?xml"].into_iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const HELLO: FileEntry = FileEntry {
        name: "hello",
        size: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    }

    fn verdict(bytes: &[u8]) -> Verdict {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        check(file.path(), &HELLO).unwrap()
    }

    #[test]
    fn right_content_is_known_gzip_or_plain() {
        assert_eq!(verdict(b"hello"), Verdict::Right { gzip: false });
        assert_eq!(verdict(&gzip(b"hello")), Verdict::Right { gzip: true });
        // A gzip file may have several members.
        assert_eq!(verdict(&[gzip(b"hel"), gzip(b"lo")].concat()), Verdict::Right { gzip: true });
    }

    #[test]
    fn an_archive_is_compared_as_it_is() {
        let packed = gzip(b"hello");
        let sha256: String = Sha256::digest(&packed).iter().map(|b| format!("{b:02x}")).collect();
        let entry = FileEntry { name: "hello.tar.gz", size: packed.len() as u64, sha256: sha256.leak() };
        let file = tempfile::NamedTempFile::new().unwrap();
        for (bytes, right) in [(&packed[..], true), (b"hello", false)] {
            std::fs::write(file.path(), bytes).unwrap();
            let verdict = check(file.path(), &entry).unwrap();
            assert_eq!(verdict == Verdict::Right { gzip: false }, right, "{verdict:?}");
        }
        std::fs::write(file.path(), &packed[..20]).unwrap();
        assert!(matches!(check(file.path(), &entry).unwrap(), Verdict::Short(_)));
    }

    #[test]
    fn what_is_wrong_is_told_from_what_is_short() {
        let good = gzip(b"hello");
        let mut damaged = good.clone();
        damaged[12] ^= 0xff;
        let mut checksum = good.clone();
        let at = checksum.len() - 8;
        checksum[at] ^= 1;
        for (bytes, want) in [
            (&b"help!"[..], "its SHA-256 is "),
            (b"hello, world", "it decodes to more than the 5 bytes"),
            (&gzip(&[0; 1 << 20]), "it decodes to more than the 5 bytes"),
            (&damaged, "damaged"),
            (&checksum, "damaged"),
            (&[good.clone(), b"a page of junk".to_vec()].concat(), "damaged"),
            (b" \n<!DOCTYPE html><title>moved</title>", "it is an HTML page"),
        ] {
            let Verdict::Wrong { why, .. } = verdict(bytes) else { panic!("{want}: {:?}", verdict(bytes)) };
            assert!(why.contains(want), "{why}");
        }
        for bytes in [&b"hel"[..], b"", &good[..10], &good[..good.len() - 1]] {
            assert!(matches!(verdict(bytes), Verdict::Short(_)), "{:?}", verdict(bytes));
        }
    }
}
