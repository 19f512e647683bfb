//! Changes of the shares in the configuration file. Its comments and everything else in it stay. The server then reads
//! the file again, as after any change of it.

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::Path;
use std::str::FromStr;

use toml_edit::{DocumentMut, Item, Table, value};
use wstp_admin_messages::PutShare;

use crate::settings::{Settings, ShareName};

/// One change.
pub enum Change {
    /// Adds a share, or changes the one of this name.
    Put(PutShare),
    /// Shares it again, or for now no more.
    Switch(String, bool),
    /// Removes it. Its files stay.
    Remove(String),
    /// Limits the bytes a second.
    Limit(Limited, Option<NonZeroU64>),
}

/// The traffic that a limit is for.
#[derive(Clone, Debug)]
pub enum Limited {
    /// All callers together.
    All,
    /// Each caller.
    Callers,
    /// All callers of one share together.
    Share(String),
}

/// Why a change was refused. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// The share is not in the file.
    #[error("the configuration file has no share {0}")]
    NoShare(String),
    /// Something about the share is wrong.
    #[error("{0}")]
    Wrong(String),
    /// The file can't be read or written.
    #[error("the configuration file can't be changed: {0}")]
    Io(#[from] io::Error),
}

/// Changes the file. Blocking.
///
/// # Errors
/// Whatever is wrong with the change or the file, which stays as it was.
pub fn change(file: &Path, change: &Change) -> Result<(), NotChanged> {
    // A link stays a link.
    let file = file.canonicalize()?;
    let text = changed(&std::fs::read_to_string(&file)?, change)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(std::fs::metadata(&file)?.permissions())?;
    new.as_file().sync_all()?;
    new.persist(&file).map_err(|error| error.error)?;
    Ok(())
}

/// The text after a change.
fn changed(text: &str, change: &Change) -> Result<String, NotChanged> {
    let mut document = DocumentMut::from_str(text).map_err(|error| NotChanged::Wrong(error.message().to_owned()))?;
    match change {
        Change::Limit(Limited::All, rate) => set_rate(document.as_table_mut(), "rate", *rate),
        Change::Limit(Limited::Callers, rate) => set_rate(document.as_table_mut(), "client_rate", *rate),
        _ => {}
    }
    let mut new = Table::new();
    new.set_implicit(true);
    let shares = document.entry("shares").or_insert(Item::Table(new));
    let shares = shares.as_table_like_mut().ok_or_else(|| NotChanged::Wrong("shares is no table".to_owned()))?;
    match change {
        Change::Put(put) => {
            ShareName::from_str(&put.name).map_err(NotChanged::Wrong)?;
            let path = Path::new(&put.path);
            if !path.is_absolute() || !path.is_dir() {
                return Err(NotChanged::Wrong(format!("there is no folder {:?} on the server", put.path)));
            }
            let share = shares.entry(&put.name).or_insert(Item::Table(Table::new()));
            let share = share.as_table_like_mut().ok_or_else(|| NotChanged::NoShare(put.name.clone()))?;
            share.insert("path", value(&put.path));
            set(share, "public", put.public, false);
        }
        Change::Switch(name, on) => {
            let share = shares.get_mut(name).and_then(Item::as_table_like_mut);
            set(share.ok_or_else(|| NotChanged::NoShare(name.clone()))?, "on", *on, true);
        }
        Change::Limit(Limited::Share(name), rate) => {
            let share = shares.get_mut(name).and_then(Item::as_table_like_mut);
            set_rate(share.ok_or_else(|| NotChanged::NoShare(name.clone()))?, "rate", *rate);
        }
        Change::Limit(Limited::All | Limited::Callers, _) => {}
        Change::Remove(name) => {
            shares.remove(name).ok_or_else(|| NotChanged::NoShare(name.clone()))?;
        }
    }
    let text = document.to_string();
    Settings::parse(&text).map_err(|(line, reason)| NotChanged::Wrong(format!("line {line}: {reason}")))?;
    Ok(text)
}

/// Writes a limit in KiB, or removes it.
fn set_rate(table: &mut dyn toml_edit::TableLike, key: &str, rate: Option<NonZeroU64>) {
    match rate.map(|rate| i64::try_from(rate.get().div_ceil(1024)).unwrap_or(i64::MAX)) {
        Some(kib) => drop(table.insert(key, value(kib))),
        None => drop(table.remove(key)),
    }
}

/// Writes a key, or removes it where its default says the same.
fn set(share: &mut dyn toml_edit::TableLike, key: &str, wanted: bool, default: bool) {
    if wanted == default {
        share.remove(key);
    } else {
        share.insert(key, value(wanted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\nlisten = \"127.0.0.1:0\"\n\n# the films\n[shares.films]\npath = \"/\" # all\n";

    fn put(name: &str, path: &str, public: bool) -> Change {
        Change::Put(PutShare { name: name.to_owned(), path: path.to_owned(), public })
    }

    #[test]
    fn a_change_keeps_comments_and_says_what_it_means() {
        let off = changed(TEXT, &Change::Switch("films".to_owned(), false)).unwrap();
        assert!(off.contains("# mine") && off.contains("# the films") && off.contains("# all"), "{off}");
        assert!(!Settings::parse(&off).unwrap().shares.values().next().unwrap().on);
        assert_eq!(changed(&off, &Change::Switch("films".to_owned(), true)).unwrap(), TEXT);
        let two = changed(TEXT, &put("Fotos 2026", "/usr", true)).unwrap();
        let shares = Settings::parse(&two).unwrap().shares;
        let new = &shares[&ShareName::from_str("Fotos 2026").unwrap()];
        assert!(new.public && new.path == Path::new("/usr") && shares.len() == 2, "{two}");
        assert_eq!(changed(&two, &Change::Remove("Fotos 2026".to_owned())).unwrap().trim_end(), TEXT.trim_end());
    }

    #[test]
    fn a_limit_is_written_in_kib_and_removed_again() {
        let limited = [Limited::All, Limited::Callers, Limited::Share("films".to_owned())];
        let mut text = TEXT.to_owned();
        for limited in &limited {
            text = changed(&text, &Change::Limit(limited.clone(), NonZeroU64::new(5_000_000))).unwrap();
        }
        let settings = Settings::parse(&text).unwrap();
        let share = settings.shares.values().next().unwrap().rate;
        assert_eq!([settings.rate, settings.client_rate, share], [NonZeroU64::new(4883); 3], "{text}");
        for limited in &limited {
            text = changed(&text, &Change::Limit(limited.clone(), None)).unwrap();
        }
        assert_eq!(text, TEXT);
    }

    #[test]
    fn a_wrong_change_is_refused() {
        for wrong in [
            put("", "/", false),
            put("..", "/", false),
            put(".hidden", "/", false),
            put("a/b", "/", false),
            put("new", "relative", false),
            put("new", "/no/such/folder", false),
            Change::Switch("music".to_owned(), false),
            Change::Remove("music".to_owned()),
            Change::Limit(Limited::Share("music".to_owned()), NonZeroU64::new(1)),
        ] {
            assert!(changed(TEXT, &wrong).is_err());
        }
    }
}
