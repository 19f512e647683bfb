//! The files in a transfer's folder of the sandbox, and the words about the files of a folder that could not be
//! fetched.

use serde::{Deserialize, Serialize};
use wstp_engine::folder::FileId;
use wstp_engine::journal::FILES;
use wstp_messages::Problem;

use crate::catalogue::record::FORMAT;

/// The data of a file, or of a large file of a folder.
pub const DATA: &str = "data";
/// The small files, one behind the other.
pub const PACK: &str = "pack";
/// The state of a file, or of all files of a folder: [`wstp_engine::journal`] and [`wstp_engine::folder::journal`].
pub const JOURNAL: &str = FILES[0];
/// The journal's other file.
pub const JOURNAL2: &str = FILES[1];
/// One record of [`Trouble`]s.
pub const PROBLEMS: &str = "problems";
/// Longest of these that is read.
pub const MAX_JOURNAL: u64 = 256 << 20;
/// Most troubles that are kept in words.
pub const MAX_PROBLEMS: usize = 10_000;

/// Something of a folder that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Its path in the folder.
    pub path: String,
    /// Bytes, if it is a file.
    pub size: u64,
    /// Why.
    pub problem: Problem,
    /// Whether it was left out when it was listed, and so is not tried again.
    pub is_left_out: bool,
}

/// The names along the way to the storage of a large file.
pub fn large(transfer: &str, file: FileId) -> Vec<String> {
    ["transfers", transfer, "large", &file.0.to_string()].map(str::to_owned).to_vec()
}

/// Troubles as they stand in their file.
pub fn encode_problems(problems: &[Trouble]) -> Vec<u8> {
    FORMAT.begin(0, &&problems[..problems.len().min(MAX_PROBLEMS)])
}

/// Reads them back; none from a file that is torn, or that another version wrote.
pub fn read_problems(bytes: &[u8]) -> Vec<Trouble> {
    let mut reader = FORMAT.open(bytes).ok().flatten();
    reader.as_mut().and_then(|reader| reader.next_record().ok().flatten()).unwrap_or_default()
}
