//! Small files for one answer: which are still wanted, and whether the next one fits.

use wstp_protocol::limits::{MAX_BUNDLED_FILE, MAX_SERVER_FRAME};
use wstp_protocol::{BundleReply, BundleRequest, Bundled, BundledFile, ErrorCode, SharePath};

use crate::Refusal;

/// A bundle being filled: the first of the requested files, as many as a frame holds.
///
/// The reader of the files takes the one that is [wanted](Self::wanted), checks whether its size [fits](Self::takes),
/// and [puts](Self::put) it in. It repeats that until no more is wanted.
#[derive(Debug)]
pub struct Bundle {
    request: BundleRequest,
    files: Vec<Bundled>,
    room: u64,
    is_full: bool,
    may_compress: bool,
}

impl Bundle {
    /// An empty bundle.
    #[must_use]
    pub fn new(request: BundleRequest) -> Self {
        let room = MAX_SERVER_FRAME as u64 - BundleReply::OVERHEAD;
        Self { files: Vec::with_capacity(request.names.len()), request, room, is_full: false, may_compress: false }
    }

    /// The same, but the answer may be compressed.
    #[must_use]
    pub fn compressing(self, may_compress: bool) -> Self {
        Self { may_compress, ..self }
    }

    /// The folder of the files.
    #[must_use]
    pub const fn path(&self) -> &SharePath {
        &self.request.path
    }

    /// Bytes of the answer so far.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        MAX_SERVER_FRAME as u64 - BundleReply::OVERHEAD - self.room
    }

    /// The same bundle for a store that knows the folder by another path.
    #[must_use]
    pub fn at(mut self, path: SharePath) -> Self {
        self.request.path = path;
        self
    }

    /// Whether the answer may be compressed.
    #[must_use]
    pub const fn may_compress(&self) -> bool {
        self.may_compress
    }

    /// The next file that is wanted; `None` once the bundle is complete.
    pub fn wanted(&mut self) -> Option<SharePath> {
        // The least that a file takes, and more than a refusal.
        while !self.is_full && self.room >= BundleReply::space_of(0) {
            match self.request.path.join(self.request.names.get(self.files.len())?) {
                Ok(path) => return Some(path),
                Err(_) => self.add(Bundled::Refused(ErrorCode::InvalidPath), 0),
            }
        }
        None
    }

    /// Whether the wanted file, of `size` bytes, fits into this bundle. `false`: the bundle is complete without it.
    ///
    /// # Errors
    /// [`ErrorCode::TooLarge`], to be [put](Self::put) in its place.
    pub fn takes(&mut self, size: u64) -> Result<bool, Refusal> {
        if size > MAX_BUNDLED_FILE as u64 {
            return Err(ErrorCode::TooLarge.into());
        }
        self.is_full = BundleReply::space_of(size) > self.room;
        Ok(!self.is_full)
    }

    /// Puts the wanted file in, or the reason why there is none.
    ///
    /// # Errors
    /// [`ErrorCode::ShareGone`] before the first file, because it concerns none of them.
    pub fn put(&mut self, file: Result<BundledFile, Refusal>) -> Result<(), Refusal> {
        let file = file.and_then(|file| Ok(self.takes(file.data.len() as u64)?.then_some(file)));
        match file {
            Ok(Some(file)) => {
                let size = file.data.len() as u64;
                self.add(Bundled::File(file), size);
            }
            Ok(None) => {}
            Err(refusal) if refusal.code() != ErrorCode::ShareGone => self.add(Bundled::Refused(refusal.code()), 0),
            Err(refusal) if self.files.is_empty() => return Err(refusal),
            Err(_) => self.is_full = true,
        }
        Ok(())
    }

    /// The answer.
    #[must_use]
    pub fn reply(self) -> BundleReply {
        BundleReply { id: self.request.id, files: self.files }
    }

    fn add(&mut self, bundled: Bundled, size: u64) {
        self.room = self.room.saturating_sub(BundleReply::space_of(size));
        self.files.push(bundled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_protocol::{FileVersion, ServerMessage};

    fn bundle(names: &[&str]) -> Bundle {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Bundle::new(BundleRequest { id: u32::MAX, path: SharePath::root(), names })
    }

    fn file(size: usize) -> BundledFile {
        let data = vec![7; size].into();
        BundledFile { modified_ms: Some(i64::MIN), version: FileVersion([0xff; 16]), root: [0xff; 32], data }
    }

    #[test]
    fn the_files_are_those_that_a_frame_holds() {
        let names: Vec<_> = (0..200).map(|number| number.to_string()).collect();
        let mut full = bundle(&names.iter().map(String::as_str).collect::<Vec<_>>());
        while full.wanted().is_some() {
            if full.takes(MAX_BUNDLED_FILE as u64).unwrap() {
                full.put(Ok(file(MAX_BUNDLED_FILE))).unwrap();
            }
        }
        let reply = full.reply();
        assert_eq!(reply.files.len(), 1);
        assert!(ServerMessage::Bundle(reply).encode().len() <= MAX_SERVER_FRAME);
    }

    #[test]
    fn each_name_gets_its_file_or_its_reason() {
        let mut mixed = bundle(&["a", "../b", "c", "d"]);
        assert_eq!(mixed.wanted().unwrap().as_str(), "a");
        mixed.put(Ok(file(1))).unwrap();
        assert_eq!(mixed.wanted().unwrap().as_str(), "c");
        let too_large = mixed.takes(MAX_BUNDLED_FILE as u64 + 1).unwrap_err();
        mixed.put(Err(too_large)).unwrap();
        assert_eq!(mixed.wanted().unwrap().as_str(), "d");
        mixed.put(Err(ErrorCode::NotFound.into())).unwrap();
        assert!(mixed.wanted().is_none());
        let refused = [ErrorCode::InvalidPath, ErrorCode::TooLarge, ErrorCode::NotFound].map(Bundled::Refused);
        assert_eq!(mixed.reply().files[1..], refused);
    }

    #[test]
    fn a_share_that_is_gone_refuses_no_single_file() {
        let mut none = bundle(&["a", "b"]);
        assert_eq!(none.put(Err(ErrorCode::ShareGone.into())).unwrap_err().code(), ErrorCode::ShareGone);
        let mut one = bundle(&["a", "b"]);
        one.put(Ok(file(1))).unwrap();
        one.put(Err(ErrorCode::ShareGone.into())).unwrap();
        assert!(one.wanted().is_none());
        assert_eq!(one.reply().files.len(), 1);
    }
}
