//! The product's signature: which parts of a file are verified, received, in flight, or missing.
//!
//! Drawn as SVG, so that colours follow the theme and lines stay sharp by themselves. The states differ in height in
//! the strip and in filling in the full map, so they can be told apart without colour.

use leptos::prelude::*;
use wstp_words::say;

use crate::format::percent;
use crate::ranges::{BlockRanges, Cell};

/// The drawing's width in its own units. It is stretched to the width of its place.
const WIDTH: f64 = 1000.0;
/// The least width of a fetched run, and of a run in flight, in units of the drawing.
const LEAST: (f64, f64) = (2.0, 6.0);
/// Columns of the full map, and its most rows.
const COLUMNS: usize = 64;
const ROWS: usize = 12;
/// The side of a cell and the distance to the next, in units of the drawing.
const CELL: (f64, f64) = (6.0, 8.0);

/// The map in words, for screen readers.
fn words(map: &BlockRanges) -> String {
    let sum = |ranges: &[(u64, u64)]| ranges.iter().map(|(first, end)| end.saturating_sub(*first)).sum::<u64>();
    let verified = sum(&map.verified);
    let here = verified.saturating_add(sum(&map.received));
    say!(map_words, percent(here, map.total), percent(verified, map.total))
}

/// The thin strip. Verified blocks fill its height, received ones two thirds, those in flight a third. Missing blocks
/// are a line.
#[component]
pub fn BlockStrip(
    /// The map to draw.
    #[prop(into)]
    map: Signal<BlockRanges>,
) -> impl IntoView {
    let draw = move |pick: fn(&BlockRanges) -> &Vec<(u64, u64)>, heights, least| {
        Memo::new(move |_| map.with(|map| map.path(pick(map), WIDTH, heights, least)))
    };
    let verified = draw(|map| &map.verified, (0.0, 9.0), LEAST.0);
    let received = draw(|map| &map.received, (3.0, 9.0), LEAST.0);
    let in_flight = draw(|map| &map.in_flight, (6.0, 9.0), LEAST.1);
    view! {
        <svg class="strip" viewBox="0 0 1000 9" preserveAspectRatio="none" role="img" aria-label=move || map.with(words)>
            <path class="map-missing" d="M0 8h1000v1h-1000z" />
            <path class="map-verified" d=verified />
            <path class="map-received" d=received />
            <path class="map-in-flight" d=in_flight />
        </svg>
    }
}

/// The full map: one square for each piece of the file, with its legend.
#[component]
pub fn BlockMap(
    /// The map to draw.
    #[prop(into)]
    map: Signal<BlockRanges>,
) -> impl IntoView {
    let cells = Memo::new(move |_| map.with(|map| map.cells(COLUMNS * ROWS)));
    let draw = move |wanted: Cell| Memo::new(move |_| cells.with(|cells| path(cells, wanted)));
    let rows = move || cells.with(|cells| cells.len().div_ceil(COLUMNS).max(1));
    let view_box = move || format!("0 0 {} {}", COLUMNS as f64 * CELL.1, rows() as f64 * CELL.1);
    let [verified, received, in_flight, partial, missing] =
        [Cell::Verified, Cell::Received, Cell::InFlight, Cell::Partial, Cell::Missing].map(draw);
    view! {
        <figure class="map">
            <svg viewBox=view_box role="img" aria-label=move || map.with(words)>
                <path class="map-missing" d=missing />
                <path class="map-partial" d=partial />
                <path class="map-verified" d=verified />
                <path class="map-received" d=received />
                <path class="map-in-flight" d=in_flight />
            </svg>
            <figcaption class="legend">
                <Key cell=Cell::Verified word=say!(verified) />
                <Key cell=Cell::Received word=say!(received) />
                <Key cell=Cell::InFlight word=say!(on_its_way) />
                <Key cell=Cell::Partial word=say!(in_part) />
                <Key cell=Cell::Missing word=say!(missing) />
            </figcaption>
        </figure>
    }
}

#[component]
fn Key(cell: Cell, word: String) -> impl IntoView {
    view! {
        <span>
            <svg viewBox="0 0 6 6" aria-hidden="true">
                <path class=class(cell) d=shape(cell, 0.0, 0.0) />
            </svg>
            {word}
        </span>
    }
}

const fn class(cell: Cell) -> &'static str {
    match cell {
        Cell::Verified => "map-verified",
        Cell::Received => "map-received",
        Cell::InFlight => "map-in-flight",
        Cell::Partial => "map-partial",
        Cell::Missing => "map-missing",
    }
}

/// One cell: full, lower two thirds, a ring, the lower third, or a dot.
fn shape(cell: Cell, x: f64, y: f64) -> String {
    let side = CELL.0;
    match cell {
        Cell::Verified => format!("M{x} {y}h{side}v{side}h-{side}z"),
        Cell::Received => format!("M{x} {}h{side}v4h-{side}z", y + 2.0),
        Cell::InFlight => format!("M{x} {y}h{side}v{side}h-{side}zM{} {}v3h3v-3z", x + 1.5, y + 1.5),
        Cell::Partial => format!("M{x} {}h{side}v2h-{side}z", y + 4.0),
        Cell::Missing => format!("M{} {}h2v2h-2z", x + 2.0, y + 2.0),
    }
}

/// All cells of one state.
fn path(cells: &[Cell], wanted: Cell) -> String {
    let place = |index: usize| ((index % COLUMNS) as f64 * CELL.1, (index / COLUMNS) as f64 * CELL.1);
    let fitting = cells.iter().enumerate().filter(|(_, cell)| **cell == wanted);
    fitting.map(|(index, cell)| (place(index), cell)).map(|((x, y), cell)| shape(*cell, x, y)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_what_is_here_and_what_is_verified() {
        let map =
            BlockRanges { total: 200, verified: vec![(0, 50)], received: vec![(50, 80)], in_flight: vec![(80, 90)] };
        assert_eq!(words(&map), "40 % here, 25 % verified");
        assert_eq!(words(&BlockRanges::default()), "100 % here, 100 % verified");
    }

    #[test]
    fn cells_are_laid_out_in_rows() {
        let mut cells = vec![Cell::Missing; COLUMNS + 2];
        cells[COLUMNS + 1] = Cell::Verified;
        assert_eq!(path(&cells, Cell::Verified), "M8 8h6v6h-6z");
        assert_eq!(path(&cells, Cell::Received), "");
    }
}
