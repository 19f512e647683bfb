//! A real Chromium with the real extension against the real server: the basis of the tests in `tests/` and of the
//! `start` program.
//!
//! Read [`Stage`] first: it owns everything a test needs. No part of the project is replaced, except by the lying
//! servers, which come from `wstp_testkit`. The proxy between extension and server comes from there too, and is the
//! only code of ours between them. Every process ends with its owner, also when a test panics. Waiting is for a
//! condition with a limit, never for a time.

mod browser;
mod committed;
mod desktop;
mod devtools;
mod extension;
mod field;
mod folder;
mod memory;
mod paths;
pub mod sandbox;
mod stage;
mod toolbar;
pub mod torture;
mod view;
mod workers;

pub use browser::{Appearance, Browser, Chromium, Offline, Profile, launch_for_the_user};
pub use committed::Committed;
pub use desktop::{Answer, Desktop};
pub use extension::Extension;
pub use folder::hashes;
pub use memory::{Memory, MemoryWatch};
pub use paths::screenshots;
pub use stage::Stage;
pub use thirtyfour::Key;
pub use toolbar::ToolbarPopup;
pub use view::{Page, Row, View};
pub use workers::Clocks;
