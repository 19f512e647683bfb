//! Names that Windows keeps for itself.

const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "clock$", "conin$", "conout$"];

/// Whether Windows takes the name for a device, whatever its extension.
#[must_use]
pub fn is_device(name: &str) -> bool {
    let lower = name.to_lowercase();
    let stem = lower.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let numbered = ["com", "lpt"].iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|number| {
            let mut digits = number.chars();
            digits.next().is_some_and(|digit| digit.is_ascii_digit() || matches!(digit, '¹' | '²' | '³'))
                && digits.next().is_none()
        })
    });
    numbered || DEVICES.contains(&stem)
}

/// Whether the Windows shell takes the file for one of its own.
pub fn is_shell_file(name: &str) -> bool {
    ["desktop.ini", "thumbs.db"].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// The extension, without its dot, if the Windows shell acts upon it.
pub fn shell_extension(name: &str) -> Option<&str> {
    let (_, extension) = name.rsplit_once('.')?;
    let lower = extension.to_ascii_lowercase();
    let is_class = lower.starts_with('{') && lower.ends_with('}');
    (is_class || matches!(lower.as_str(), "lnk" | "local" | "scf" | "url" | "pif")).then_some(extension)
}
