//! The index of a tar file: where the bytes of its pictures are. Nothing is unpacked, and only headers are read.

use super::found::{Found, Passed, Within, joined};
use super::links::{self, Link};
use super::members::{Kind, Member, each_member};
use super::names::{bad, hidden, is_picture, plain_name};
use crate::error::Result;
use crate::files::{self};
use std::path::Path;

/// Pictures and folders of an archive, which notes call `prefix`.
///
/// # Errors
/// If the archive is damaged, or holds what cannot be read in place: sparse members, links that lead nowhere or to folders.
pub(super) fn index(archive: &Path, prefix: &str, passed: &mut Passed) -> Result<Found> {
    let (mut found, mut links, mut order) = (Found::default(), Vec::new(), 0);
    let mut hidden_folder = String::new();
    let followed = each_member(archive, &mut |member: Member<'_>| {
        order += 1;
        let Some((name, above)) = member.names.split_last() else { return Ok(()) };
        if let Some(n) = member.names.iter().position(|n| hidden(n)) {
            // A hidden folder counts once, as it does where it is a folder on the disk.
            let path = member.path.split('/').take(n + 1).collect::<Vec<_>>().join("/");
            let is_folder = n + 1 < member.names.len() || matches!(member.kind, Kind::Folder);
            if !is_folder || path != hidden_folder {
                passed.others.add(joined(prefix, &files::one_line(&path)));
            }
            if is_folder {
                hidden_folder = path;
            }
            return Ok(());
        }
        let is_picture = is_picture(&name.to_string_lossy());
        let within = match member.kind {
            Kind::File => Within::Span(member.at.0, member.at.1),
            Kind::Folder => {
                found.put_folder(files::one_line(&member.path).into_owned());
                return Ok(());
            }
            Kind::Hard(target) => {
                links.push(Link { order, path: member.path.clone(), hard: true, picture: is_picture, target });
                Within::Link(links.len() - 1)
            }
            Kind::Symbolic(target) => {
                links.push(Link { order, path: member.path.clone(), hard: false, picture: is_picture, target });
                Within::Link(links.len() - 1)
            }
            Kind::Other if is_picture => {
                let what =
                    format!("holds a device, a pipe or the like as a picture: {}", files::one_line(&member.path));
                return Err(bad(archive, what, "make it anew without that"));
            }
            Kind::Other => {
                passed.others.add(joined(prefix, &files::one_line(&member.path)));
                return Ok(());
            }
        };
        if is_picture {
            above.iter().try_for_each(|n| plain_name(archive, n).map(drop))?;
            let folder = member.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            found.put(folder, plain_name(archive, name)?, within);
        } else if matches!(within, Within::Span(..)) {
            passed.others.add(joined(prefix, &files::one_line(&member.path)));
        }
        Ok(())
    })?;
    if followed {
        passed.followed.add(archive.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    found.sort();
    if !links.is_empty() {
        follow(archive, &links, &mut found, prefix, passed)?;
    }
    Ok(found)
}

/// Puts the place where a link leads into its place; a link that leads nowhere or to a folder is refused by name.
fn follow(archive: &Path, links: &[Link], found: &mut Found, prefix: &str, passed: &mut Passed) -> Result<()> {
    let places = links::places(archive, links)?;
    let refused = |link: &Link, what: &str| {
        let what = format!("holds a link {what}: {} -> {}", files::one_line(&link.path), files::one_line(&link.target));
        let remedy = if link.hard {
            "make it anew with tar --hard-dereference, which stores the file in the place of the link"
        } else {
            "make it anew with tar -h, which stores what links lead to"
        };
        bad(archive, what, remedy)
    };
    for (_, _, within) in found.each_mut() {
        let Within::Link(n) = *within else { continue };
        match places[n] {
            links::Place::File(at, length) => *within = Within::Span(at, length),
            links::Place::Folder => return Err(refused(&links[n], "to a folder")),
            links::Place::Nowhere => return Err(refused(&links[n], "to what it does not hold")),
            links::Place::Circle => return Err(refused(&links[n], "that leads in a circle")),
        }
    }
    for (link, place) in links.iter().zip(&places).filter(|(link, _)| !link.picture) {
        match place {
            links::Place::Folder => return Err(refused(link, "to a folder")),
            _ => passed.others.add(joined(prefix, &files::one_line(&link.path))),
        }
    }
    Ok(())
}

/// Pictures of an archive that stands for one part, `file` in notes, which may have any of `names`: its folders are the classes,
/// or are in a folder called like the part.
///
/// # Errors
/// As [`index`].
pub(super) fn of_part(archive: &Path, names: &[&str], file: &str, passed: &mut Passed) -> Result<Found> {
    let mut found = index(archive, file, passed)?;
    found.unwrap(names);
    let tops = found.tops();
    let Some(name) = names.iter().find(|n| tops.contains(**n)) else { return Ok(found) };
    let part = found.below(name);
    found.tops().iter().for_each(|top| passed.folders.add(format!("{file}/{top}/")));
    Ok(part)
}
