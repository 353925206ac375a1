//! Links inside of archives: a hard link is the content that the member of that name had when the link was written, a symbolic one
//! what has the name in the end.

use super::members::{Kind, Member, each_member};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Links that may lead from one to the next.
const CHAIN: usize = 40;

/// A link in an archive.
pub(super) struct Link {
    /// Its place among the members, counted from 1.
    pub(super) order: usize,
    /// Its own path.
    pub(super) path: String,
    pub(super) hard: bool,
    /// Its name is that of a picture.
    pub(super) picture: bool,
    /// Where it leads, as it is written.
    pub(super) target: String,
}

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// First byte and length of a file.
    File(u64, u64),
    Folder,
    /// No member of the archive.
    Nowhere,
    /// Itself.
    Circle,
}

/// A member that a link leads to.
#[derive(Clone, Copy)]
enum Version {
    File(u64, u64),
    Folder,
    Link(usize),
}

/// Where each link leads, by reading the headers once more.
///
/// # Errors
/// If the archive cannot be read.
pub(super) fn places(archive: &Path, links: &[Link]) -> Result<Vec<Place>> {
    let targets: Vec<Option<String>> = links.iter().map(target).collect();
    let asked: BTreeSet<&str> = targets.iter().flatten().map(String::as_str).collect();
    // All members of a name that is asked for, by their place.
    let mut versions: BTreeMap<&str, Vec<(usize, Version)>> = BTreeMap::new();
    let mut order = 0;
    let mut links_left = links.iter().enumerate().peekable();
    each_member(archive, &mut |member: Member<'_>| {
        order += 1;
        let this = links_left.next_if(|(_, link)| link.order == order).map(|(n, _)| Version::Link(n));
        let this = this.or(match member.kind {
            Kind::File => Some(Version::File(member.at.0, member.at.1)),
            Kind::Folder => Some(Version::Folder),
            Kind::Hard(_) | Kind::Symbolic(_) | Kind::Other => None,
        });
        if let (Some(this), Some(&path)) = (this, asked.get(member.path.as_str())) {
            versions.entry(path).or_default().push((order, this));
        }
        // Folders need no member of their own.
        for (at, _) in member.path.match_indices('/') {
            if let Some(&path) = asked.get(&member.path[..at]) {
                let list = versions.entry(path).or_default();
                if !matches!(list.last(), Some((_, Version::Folder))) {
                    list.push((order, Version::Folder));
                }
            }
        }
        Ok(())
    })?;
    let lead = |mut n: usize| {
        for _ in 0..CHAIN {
            let list = targets[n].as_deref().and_then(|t| versions.get(t)).map_or(&[][..], Vec::as_slice);
            let before = |v: &&(usize, Version)| !links[n].hard || v.0 < links[n].order;
            match list.iter().rev().find(before).map(|v| v.1) {
                None => return Place::Nowhere,
                Some(Version::Folder) => return Place::Folder,
                Some(Version::File(at, length)) => return Place::File(at, length),
                Some(Version::Link(next)) => n = next,
            }
        }
        Place::Circle
    };
    Ok((0..links.len()).map(lead).collect())
}

/// The path of the member that a link leads to; none if that is outside of the archive.
fn target(link: &Link) -> Option<String> {
    // A hard link names a member, a symbolic one a path from its own folder on.
    if !link.hard && link.target.starts_with('/') {
        return None;
    }
    let folder = link.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut names: Vec<&str> = if link.hard || folder.is_empty() { Vec::new() } else { folder.split('/').collect() };
    for name in link.target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}
