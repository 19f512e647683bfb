//! The kinds of a folder's entries, and their icons.

use wstp_words::say;

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
    pub fn note(self) -> Option<String> {
        match self {
            Self::Folder | Self::File => None,
            Self::Dangling => Some(say!(broken_link)),
            Self::LeadsOut => Some(say!(link_leads_out)),
            Self::Circle => Some(say!(link_in_circle)),
            Self::Unreadable => Some(say!(not_readable)),
        }
    }
}

/// The kinds that people look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Folders.
    Folder,
    /// Pictures.
    Image,
    /// Films.
    Video,
    /// Music and speech.
    Audio,
    /// Texts and tables.
    Document,
    /// Archives and disk images.
    Archive,
    /// Programs as text.
    Code,
    /// All else.
    Other,
}

impl Group {
    /// All of them, in their order.
    pub const ALL: [Self; 8] =
        [Self::Folder, Self::Image, Self::Video, Self::Audio, Self::Document, Self::Archive, Self::Code, Self::Other];

    /// The group of an entry.
    pub fn of(kind: EntryKind, name: &str) -> Self {
        match icon(kind, name) {
            Icon::Folder => Self::Folder,
            Icon::Image => Self::Image,
            Icon::Video => Self::Video,
            Icon::Audio => Self::Audio,
            Icon::Document => Self::Document,
            Icon::Archive => Self::Archive,
            Icon::Code => Self::Code,
            _ => Self::Other,
        }
    }

    /// Its name in the choice of kinds.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Archive => "archive",
            Self::Code => "code",
            Self::Other => "other",
        }
    }

    /// Its words.
    pub fn words(self) -> String {
        match self {
            Self::Folder => say!(kind_folders),
            Self::Image => say!(kind_images),
            Self::Video => say!(kind_videos),
            Self::Audio => say!(kind_audio),
            Self::Document => say!(kind_documents),
            Self::Archive => say!(kind_archives),
            Self::Code => say!(kind_code),
            Self::Other => say!(kind_rest),
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

/// The part of a name behind its last dot; empty without a dot.
pub fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// The media type of a file that a browser can show, by its extension. Text of any kind is `text/plain`.
pub fn media_type(name: &str) -> Option<&'static str> {
    Some(match extension(name).to_ascii_lowercase().as_str() {
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "m4a" => "audio/mp4",
        "mp3" => "audio/mpeg",
        "oga" | "ogg" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "m4v" | "mov" | "mp4" => "video/mp4",
        "mkv" => "video/x-matroska",
        "ogv" => "video/ogg",
        "webm" => "video/webm",
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "jpeg" | "jpg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "c" | "cfg" | "conf" | "cpp" | "css" | "csv" | "diff" | "go" | "h" | "htm" | "html" | "ini" | "java" | "js"
        | "json" | "log" | "md" | "patch" | "py" | "rs" | "sh" | "sql" | "srt" | "tex" | "toml" | "ts" | "tsv"
        | "txt" | "vtt" | "xml" | "yaml" | "yml" => "text/plain",
        _ => return None,
    })
}

/// The icon of a file by its extension.
pub fn file_icon(name: &str) -> Icon {
    match extension(name).to_ascii_lowercase().as_str() {
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
        for (kind, name, group) in [
            (EntryKind::Folder, "photos.zip", Group::Folder),
            (EntryKind::File, "photos.zip", Group::Archive),
            (EntryKind::LeadsOut, "photos.zip", Group::Other),
        ] {
            assert_eq!(Group::of(kind, name), group);
        }
    }
}
