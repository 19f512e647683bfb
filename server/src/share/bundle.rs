//! Whole small files for a bundle, read one after the other. Blocks.

use std::fs::File;
use std::io;

use wstp_protocol::limits::{MAX_BUNDLED_FILE, MAX_SERVER_FRAME};
use wstp_protocol::{BundleReply, BundleRequest, Bundled, BundledFile, ErrorCode, SharePath};

use super::folder::Share;
use super::refusal::Refusal;
use super::stamp::Stamp;

impl Share {
    /// The first of the files asked for, as many as a frame holds.
    ///
    /// # Errors
    /// [`ErrorCode::ShareGone`]: that concerns none of the files.
    pub fn bundle(&self, request: &BundleRequest) -> Result<BundleReply, Refusal> {
        let mut files = Vec::with_capacity(request.names.len());
        let mut room = MAX_SERVER_FRAME as u64 - BundleReply::OVERHEAD;
        for name in &request.names {
            // The least a file takes, and more than a refusal.
            if room < BundleReply::space_of(0) {
                break;
            }
            let path = request.path.join(name).map_err(|_| Refusal::from(ErrorCode::InvalidPath));
            let bundled = match path.and_then(|path| self.small_file(&path, room)) {
                Ok(Some(file)) => Bundled::File(file),
                Ok(None) => break,
                Err(refusal) if refusal.code() == ErrorCode::ShareGone && files.is_empty() => return Err(refusal),
                Err(refusal) if refusal.code() == ErrorCode::ShareGone => break,
                Err(refusal) => Bundled::Refused(refusal.code()),
            };
            let size = if let Bundled::File(file) = &bundled { file.data.len() } else { 0 };
            room -= BundleReply::space_of(size as u64);
            files.push(bundled);
        }
        Ok(BundleReply { id: request.id, files })
    }

    /// A whole file; `None` where it takes more than `room` bytes of a frame.
    fn small_file(&self, path: &SharePath, room: u64) -> Result<Option<BundledFile>, Refusal> {
        let (file, stamp) = self.file(path)?;
        if stamp.size > MAX_BUNDLED_FILE as u64 {
            return Err(ErrorCode::TooLarge.into());
        }
        if BundleReply::space_of(stamp.size) > room {
            return Ok(None);
        }
        // Until then a change may not show in the stamp, and bytes of two versions would go for one.
        std::thread::sleep(stamp.settles_in());
        let data = read(&file, stamp.size as usize)?;
        if data.len() as u64 != stamp.size || Stamp::of(&file)? != stamp {
            return Err(ErrorCode::Changed.into());
        }
        let root = *blake3::hash(&data).as_bytes();
        let (modified_ms, version) = (stamp.modified_ms(), stamp.version());
        Ok(Some(BundledFile { modified_ms, version, root, data: data.into() }))
    }
}

/// The first `length` bytes of a file, or as many as there are.
fn read(file: &File, length: usize) -> io::Result<Vec<u8>> {
    let mut data = Vec::with_capacity(length);
    while data.len() < length {
        let offset = data.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut data), offset) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(data)
}
