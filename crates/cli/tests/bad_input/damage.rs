//! What stands in the place of a file.

use super::common::idx;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// What is put in a file's place.
pub(super) enum Damage {
    Bytes(&'static str, Vec<u8>),
    Folder,
    Fifo,
    Link(&'static str, &'static str),
    Sparse,
    Missing,
}

pub(super) fn damages() -> Vec<Damage> {
    vec![
        Damage::Missing,
        Damage::Bytes("empty", Vec::new()),
        Damage::Bytes("the text `hello`", b"hello".to_vec()),
        Damage::Bytes("a page of HTML", b"<!DOCTYPE html><html>Not found</html>".to_vec()),
        Damage::Bytes("1,000 zeros", vec![0; 1000]),
        Damage::Bytes("1,000 bytes of 0xff", vec![0xff; 1000]),
        Damage::Bytes("a gzip file cut short", gzip(&[7; 5000])[..20].to_vec()),
        Damage::Bytes("a picture of 8x8, PNG", png(8)),
        Damage::Bytes("a PNG header that claims 2^31 columns", png_claiming(1 << 31)),
        Damage::Bytes("2 images in idx", idx(0x0803, &[2, 6, 6], &[0; 72])),
        Damage::Bytes("an idx header that claims 2^32 - 1 images", idx(0x0803, &[u32::MAX, 28, 28], &[0; 64])),
        Damage::Bytes(
            "a safetensors header that claims 2^63 bytes",
            [&(1_u64 << 63).to_le_bytes()[..], b"{}"].concat(),
        ),
        Damage::Bytes("a tar file of one text", tar(&[("a.txt", b"text")])),
        Damage::Folder,
        Damage::Fifo,
        Damage::Link("a link to nothing", "nowhere"),
        Damage::Link("a link to a device that never ends", "/dev/zero"),
        Damage::Link("a link to itself", "itself"),
        Damage::Sparse,
    ]
}

impl Damage {
    pub(super) fn name(&self) -> &str {
        match self {
            Damage::Bytes(name, _) | Damage::Link(name, _) => name,
            Damage::Folder => "a folder",
            Damage::Fifo => "a pipe that nobody writes to",
            Damage::Sparse => "4 TiB of nothing",
            Damage::Missing => "not there",
        }
    }

    pub(super) fn put(&self, at: &Path) {
        match self {
            Damage::Bytes(_, bytes) => fs::write(at, bytes).unwrap(),
            Damage::Folder => fs::create_dir(at).unwrap(),
            Damage::Fifo => assert!(Command::new("mkfifo").arg(at).status().unwrap().success()),
            Damage::Link(_, to) if *to == "itself" => symlink(at, at).unwrap(),
            Damage::Link(_, to) => symlink(to, at).unwrap(),
            Damage::Sparse => fs::File::create(at).unwrap().set_len(4 << 40).unwrap(),
            Damage::Missing => {}
        }
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn picture(side: u32, format: image::ImageFormat, salt: u8) -> Vec<u8> {
    let pixel = |x: u32, y: u32| image::Rgb([(x * 20) as u8, (y * 20) as u8, salt]);
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(side, side, pixel).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(super) fn png(side: u32) -> Vec<u8> {
    picture(side, image::ImageFormat::Png, 0)
}

/// A PNG file whose header is sound but for its width.
pub(super) fn png_claiming(width: u32) -> Vec<u8> {
    let mut bytes = png(8);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    let crc = {
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        crc.sum()
    };
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

pub(super) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // As an evil archive has them: the builder would refuse `..`.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}
