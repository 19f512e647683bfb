//! The strip that shows which parts of a file a client was sent.

use leptos::prelude::*;

/// The level of a bucket that was sent as a whole.
const WHOLE: u32 = 9;
/// The height of the strip in its own units.
const HEIGHT: u32 = 9;

/// The strip of a transfer: one column for each bucket, as high as much of it was sent. A missing part is a line.
#[component]
pub fn SentStrip(
    /// How full each bucket is: digits from 0 to 9.
    #[prop(into)]
    levels: Signal<String>,
) -> impl IntoView {
    let view_box = move || format!("0 0 {} {HEIGHT}", levels.with(|levels| levels.len().max(1)));
    let missing = move || levels.with(|levels| format!("M0 {}h{}v1H0z", HEIGHT - 1, levels.len()));
    view! {
        <svg
            class="strip"
            viewBox=view_box
            preserveAspectRatio="none"
            role="img"
            data-testid="sent-strip"
            aria-label=move || levels.with(|levels| words(levels))
        >
            <path class="map-missing" d=missing />
            <path class="map-verified" d=move || levels.with(|levels| path(levels)) />
        </svg>
    }
}

fn digits(levels: &str) -> impl Iterator<Item = u32> {
    levels.chars().map(|level| level.to_digit(10).unwrap_or(0).min(WHOLE))
}

/// The columns.
fn path(levels: &str) -> String {
    let columns = digits(levels).enumerate().filter(|(_, level)| *level > 0);
    columns.map(|(at, level)| format!("M{at} {}h1v{level}h-1z", HEIGHT - level)).collect()
}

/// The same in words, for screen readers.
fn words(levels: &str) -> String {
    let (sent, all) = (digits(levels).sum::<u32>(), WHOLE * u32::try_from(levels.len()).unwrap_or(u32::MAX).max(1));
    match sent * 100 / all {
        0 if sent > 0 => "less than 1 % sent".to_owned(),
        percent => format!("{percent} % sent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_high_as_much_was_sent() {
        assert_eq!(path("0901"), "M1 0h1v9h-1zM3 8h1v1h-1z");
        assert_eq!(path("x"), "");
    }

    #[test]
    fn words_tell_how_much_was_sent() {
        assert_eq!(words("9900"), "50 % sent");
        assert_eq!(words(&"9".repeat(64)), "100 % sent");
        assert_eq!(words(&format!("1{}", "0".repeat(63))), "less than 1 % sent");
        assert_eq!(words(""), "0 % sent");
    }
}
