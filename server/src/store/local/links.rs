//! The targets of symbolic links. The kernel follows links that stay beneath the shared folder; it refuses those that
//! are absolute or go up and come back in. This module follows the refused ones by hand, name by name. The result is a
//! path without links, and the kernel opens it beneath the folder. So links that change meanwhile lead to an error or
//! to something else in the folder, but never out of it.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use wstp_protocol::{EntryKind, ErrorCode};
use wstp_provider::Refusal;

/// Most links on one path; Linux has the same limit.
const MAX_LINKS: usize = 40;

/// Why a link leads to an entry that is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Astray {
    /// Out of the shared folder.
    Out,
    /// In a circle.
    Round,
    /// To nothing.
    Nowhere,
}

impl Astray {
    /// Its kind in listings.
    pub const fn kind(self) -> EntryKind {
        match self {
            Self::Out => EntryKind::LeadsOut,
            Self::Round => EntryKind::Circle,
            Self::Nowhere => EntryKind::Dangling,
        }
    }

    /// The answer to a request for it.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::Out => Refusal::new(
                ErrorCode::Forbidden,
                "This is a link that leads out of the shared folder. It is not followed.",
            ),
            Self::Round => Refusal::new(ErrorCode::NotFound, "This is a link that leads round in a circle."),
            Self::Nowhere => {
                Refusal::new(ErrorCode::NotFound, "This is a link that leads nowhere: what it names is not there.")
            }
        }
    }
}

/// The result of following a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Way {
    /// A path beneath the folder, without links.
    Inside(PathBuf),
    /// A link on it leads to an entry that is not served.
    Astray(Astray),
    /// There is no such name, and no link is to blame.
    Missing,
}

/// Follows every link on `path`, which is beneath the folder at `root`.
pub fn follow(root: &Path, path: &Path) -> io::Result<Way> {
    let root = root.canonicalize()?;
    let mut place = root.clone();
    let mut ahead = steps(path);
    let mut links = 0;
    while let Some(step) = ahead.pop() {
        match Path::new(&step).components().next() {
            Some(Component::RootDir) => place = PathBuf::from("/"),
            Some(Component::ParentDir) => {
                place.pop();
            }
            Some(Component::Normal(name)) => {
                let next = place.join(name);
                match next.read_link() {
                    Ok(target) if links < MAX_LINKS => {
                        links += 1;
                        ahead.extend(steps(&target));
                    }
                    Ok(_) => return Ok(Way::Astray(Astray::Round)),
                    // The walk continues through a name that is no link.
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => place = next,
                    Err(error) if is_absence(&error) && links == 0 => return Ok(Way::Missing),
                    Err(_) if !next.starts_with(&root) => return Ok(Way::Astray(Astray::Out)),
                    Err(error) if is_absence(&error) => return Ok(Way::Astray(Astray::Nowhere)),
                    Err(error) => return Err(error),
                }
            }
            _ => {}
        }
    }
    Ok(match place.strip_prefix(&root) {
        Ok(inside) if inside.as_os_str().is_empty() => Way::Inside(PathBuf::from(".")),
        Ok(inside) => Way::Inside(inside.to_owned()),
        Err(_) => Way::Astray(Astray::Out),
    })
}

/// The steps of a path, the first of them last.
fn steps(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|step| step.as_os_str().to_owned()).collect()
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}
