//! The WSTP design system: the parts of every page.
//!
//! Components take signals and callbacks and know nothing of the extension, of servers or of `chrome.*`. The page
//! brings the data. Colours, spaces and sizes are the tokens of `style/tokens.css`; a page links `style/wstp.css`,
//! which imports all of them. Text from strangers becomes text nodes and attributes only: nothing here sets markup.
//!
//! Pure parts (formats, ranges, windows of lists, paths of drawings) are tested natively beside their code. Parts that
//! need a browser are tested in one.

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

pub mod arrangement;
pub mod block_map;
pub mod breadcrumbs;
pub mod button;
pub mod dates;
pub mod dialog;
pub mod entry_list;
pub mod field;
pub mod file_list;
pub mod finder;
pub mod format;
pub mod icon;
pub mod kind;
pub mod list_window;
pub mod menu;
pub mod name;
pub mod notice;
pub mod progress;
pub mod ranges;
pub mod selection;
pub mod server_picker;
pub mod source_list;
pub mod speed_curve;
pub mod toast;
pub mod transfer_row;
