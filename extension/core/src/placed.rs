//! Whether Chrome saved a file where it was asked to.

use wstp_messages::Placed;

/// How `path` on the user's disk answers to `asked`, which is relative to the downloads folder.
pub fn placed(asked: &str, path: &str) -> Placed {
    let path = path.replace('\\', "/");
    let (folder, name) = asked.rsplit_once('/').map_or(("", asked), |(folder, name)| (folder, name));
    let Some((found_folder, found_name)) = path.rsplit_once('/') else { return Placed::Elsewhere };
    let is_in_folder = folder.is_empty()
        || found_folder == folder
        || found_folder.strip_suffix(folder).is_some_and(|rest| rest.ends_with('/'));
    match is_in_folder {
        true if found_name == name => Placed::AsAsked,
        true if is_numbered(name, found_name) => Placed::Numbered,
        _ => Placed::Elsewhere,
    }
}

/// Whether `found` is `name` with a number, as Chrome gives one to a file whose name is taken.
fn is_numbered(name: &str, found: &str) -> bool {
    found.match_indices(" (").any(|(at, _)| {
        let Some((number, rest)) = found[at + 2..].split_once(')') else { return false };
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number && name.strip_prefix(&found[..at]) == Some(rest)
    })
}

/// Whether a path on the user's disk, or below the downloads folder, is in this folder of the downloads folder.
pub fn is_inside(folder: &str, path: &str) -> bool {
    let path = path.replace('\\', "/");
    path.match_indices(folder)
        .any(|(at, _)| (at == 0 || path[..at].ends_with('/')) && path[at + folder.len()..].starts_with('/'))
}

/// The last part of a path on the user's disk.
pub fn last_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The folder that Chrome would save as, relative to the downloads folder, if that answers to `asked`.
pub fn folder_for(asked: &str, path: &str) -> Option<String> {
    match placed(asked, path) {
        Placed::Elsewhere => None,
        Placed::AsAsked | Placed::Numbered => Some(match asked.rsplit_once('/') {
            Some((parent, _)) => format!("{parent}/{}", last_name(path)),
            None => last_name(path).to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_answers_when_its_end_is_what_was_asked() {
        for (asked, path, expected) in [
            ("a.txt", "/home/me/Downloads/a.txt", Placed::AsAsked),
            ("docs/a.txt", "/home/me/Downloads/docs/a.txt", Placed::AsAsked),
            ("docs/a.txt", "C:\\Users\\me\\Downloads\\docs\\a.txt", Placed::AsAsked),
            ("docs/a.txt", "/home/me/Downloads/docs/a (1).txt", Placed::Numbered),
            ("docs/a.tar.gz", "/home/me/Downloads/docs/a (12).tar.gz", Placed::Numbered),
            ("x (1).txt", "/d/x (1) (1).txt", Placed::Numbered),
            ("music", "/d/music (1)", Placed::Numbered),
            ("docs/a.txt", "/home/me/Downloads/a.txt", Placed::Elsewhere),
            ("docs/a.txt", "/home/me/Downloads/mydocs/a.txt", Placed::Elsewhere),
            ("a.txt", "/home/me/Downloads/20f6b523-5f5e", Placed::Elsewhere),
            ("a.txt", "/home/me/Downloads/a (x).txt", Placed::Elsewhere),
            ("a.txt", "/home/me/Downloads/a ().txt", Placed::Elsewhere),
            ("a.txt", "/home/me/Downloads/b (1).txt", Placed::Elsewhere),
            ("a.txt", "", Placed::Elsewhere),
        ] {
            assert_eq!(placed(asked, path), expected, "{asked} at {path}");
        }
    }

    #[test]
    fn a_path_is_inside_a_folder_whose_whole_name_is_in_it() {
        for (folder, path, expected) in [
            ("music", "/d/music/a.txt", true),
            ("music", "music/cd/a.txt", true),
            ("docs/music (1)", "C:\\d\\docs\\music (1)\\a.txt", true),
            ("music", "/d/music (1)/a.txt", false),
            ("music", "/d/mymusic/a.txt", false),
            ("music", "/d/music", false),
        ] {
            assert_eq!(is_inside(folder, path), expected, "{path} in {folder}");
        }
    }

    #[test]
    fn a_folder_has_the_name_that_was_free() {
        assert_eq!(folder_for("docs/music", "/d/docs/music (1)").as_deref(), Some("docs/music (1)"));
        assert_eq!(folder_for("music", "C:\\d\\music").as_deref(), Some("music"));
        assert_eq!(folder_for("docs/music", "/d/20f6b523"), None);
    }
}
