//! Icons: one set ([Lucide](https://lucide.dev), ISC licence, `ui/icons/LICENSE`), inlined as paths of a 24 x 24
//! drawing.
//!
//! An icon only accompanies words or a label: it is hidden from screen readers.

use leptos::prelude::*;

/// The meaning of an icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Something needs attention.
    Alert,
    /// A packed file.
    Archive,
    /// Sound or music.
    Audio,
    /// One step back.
    Back,
    /// Done and right.
    Check,
    /// Opens downwards.
    ChevronDown,
    /// Leads to the next.
    ChevronRight,
    /// Closes, cancels, forgets.
    Close,
    /// Source text.
    Code,
    /// Text to read.
    Document,
    /// From a server into the browser.
    Download,
    /// One step forward.
    Forward,
    /// One step up.
    Up,
    /// A file of no special kind.
    File,
    /// A folder that can be opened.
    Folder,
    /// Shows where a file is on the disk.
    FolderOpen,
    /// The past.
    History,
    /// A picture.
    Image,
    /// Good to know.
    Info,
    /// May not be read.
    Lock,
    /// Opens in a tab.
    OpenTab,
    /// Stops for now.
    Pause,
    /// Resumes.
    Play,
    /// A place that the user visits again and again.
    Star,
    /// Retries.
    Retry,
    /// Onto the user's disk.
    Save,
    /// Looks for something.
    Search,
    /// A machine that serves files.
    Server,
    /// Settings.
    Settings,
    /// To the first place.
    Top,
    /// Transfers under way.
    Transfers,
    /// Removes.
    Trash,
    /// A link to nothing.
    Unlink,
    /// Moving pictures.
    Video,
}

impl Icon {
    /// Whether it points along the line, and so turns round where lines run from right to left.
    const fn points(self) -> bool {
        matches!(self, Self::Back | Self::Forward | Self::ChevronRight | Self::OpenTab)
    }

