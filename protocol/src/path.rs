//! Paths within a share.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::{MAX_NAME, MAX_PATH};

/// A path within a share: names joined by `/`. The empty path is the share itself.
///
/// Never absolute. No name is empty, `.` or `..`, holds NUL, or is longer than [`MAX_NAME`]. The server has to ensure
/// that the path stays inside the share when it follows links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SharePath(String);

/// Why a text is not a [`SharePath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Longer than [`MAX_PATH`], or with a name longer than [`MAX_NAME`].
    #[error("the path is too long")]
    TooLong,
    /// An empty name: a leading, trailing or doubled slash.
    #[error("the path has an empty name")]
    EmptyName,
    /// `.` or `..`.
    #[error("the path has a relative name")]
    RelativeName,
    /// A NUL character.
    #[error("the path has a NUL character")]
    Nul,
}

impl SharePath {
    /// The share itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Checks a path.
    ///
    /// # Errors
    /// When `text` breaks one of the rules of the type.
    pub fn parse(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        check_path(&text)?;
        Ok(Self(text))
    }

    /// The path as text, `""` for the share itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the share itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The names along the path, outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// The last name, `None` for the share itself.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.names().next_back()
    }

    /// The folder around it, `None` for the share itself.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned())))
    }

    /// The path of `name` within this one.
    ///
    /// # Errors
    /// When `name` holds a slash or breaks one of the rules of the type.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        check_name(name)?;
        if name.contains('/') {
            return Err(PathError::EmptyName);
        }
        Self::parse(if self.is_root() { name.to_owned() } else { format!("{}/{name}", self.0) })
    }

    /// The rest of this path behind `ancestor`, name by name: `ab` does not lie beneath `a`. The root if both are the
    /// same, `None` if this path is elsewhere.
    #[must_use]
    pub fn beneath(&self, ancestor: &Self) -> Option<Self> {
        if ancestor.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(ancestor.as_str())? {
            "" => Some(Self::root()),
            rest => Some(Self(rest.strip_prefix('/')?.to_owned())),
        }
    }

    /// The entry that `rest` names within this folder.
    ///
    /// # Errors
    /// When the path becomes too long.
    pub fn append(&self, rest: &Self) -> Result<Self, PathError> {
        match (self.as_str(), rest.as_str()) {
            ("", path) | (path, "") => Ok(Self(path.to_owned())),
            (folder, rest) => Self::parse(format!("{folder}/{rest}")),
        }
    }
}

fn check_path(text: &str) -> Result<(), PathError> {
    if text.len() > MAX_PATH {
        return Err(PathError::TooLong);
    }
    if text.is_empty() {
        return Ok(());
    }
    text.split('/').try_for_each(check_name)
}

/// Whether `name` can be one entry's name.
pub(crate) fn is_name(name: &str) -> bool {
    check_name(name).is_ok() && !name.contains('/')
}

fn check_name(name: &str) -> Result<(), PathError> {
    match name {
        "" => Err(PathError::EmptyName),
        "." | ".." => Err(PathError::RelativeName),
        _ if name.contains('\0') => Err(PathError::Nul),
        _ if name.len() > MAX_NAME => Err(PathError::TooLong),
        _ => Ok(()),
    }
}

impl fmt::Display for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SharePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_beneath_another_by_whole_names() {
        let at = |text: &str| SharePath::parse(text).unwrap();
        for (path, ancestor, rest) in [
            ("a", "a", Some("")),
            ("a/b/c", "a", Some("b/c")),
            ("a/b/c", "a/b", Some("c")),
            ("a/b", "", Some("a/b")),
            ("", "", Some("")),
            ("ab", "a", None),
            ("ab/c", "a", None),
            ("a", "a/b", None),
            ("", "a", None),
            ("A", "a", None),
        ] {
            let found = at(path).beneath(&at(ancestor));
            assert_eq!(found, rest.map(at), "{path:?} beneath {ancestor:?}");
            if let Some(rest) = found {
                assert_eq!(at(ancestor).append(&rest), Ok(at(path)));
            }
        }
        assert_eq!(at(&"a/".repeat(2000)[..3999]).append(&at(&"b".repeat(200))), Err(PathError::TooLong));
    }

    #[test]
    fn refuses_every_way_out() {
        for (text, error) in [
            ("/etc/passwd", PathError::EmptyName),
            ("a//b", PathError::EmptyName),
            ("a/", PathError::EmptyName),
            ("..", PathError::RelativeName),
            ("a/../../b", PathError::RelativeName),
            ("a/./b", PathError::RelativeName),
            ("a\0b", PathError::Nul),
        ] {
            assert_eq!(SharePath::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(SharePath::parse("a/".repeat(4000)), Err(PathError::TooLong));
        assert_eq!(SharePath::parse("a".repeat(1025)), Err(PathError::TooLong));
    }

    #[test]
    fn joins_and_splits() {
        let path = SharePath::root().join("a").and_then(|a| a.join("<b> \"c\"")).unwrap();
        assert_eq!(path.as_str(), "a/<b> \"c\"");
        assert_eq!(path.name(), Some("<b> \"c\""));
        assert_eq!(path.parent(), Some(SharePath::parse("a").unwrap()));
        assert_eq!(SharePath::parse("a").unwrap().parent(), Some(SharePath::root()));
        assert_eq!(SharePath::root().parent(), None);
        assert_eq!(SharePath::root().join("a/b"), Err(PathError::EmptyName));
    }
}
