//! The kinds of a folder's entries, and their icons.

use crate::icon::Icon;

/// The kind of a folder's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Can be opened.
    Folder,
    /// Can be fetched.
    File,
    /// A link to nothing.
    Dangling,
    /// A link out of the shared folder.
    LeadsOut,
    /// A circular link.
    Circle,
    /// May not be read.
    Unreadable,
}

impl EntryKind {
    /// Whether a click has an effect.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Folder | Self::File)
    }

    /// Why a click has no effect, in words.
    pub const fn note(self) -> Option<&'static str> {
        match self {
            Self::Folder | Self::File => None,
            Self::Dangling => Some("broken link"),
            Self::LeadsOut => Some("link leads out"),
            Self::Circle => Some("link in a circle"),
            Self::Unreadable => Some("not readable"),
        }
    }
}

/// The icon of an entry, by its kind, and for a file by its extension.
pub fn icon(kind: EntryKind, name: &str) -> Icon {
    match kind {
        EntryKind::Folder => Icon::Folder,
        EntryKind::Dangling | EntryKind::LeadsOut | EntryKind::Circle => Icon::Unlink,
        EntryKind::Unreadable => Icon::Lock,
        EntryKind::File => file_icon(name),
    }
}

/// The icon of a file by its extension.
pub fn file_icon(name: &str) -> Icon {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "7z" | "bz2" | "deb" | "gz" | "iso" | "rar" | "rpm" | "tar" | "tgz" | "xz" | "zip" | "zst" => Icon::Archive,
        "aac" | "flac" | "m4a" | "mid" | "mp3" | "ogg" | "opus" | "wav" => Icon::Audio,
        "avi" | "m4v" | "mkv" | "mov" | "mp4" | "mpg" | "webm" => Icon::Video,
        "avif" | "bmp" | "gif" | "heic" | "jpeg" | "jpg" | "png" | "svg" | "tif" | "tiff" | "webp" => Icon::Image,
        "c" | "cpp" | "css" | "go" | "h" | "html" | "java" | "js" | "json" | "py" | "rs" | "sh" | "toml" | "ts"
        | "xml" | "yaml" | "yml" => Icon::Code,
        "csv" | "doc" | "docx" | "epub" | "log" | "md" | "odt" | "pdf" | "rtf" | "tex" | "txt" => Icon::Document,
        _ => Icon::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_comes_before_the_extension() {
        assert_eq!(icon(EntryKind::Folder, "photos.zip"), Icon::Folder);
        assert_eq!(icon(EntryKind::Dangling, "a.txt"), Icon::Unlink);
        assert_eq!(icon(EntryKind::Unreadable, "a.txt"), Icon::Lock);
        assert_eq!(icon(EntryKind::File, "PHOTO.JPG"), Icon::Image);
        assert_eq!(icon(EntryKind::File, "no extension"), Icon::File);
    }
}