    /// The outline, as the `d` of an SVG path.
    const fn path(self) -> &'static str {
        match self {
            Self::Alert => {
                "m21.73 18-8-14a2 2 0 0 0-3.48 0l-8 14A2 2 0 0 0 4 21h16a2 2 0 0 0 1.73-3 M12 9v4 M12 17h.01"
            }
            Self::Archive => {
                "M13.659 22H18a2 2 0 0 0 2-2V8a2.4 2.4 0 0 0-.706-1.706l-3.588-3.588A2.4 2.4 0 0 0 14 2H6a2 2 0 0 0-2 2v11.5 M14 2v5a1 1 0 0 0 1 1h5 M8 12v-1 M8 18v-2 M8 7V6 M6 20a2 2 0 1 0 4 0a2 2 0 1 0 -4 0"
            }
            Self::Audio => {
                "M4 6.835V4a2 2 0 0 1 2-2h8a2.4 2.4 0 0 1 1.706.706l3.588 3.588A2.4 2.4 0 0 1 20 8v12a2 2 0 0 1-2 2h-.343 M14 2v5a1 1 0 0 0 1 1h5 M2 19a2 2 0 0 1 4 0v1a2 2 0 0 1-4 0v-4a6 6 0 0 1 12 0v4a2 2 0 0 1-4 0v-1a2 2 0 0 1 4 0"
            }
            Self::Back => "m12 19-7-7 7-7 M19 12H5",
            Self::Check => "M20 6 9 17l-5-5",
            Self::ChevronDown => "m6 9 6 6 6-6",
            Self::ChevronRight => "m9 18 6-6-6-6",
            Self::Close => "M18 6 6 18 M6 6l12 12",
            Self::Code => {
                "M6 22a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2h8a2.4 2.4 0 0 1 1.704.706l3.588 3.588A2.4 2.4 0 0 1 20 8v12a2 2 0 0 1-2 2z M14 2v5a1 1 0 0 0 1 1h5 M10 12.5 8 15l2 2.5 M14 12.5l2 2.5-2 2.5"
            }
            Self::Document => {
                "M6 22a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2h8a2.4 2.4 0 0 1 1.704.706l3.588 3.588A2.4 2.4 0 0 1 20 8v12a2 2 0 0 1-2 2z M14 2v5a1 1 0 0 0 1 1h5 M10 9H8 M16 13H8 M16 17H8"
            }
            Self::Download => "M12 17V3 M6 11l6 6 6-6 M19 21H5",
            Self::File => {
                "M6 22a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2h8a2.4 2.4 0 0 1 1.704.706l3.588 3.588A2.4 2.4 0 0 1 20 8v12a2 2 0 0 1-2 2z M14 2v5a1 1 0 0 0 1 1h5"
            }
            Self::Folder => {
                "M20 20a2 2 0 0 0 2-2V8a2 2 0 0 0-2-2h-7.9a2 2 0 0 1-1.69-.9L9.6 3.9A2 2 0 0 0 7.93 3H4a2 2 0 0 0-2 2v13a2 2 0 0 0 2 2Z"
            }
            Self::FolderOpen => {
                "m6 14 1.5-2.9A2 2 0 0 1 9.24 10H20a2 2 0 0 1 1.94 2.5l-1.54 6a2 2 0 0 1-1.95 1.5H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2h3.9a2 2 0 0 1 1.69.9l.81 1.2a2 2 0 0 0 1.67.9H18a2 2 0 0 1 2 2v2"
            }
            Self::History => "M3 12a9 9 0 1 0 9-9 9.75 9.75 0 0 0-6.74 2.74L3 8 M3 3v5h5 M12 7v5l4 2",
            Self::Image => {
                "M6 22a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2h8a2.4 2.4 0 0 1 1.704.706l3.588 3.588A2.4 2.4 0 0 1 20 8v12a2 2 0 0 1-2 2z M14 2v5a1 1 0 0 0 1 1h5 M8 12a2 2 0 1 0 4 0a2 2 0 1 0 -4 0 M20 17l-1.296-1.296a2.41 2.41 0 0 0-3.408 0L9 22"
            }
            Self::Info => "M2 12a10 10 0 1 0 20 0a10 10 0 1 0 -20 0 M12 16v-4 M12 8h.01",
            Self::Lock => {
                "M5 11h14a2 2 0 0 1 2 2v7a2 2 0 0 1 -2 2h-14a2 2 0 0 1 -2 -2v-7a2 2 0 0 1 2 -2z M7 11V7a5 5 0 0 1 10 0v4"
            }
            Self::OpenTab => "M15 3h6v6 M10 14 21 3 M18 13v6a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2h6",
            Self::Pause => {
                "M15 3h3a1 1 0 0 1 1 1v16a1 1 0 0 1 -1 1h-3a1 1 0 0 1 -1 -1v-16a1 1 0 0 1 1 -1z M6 3h3a1 1 0 0 1 1 1v16a1 1 0 0 1 -1 1h-3a1 1 0 0 1 -1 -1v-16a1 1 0 0 1 1 -1z"
            }
            Self::Play => "M5 5a2 2 0 0 1 3.008-1.728l11.997 6.998a2 2 0 0 1 .003 3.458l-12 7A2 2 0 0 1 5 19z",
            Self::Star => {
                "M11.525 2.295a.53.53 0 0 1 .95 0l2.31 4.679a2.123 2.123 0 0 0 1.595 1.16l5.166.756a.53.53 0 0 1 .294.904l-3.736 3.638a2.123 2.123 0 0 0-.611 1.878l.882 5.14a.53.53 0 0 1-.771.56l-4.618-2.428a2.122 2.122 0 0 0-1.973 0L6.396 21.01a.53.53 0 0 1-.77-.56l.881-5.139a2.122 2.122 0 0 0-.611-1.879L2.16 9.795a.53.53 0 0 1 .294-.906l5.165-.755a2.122 2.122 0 0 0 1.597-1.16z"
            }
            Self::Forward => "M5 12h14 m-7-7 7 7-7 7",
            Self::Up => "m5 12 7-7 7 7 M12 19V5",
            Self::Retry => "M21 12a9 9 0 1 1-9-9c2.52 0 4.93 1 6.74 2.74L21 8 M21 3v5h-5",
            Self::Save => {
                "M12 2v8 M16 6l-4 4-4-4 M4 14h16a2 2 0 0 1 2 2v4a2 2 0 0 1 -2 2h-16a2 2 0 0 1 -2 -2v-4a2 2 0 0 1 2 -2z M6 18h.01 M10 18h.01"
            }
            Self::Search => "M3 11a8 8 0 1 0 16 0a8 8 0 1 0 -16 0 M21 21l-4.3-4.3",
            Self::Server => {
                "M4 2h16a2 2 0 0 1 2 2v4a2 2 0 0 1 -2 2h-16a2 2 0 0 1 -2 -2v-4a2 2 0 0 1 2 -2z M4 14h16a2 2 0 0 1 2 2v4a2 2 0 0 1 -2 2h-16a2 2 0 0 1 -2 -2v-4a2 2 0 0 1 2 -2z M6 6L6.01 6 M6 18L6.01 18"
            }
            Self::Settings => "M10 5H3 M12 19H3 M14 3v4 M16 17v4 M21 12h-9 M21 19h-5 M21 5h-7 M8 10v4 M8 12H3",
            Self::Top => "M5 3h14 M18 13l-6-6-6 6 M12 7v14",
            Self::Transfers => "m3 16 4 4 4-4 M7 20V4 M21 8l-4-4-4 4 M17 4v16",
            Self::Trash => {
                "M10 11v6 M14 11v6 M19 6v14a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2V6 M3 6h18 M8 6V4a2 2 0 0 1 2-2h4a2 2 0 0 1 2 2v2"
            }
            Self::Unlink => {
                "m18.84 12.25 1.72-1.71h-.02a5.004 5.004 0 0 0-.12-7.07 5.006 5.006 0 0 0-6.95 0l-1.72 1.71 M5.17 11.75l-1.71 1.71a5.004 5.004 0 0 0 .12 7.07 5.006 5.006 0 0 0 6.95 0l1.71-1.71 M8 2L8 5 M2 8L5 8 M16 19L16 22 M19 16L22 16"
            }
            Self::Video => {
                "M4 12V4a2 2 0 0 1 2-2h8a2.4 2.4 0 0 1 1.706.706l3.588 3.588A2.4 2.4 0 0 1 20 8v12a2 2 0 0 1-2 2 M14 2v5a1 1 0 0 0 1 1h5 M10 17.843l3.033-1.755a.64.64 0 0 1 .967.56v4.704a.65.65 0 0 1-.967.56L10 20.157 M4 16h5a1 1 0 0 1 1 1v4a1 1 0 0 1 -1 1h-5a1 1 0 0 1 -1 -1v-4a1 1 0 0 1 1 -1z"
            }
        }
    }
}

/// Draws an icon, 16 pixels square, in the colour of the text around it.
#[component]
pub fn Glyph(
    /// Which one; it may change.
    #[prop(into)]
    icon: Signal<Icon>,
) -> impl IntoView {
    view! {
        <svg class="glyph" class:points=move || icon.get().points() viewBox="0 0 24 24" aria-hidden="true">
            <path d=move || icon.get().path() />
        </svg>
    }
}
