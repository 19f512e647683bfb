//! A real Chromium with the real extension against the real server: what the tests in `tests/` and the `start` program stand on.
//!
//! Read [`Stage`] first: it owns everything a test needs. Nothing here stands in for a part of the project but [`Hostile`], a server that lies, and
//! [`WebServer`], one of plain HTTP that is not ours; the only thing of our own between extension and server is [`Proxy`], which counts, holds and
//! cuts bytes so that *half-way* is a place and not a matter of luck, and which spoils messages for [`torture`]. Every process is started here, on a
//! port the system chooses, and ends with its owner, also when a test panics. Waiting is for a condition with a limit, never for a time.

mod browser;
mod committed;
mod devtools;
mod driver;
mod extension;
mod field;
mod folder;
mod front;
mod hostile;
mod memory;
mod paths;
mod process;
mod proxy;
mod random;
mod sample;
mod server;
mod stage;
mod toolbar;
pub mod torture;
mod view;
mod wait;
mod web_server;
mod workers;

pub use browser::{Appearance, Browser, Chromium, Offline, Profile, launch_for_the_user};
pub use committed::Committed;
pub use driver::Driver;
pub use extension::Extension;
pub use folder::hashes;
pub use front::Front;
pub use hostile::{Bait, Hostile, binary, entry};
pub use memory::{Memory, MemoryWatch};
pub use paths::{screenshots, target};
pub use process::Tree;
pub use proxy::{Fault, Proxy, Sums};
pub use random::Random;
pub use sample::{Contents, hash_file, make_samples};
pub use server::Server;
pub use stage::Stage;
pub use thirtyfour::Key;
pub use toolbar::ToolbarPopup;
pub use view::{Page, Row, View};
pub use wait::{LONG, LONGEST, SHORT, until};
pub use web_server::WebServer;
pub use workers::Clocks;
