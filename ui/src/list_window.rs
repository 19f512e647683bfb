//! Decides which rows of a long list are drawn, and how keys move the mark. Pure.

use std::ops::Range;

/// The height of a row in CSS pixels; the style sheet agrees (`--row`).
pub const ROW: f64 = 28.0;
/// Rows drawn beyond each edge, so that a fast scroll shows no gap.
const SPARE: usize = 12;

/// The rows to draw of a list of `count`, scrolled by `scrolled` pixels in a window `height` pixels high.
pub fn visible(scrolled: f64, height: f64, count: usize) -> Range<usize> {
    visible_of(ROW, scrolled, height, count)
}

/// The same for rows of another height.
pub fn visible_of(row: f64, scrolled: f64, height: f64, count: usize) -> Range<usize> {
    let row = row.max(1.0);
    let first = (scrolled.max(0.0) / row) as usize;
    let shown = (height.max(0.0) / row).ceil() as usize;
    let start = first.saturating_sub(SPARE).min(count);
    start..first.saturating_add(shown + SPARE).min(count)
}

/// How far to scroll so that row `index` can be seen, or `None` if it already can.
pub fn reveal(index: usize, scrolled: f64, height: f64) -> Option<f64> {
    let top = index as f64 * ROW;
    if top < scrolled {
        Some(top)
    } else if top + ROW > scrolled + height {
        Some(top + ROW - height)
    } else {
        None
    }
}

/// The row to which a key moves the mark in a list of `count` rows with `page` rows in sight. `None` if it is no such
/// key.
pub fn step(key: &str, marked: Option<usize>, page: usize, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    let page = page.max(1);
    match (key, marked) {
        ("ArrowDown" | "Home" | "PageDown", None) | ("Home", _) => Some(0),
        ("ArrowUp" | "PageUp", None) | ("End", _) => Some(last),
        ("ArrowDown", Some(index)) => Some((index + 1).min(last)),
        ("ArrowUp", Some(index)) => Some(index.saturating_sub(1).min(last)),
        ("PageDown", Some(index)) => Some((index + page).min(last)),
        ("PageUp", Some(index)) => Some(index.saturating_sub(page).min(last)),
        _ => None,
    }
}

/// The next name that begins with the typed letters, ignoring case. One letter searches after the mark, so that typing
/// it again moves on. Several letters search from the mark.
pub fn find<'a>(count: usize, name: impl Fn(usize) -> &'a str, typed: &str, marked: Option<usize>) -> Option<usize> {
    let wanted = typed.to_lowercase();
    let start = marked.map_or(0, |index| index + usize::from(typed.chars().nth(1).is_none())).min(count);
    let fits = |name: &str| name.chars().flat_map(char::to_lowercase).take(wanted.chars().count()).eq(wanted.chars());
    (start..count).chain(0..start).find(|row| fits(name(*row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_sight_is_drawn_of_a_hundred_thousand() {
        assert_eq!(visible(0.0, 280.0, 100_000), 0..22);
        let middle = visible(50_000.0 * ROW, 280.0, 100_000);
        assert_eq!(middle, 49_988..50_022);
        assert_eq!(visible(1e12, 280.0, 100_000), 100_000..100_000);
        assert_eq!(visible(-50.0, 280.0, 3), 0..3);
        assert_eq!(visible_of(56.0, 5600.0, 560.0, 1000), 88..122);
        assert_eq!(visible_of(0.0, 0.0, 10.0, 5), 0..5, "before anything was measured");
    }

    #[test]
    fn revealing_moves_no_further_than_needed() {
        assert_eq!(reveal(5, 0.0, 280.0), None);
        assert_eq!(reveal(10, 0.0, 280.0), Some(28.0));
        assert_eq!(reveal(2, 140.0, 280.0), Some(56.0));
    }

    #[test]
    fn keys_stay_inside_the_list() {
        assert_eq!(step("ArrowDown", None, 10, 3), Some(0));
        assert_eq!(step("ArrowUp", None, 10, 3), Some(2));
        assert_eq!(step("ArrowDown", Some(2), 10, 3), Some(2));
        assert_eq!(step("PageDown", Some(0), 10, 30), Some(10));
        assert_eq!(step("PageUp", Some(25), 0, 30), Some(24));
        assert_eq!(step("End", Some(1), 10, 30), Some(29));
        assert_eq!(step("x", Some(1), 10, 30), None);
        assert_eq!(step("ArrowDown", None, 10, 0), None);
    }

    #[test]
    fn typing_finds_the_next_name_and_goes_round() {
        let names = ["apple", "Banana", "berry", "Ärger"];
        let look = |typed, marked| find(names.len(), |row| names[row], typed, marked);
        assert_eq!(look("b", None), Some(1));
        assert_eq!(look("b", Some(1)), Some(2));
        assert_eq!(look("b", Some(2)), Some(1));
        assert_eq!(look("be", Some(1)), Some(2));
        assert_eq!(look("ä", Some(3)), Some(3));
        assert_eq!(look("z", Some(0)), None);
        assert_eq!(find(0, |_| "", "a", None), None);
    }
}
