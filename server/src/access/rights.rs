//! Which places of the shared files a caller may read.
//!
//! A place is a folder or a file, and holds for everything beneath it. Paths are compared name by name. That is not
//! enough by itself, because a link may lead elsewhere. So the store opens what a caller asks for beneath the place, and
//! what was opened counts.

use std::collections::BTreeSet;

use wstp_protocol::SharePath;

/// The places that a caller may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights(Vec<Place>);

/// A place that may be read. Each step lies beneath the one before, and the last one is the place itself. The earlier
/// steps bound the links that lead to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place(Vec<SharePath>);

/// How much of a path a caller may see.
#[derive(Debug, PartialEq, Eq)]
pub enum Reach<'a> {
    /// All of it: it lies within this place.
    Within(&'a Place),
    /// These names only, which lead to a place.
    Above(BTreeSet<&'a str>),
    /// Nothing.
    Nowhere,
}

impl Rights {
    /// Every place.
    #[must_use]
    pub fn everything() -> Self {
        Self::of([SharePath::root()])
    }

    /// These places.
    #[must_use]
    pub fn of(places: impl IntoIterator<Item = SharePath>) -> Self {
        Self(places.into_iter().map(|path| Place(vec![path])).collect())
    }

    /// The rights that both give.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|one| other.0.iter().map(move |two| (one, two)));
        Self(pairs.filter_map(|(one, two)| one.and(two)).collect())
    }

    /// The rights that either gives.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let further = other.0.iter().filter(|place| !self.0.contains(place));
        Self(self.0.iter().chain(further).cloned().collect())
    }

    /// The places.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter()
    }

    /// Whether they allow nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they allow everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.iter().any(|place| place.path().is_root())
    }

    /// How much of a path may be seen.
    #[must_use]
    pub fn reach(&self, path: &SharePath) -> Reach<'_> {
        let around = self.0.iter().filter(|place| path.beneath(place.path()).is_some());
        if let Some(widest) = around.min_by_key(|place| place.path().as_str().len()) {
            return Reach::Within(widest);
        }
        let further = self.0.iter().map(Place::path).filter(|place| place.beneath(path).is_some());
        let names: BTreeSet<_> = further.filter_map(|place| place.names().nth(path.names().count())).collect();
        if names.is_empty() { Reach::Nowhere } else { Reach::Above(names) }
    }
}

impl Default for Rights {
    fn default() -> Self {
        Self::everything()
    }
}

impl Place {
    /// Its path.
    #[must_use]
    pub fn path(&self) -> &SharePath {
        self.0.last().expect("a place has at least one step")
    }

    /// The steps to it, the widest first.
    #[must_use]
    pub fn steps(&self) -> &[SharePath] {
        &self.0
    }

    /// The narrower of two places, if one lies within the other. The links to it are bounded by both.
    fn and(&self, other: &Self) -> Option<Self> {
        let (outer, inner) = match (self.path().beneath(other.path()), other.path().beneath(self.path())) {
            (Some(_), _) => (other, self),
            (None, Some(_)) => (self, other),
            (None, None) => return None,
        };
        let mut steps: Vec<_> = outer.0.iter().chain(&inner.0).cloned().collect();
        steps.sort_by_key(|step| step.as_str().len());
        steps.dedup();
        Some(Self(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> SharePath {
        SharePath::parse(path).unwrap()
    }

    fn rights(places: &[&str]) -> Rights {
        Rights::of(places.iter().map(|place| at(place)))
    }

    fn reach(rights: &Rights, path: &str) -> String {
        match rights.reach(&at(path)) {
            Reach::Within(place) => format!("within {}", place.path()),
            Reach::Above(names) => format!("above {}", names.into_iter().collect::<Vec<_>>().join(" ")),
            Reach::Nowhere => "nowhere".to_owned(),
        }
    }

    #[test]
    fn a_place_reaches_down_and_shows_the_way_to_it() {
        let some = rights(&["a/b", "a/c/d", "e"]);
        for (path, expected) in [
            ("", "above a e"),
            ("a", "above b c"),
            ("a/b", "within a/b"),
            ("a/b/x/y", "within a/b"),
            ("a/bb", "nowhere"),
            ("a/c", "above d"),
            ("a/c/dd", "nowhere"),
            ("e/x", "within e"),
            ("ee", "nowhere"),
            ("E", "nowhere"),
        ] {
            assert_eq!(reach(&some, path), expected, "{path:?}");
        }
        assert_eq!(reach(&Rights::everything(), "x/y"), "within ");
        assert_eq!(reach(&rights(&[]), ""), "nowhere");
    }

    #[test]
    fn two_rights_allow_what_both_allow() {
        let both = rights(&["films", "music/old"]).and(&rights(&["films/new", "music", "secret"]));
        for (path, expected) in [
            ("", "above films music"),
            ("films/new/x", "within films/new"),
            ("films/old", "nowhere"),
            ("music/old", "within music/old"),
            ("music/new", "nowhere"),
            ("secret", "nowhere"),
        ] {
            assert_eq!(reach(&both, path), expected, "{path:?}");
        }
        let Reach::Within(place) = both.reach(&at("films/new/x")) else { panic!("it may be read") };
        assert_eq!(place.steps(), [at("films"), at("films/new")]);
        assert_eq!(rights(&["a"]).and(&rights(&["b"])), rights(&[]));
        assert_eq!(Rights::everything().and(&rights(&["a"])).0[0].path(), &at("a"));
    }
}
